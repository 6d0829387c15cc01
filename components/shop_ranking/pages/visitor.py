"""Who looks at the page, and what they carry: all of it is in the address, nothing in a cookie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

MOST_IN_BASKET = 20
SHOWN_OF_AN_ID = 12


@dataclass(frozen=True)
class Visitor:
    """A shopper (None: a stranger) and the items in the basket."""

    shopper: str | None
    basket: tuple[str, ...]

    @property
    def name(self) -> str:
        """The shopper's id as it is shown: ids may be long."""
        said = self.shopper or ""
        return said if len(said) <= SHOWN_OF_AN_ID else f"{said[:SHOWN_OF_AN_ID]}…"

    def link(self, path: str, **more: object) -> str:
        """Return an address on this server that stays with this shopper and basket."""
        carried = [("shopper", self.shopper)] if self.shopper else []
        carried += [("basket", item) for item in self.basket]
        pairs = [*((name, value) for name, value in more.items() if value is not None), *carried]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def emptied(self) -> "Visitor":
        """Return the same shopper with nothing in the basket."""
        return replace(self, basket=())


def visitor(
    shopper: Annotated[str, Query(max_length=200)] = "",
    basket: Annotated[Sequence[str], Query(max_length=MOST_IN_BASKET)] = (),
) -> Visitor:
    """Read who looks from the address; an item stands in the basket once."""
    kept = tuple(dict.fromkeys(item for item in basket if 0 < len(item) <= 200))
    return Visitor(shopper.strip() or None, kept)
