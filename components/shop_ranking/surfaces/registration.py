"""What a surface says of itself: all that the rest of shop ranking has to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from components.shop_ranking.engine.history import Floats, Ints

Context = Literal["query", "item", "basket"]
Page = Literal["home", "item"]


@dataclass(frozen=True)
class PageRow:
    """The row of a surface on a page of the shop."""

    page: Page
    heading: str
    stranger_heading: str | None = None  # where nobody is signed in; None: the same
    length: int = 6  # items, at most
    needs: Literal["shopper", "basket"] | None = None  # without one, or without items, no row
    place: int = 100  # among the rows of the page


@dataclass(frozen=True)
class Surface:
    """One place of the shop that shows items.

    `context` is what an answer stands beside: words (answered by POST /search), the item that is
    looked at, or the basket. Where the request names none that the catalogue knows, the row of
    HOME is shown. `propose` takes a RowRequest of serving/recommendation.py and returns allowed
    items and their scores, both (n,), best first.
    """

    name: str
    context: Context | None = None
    propose: Callable[[Any], tuple[Ints, Floats]] | None = None  # None: POST /search answers
    # Why an item is shown; {title} is the item of the context, of a basket the one put in last.
    reason: str = ""
    pages: tuple[PageRow, ...] = ()
    # Made of the shopper's own candidates, which are ranked in one batch for requests that come
    # together.
    from_candidates: bool = False
    place: int = 100  # among the surfaces, where they are listed

    @property
    def asked_again(self) -> bool:
        """Tell whether a challenger can be asked what it would have shown: logs hold no context."""
        return self.propose is not None and self.context is None
