"""The storefront: home, search, item."""

import base64
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, File, Query, UploadFile
from fastapi.responses import Response
from pydantic import ValidationError

from components.shop_ranking.pages.page_context import PAGES, PageContext
from components.shop_ranking.pages.visitor import Visitor, visitor
from components.shop_ranking.serving.api import Answer, Filters, SearchRequest
from components.shop_ranking.surfaces import HOME, rows_of
from components.shop_ranking.surfaces.registration import Page
from components.shop_ranking.surfaces.search import SURFACE as SEARCH

SLOTS, RESULTS = 2, 24
LARGEST_PICTURE = 5_000_000  # bytes
Who = Annotated[Visitor, Depends(visitor)]
Text = Annotated[str, Query(max_length=1000)]


@dataclass(frozen=True)
class ShownRow:
    """A row of a page."""

    surface: str
    heading: str
    answer: Answer


def router(context: PageContext) -> APIRouter:
    """Return the routes; `context` answers."""
    routes = PAGES.router()

    @routes.get("/")
    def home(who: Who) -> Response:
        """Rows for this shopper."""
        rows = _rows(context, who, "home")
        return context.page(
            "home.html",
            who,
            here="/",
            rows=rows,
            paid=context.sponsored(who, HOME, SLOTS, shown=[row.answer for row in rows]),
            paid_below=HOME,
            known=context.known_shoppers(),
            about=context.about(who),
            basket=[context.item(item) for item in who.basket],
        )

    @routes.get("/item/{item_id:path}")
    def item(who: Who, item_id: str, seen: Annotated[str, Query(max_length=200)] = "") -> Response:
        """One item, what is like it and what goes with it; `seen` is the answer that led here."""
        looked_at = context.item(item_id)
        if not looked_at.known:
            lines = [f"No item has the id {item_id}."]
            return context.page("message.html", who, 404, heading="No such item", lines=lines)
        names = looked_at.category.split(" > ") if looked_at.category else []
        crumbs = [
            {"name": name, "path": " > ".join(names[: place + 1])}
            for place, name in enumerate(names)
        ]
        if seen:
            context.note_click(who, seen, item_id)
        rows = _rows(context, who, "item", item_id)
        shown = [row.answer for row in rows]
        paid = context.sponsored(who, "similar", SLOTS, item_id=item_id, shown=shown)
        return context.page("item.html", who, item=looked_at, crumbs=crumbs, rows=rows, paid=paid)

    @routes.get("/search")
    def search(
        who: Who,
        q: Text = "",
        category: Text = "",
        brand: Text = "",
        price_min: str = "",
        price_max: str = "",
        page: int = 1,
    ) -> Response:
        """Results in words' order of fit, narrowed by the form beside them."""
        asked = {"category": category, "price_min": price_min, "price_max": price_max}
        try:
            filters = Filters.model_validate(
                {name: value.strip().replace(",", ".") for name, value in asked.items()
                 if value.strip() and name != "category"}
                | ({"category": category} if category else {})
                | ({"brand": (brand,)} if brand else {})
            )  # fmt: skip
            wanted = SearchRequest(query=q, page=page, page_size=RESULTS, filters=filters)
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{first['loc'][-1]}: {first['msg']}, but found {first.get('input')!r}."
            return _results(context, who, q, Filters(), problem=problem.replace("_", " "))
        if not q.strip() and filters == Filters():
            return _results(context, who, q, filters)
        narrowed = {"category": category, "brand": brand} | asked
        return _results(context, who, q, filters, wanted, narrowed)

    @routes.post("/search/picture")
    def search_by_picture(who: Who, picture: Annotated[UploadFile, File()]) -> Response:
        """Items that look like an example picture."""
        data = picture.file.read(LARGEST_PICTURE + 1)
        if len(data) > LARGEST_PICTURE:
            problem = f"The picture is larger than {LARGEST_PICTURE // 1_000_000} MB."
            return _results(context, who, "", Filters(), problem=problem)
        image = base64.b64encode(data).decode()
        wanted = SearchRequest(image=image, page_size=RESULTS)
        return _results(context, who, "", Filters(), wanted)

    return routes


def _rows(
    context: PageContext, who: Visitor, page: Page, item_id: str | None = None
) -> list[ShownRow]:
    """Return the rows of a page beside an item, without those that lack what they need."""
    rows = []
    for surface, row in rows_of(page):
        if row.needs is not None and not getattr(who, row.needs):
            continue
        answer = context.row(
            who,
            surface.name,
            row.length,
            item_id=item_id if surface.context == "item" else None,
            basket=(item_id,) if item_id and surface.context == "basket" else (),
        )
        if answer.items or row.needs is None:
            stranger = row.stranger_heading if not who.shopper else None
            rows.append(ShownRow(surface.name, stranger or row.heading, answer))
    return rows


def _results(
    context: PageContext,
    who: Visitor,
    query: str,
    filters: Filters,
    wanted: SearchRequest | None = None,
    narrowed: dict[str, str] | None = None,
    problem: str = "",
) -> Response:
    """Render the page of results; without `wanted` only its forms and the problem."""
    answer = sponsored = None
    if wanted:
        answer, problem = context.search(who, wanted)
        shown = [answer] if answer else []
        if query:
            sponsored = context.sponsored(
                who, SEARCH.name, SLOTS, query, shown=shown, filters=wanted.filters
            )
    page = wanted.page if wanted else 1
    kept = {name: value for name, value in (narrowed or {}).items() if value}
    more = bool(answer and (answer.total or 0) > page * RESULTS)
    links = {
        "before": who.link("/search", q=query, **kept, page=page - 1) if page > 1 else "",
        "after": who.link("/search", q=query, **kept, page=page + 1) if more else "",
    }
    by_picture = bool(wanted and wanted.image)
    return context.page(
        "search.html",
        who,
        422 if problem else 200,
        query=query,
        filters=filters,
        categories=context.categories(),
        answer=answer,
        heading="Looks like your picture" if by_picture else query or "Everything that fits",
        sponsored=sponsored,
        links=links if narrowed is not None else {"before": "", "after": ""},
        page=page,
        problem=problem,
    )
