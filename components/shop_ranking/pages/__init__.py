"""Pages for people: the shop at `/`, the business at `/operations`. Jinja2, no script, own CSS."""
