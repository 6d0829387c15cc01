"""Web pages: the storefront at `/`, operations at `/operations`. Jinja2, no script, own CSS."""
