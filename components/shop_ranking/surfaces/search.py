"""Search: answered by POST /search; components/shop_ranking/search finds the items."""

from components.shop_ranking.surfaces.registration import Surface

SURFACE = Surface(name="search", context="query", place=0)
