"""The shop for people: home, search, item."""

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, File, Query, UploadFile
from fastapi.responses import Response
from pydantic import ValidationError

from components.shop_ranking.pages.page_context import Front
from components.shop_ranking.pages.rendering import HEADERS, PageRoute, static
from components.shop_ranking.pages.visitor import Visitor, visitor
from components.shop_ranking.serving.api import Answer, Filters, SearchRequest

IN_A_ROW, IN_A_SHORT_ROW, SLOTS, RESULTS = 12, 6, 2, 24
LARGEST_PICTURE = 5_000_000  # bytes
FILES = {"shop.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
Who = Annotated[Visitor, Depends(visitor)]
Text = Annotated[str, Query(max_length=1000)]


def router(front: Front) -> APIRouter:
    """Return the routes; `front` answers."""
    routes = APIRouter(include_in_schema=False, route_class=PageRoute)

    @routes.get("/")
    def home(who: Who) -> Response:
        """Rows for this shopper."""
        rows: dict[str, Answer | None] = {"home": front.row(who, "home", k=IN_A_ROW)}
        rows["buy_again"] = front.row(who, "buy_again", k=IN_A_SHORT_ROW) if who.shopper else None
        rows["basket"] = front.row(who, "basket", k=IN_A_SHORT_ROW) if who.basket else None
        shown = [answer for answer in rows.values() if answer]
        rows["sponsored"] = front.sponsored(who, "home", SLOTS, shown=shown)
        return front.page(
            "home.html",
            who,
            here="/",
            rows=rows,
            known=front.known_shoppers(),
            about=front.about(who),
            basket=[front.item(item) for item in who.basket],
        )

    @routes.get("/item/{item_id:path}")
    def item(who: Who, item_id: str, seen: Annotated[str, Query(max_length=200)] = "") -> Response:
        """One item, what is like it and what goes with it; `seen` is the answer that led here."""
        found = front.item(item_id)
        if not found.known:
            lines = [f"No item has the id {found.item_id}."]
            return front.page("message.html", who, 404, heading="No such item", lines=lines)
        names = (found.category or "").split(" > ") if found.category else []
        crumbs = [
            {"name": name, "path": " > ".join(names[: place + 1])}
            for place, name in enumerate(names)
        ]
        if seen:
            front.note_click(who, seen, found.item_id)
        rows = {
            "similar": front.row(who, "similar", k=IN_A_SHORT_ROW, item_id=found.item_id),
            "basket": front.row(who, "basket", k=IN_A_SHORT_ROW, basket=(found.item_id,)),
        }
        shown = list(rows.values())
        rows["sponsored"] = front.sponsored(
            who, "similar", SLOTS, item_id=found.item_id, shown=shown
        )
        return front.page("item.html", who, item=found, crumbs=crumbs, rows=rows)

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
            return _results(front, who, q, Filters(), problem=problem.replace("_", " "))
        if not q.strip() and filters == Filters():
            return _results(front, who, q, filters)
        narrowed = {"category": category, "brand": brand} | asked
        return _results(front, who, q, filters, wanted, narrowed)

    @routes.post("/search/picture")
    def search_by_picture(who: Who, picture: Annotated[UploadFile, File()]) -> Response:
        """Items that look like an example picture."""
        data = picture.file.read(LARGEST_PICTURE + 1)
        if len(data) > LARGEST_PICTURE:
            problem = f"The picture is larger than {LARGEST_PICTURE // 1_000_000} MB."
            return _results(front, who, "", Filters(), problem=problem)
        image = base64.b64encode(data).decode()
        wanted = SearchRequest(image=image, page_size=RESULTS)
        return _results(front, who, "", Filters(), wanted)

    @routes.get("/pages/{name}")
    def asset(name: str) -> Response:
        """The style sheet and the icon."""
        if name not in FILES:
            return Response("no such file", 404)
        kept = HEADERS | {"Cache-Control": "max-age=3600"}
        return Response(static(name), media_type=FILES[name], headers=kept)

    return routes


def _results(
    front: Front,
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
        answer, problem = front.search(who, wanted)
        shown = [answer] if answer else []
        if query:
            sponsored = front.sponsored(
                who, "search", SLOTS, query, shown=shown, filters=wanted.filters
            )
    page = wanted.page if wanted else 1
    kept = {name: value for name, value in (narrowed or {}).items() if value}
    more = bool(answer and (answer.total or 0) > page * RESULTS)
    links = {
        "before": who.link("/search", q=query, **kept, page=page - 1) if page > 1 else "",
        "after": who.link("/search", q=query, **kept, page=page + 1) if more else "",
    }
    by_picture = bool(wanted and wanted.image)
    return front.page(
        "search.html",
        who,
        422 if problem else 200,
        query=query,
        filters=filters,
        categories=front.categories(),
        answer=answer,
        heading="Looks like your picture" if by_picture else query or "Everything that fits",
        sponsored=sponsored,
        links=links if narrowed is not None else {"before": "", "after": ""},
        page=page,
        problem=problem,
    )
