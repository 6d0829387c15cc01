"""The surfaces of shop ranking: each module of this folder that defines SURFACE adds one.

Requests, answers, warm-up, batches, advertising, explanations, counterfactual answers and pages
iterate over SURFACES, so a new surface is one new module here.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from components.shop_ranking.discovery import registered
from components.shop_ranking.surfaces.registration import Context, Page, PageRow, Surface

HOME = "home"  # asked for where no surface is named, shown where a context is not known

SURFACES: Mapping[str, Surface] = MappingProxyType(
    {surface.name: surface for surface in registered(__name__, "SURFACE")}
)
# Those that POST /recommend answers: rows of recommendations.
ROWS: Mapping[str, Surface] = MappingProxyType(
    {name: surface for name, surface in SURFACES.items() if surface.propose is not None}
)


def beside(context: Context) -> str:
    """Return the names of the surfaces that stand beside a context, for a description."""
    return ", ".join(name for name, surface in SURFACES.items() if surface.context == context)


def rows_of(page: Page) -> Iterator[tuple[Surface, PageRow]]:
    """Yield the rows of a page in their order, with their surfaces."""
    rows = [(surface, row) for surface in ROWS.values() for row in surface.pages]
    for surface, row in sorted(rows, key=lambda pair: pair[1].place):
        if row.page == page:
            yield surface, row
