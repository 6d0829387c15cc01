"""Why an item is shown, and what another model would have shown instead."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from components.shop_ranking.pages.page_context import PAGES, PageContext
from components.shop_ranking.pages.storefront import Text, Who
from components.shop_ranking.serving.api import Answer, ShownItem

COMPARED = 10  # items a side


def router(context: PageContext) -> APIRouter:
    """Return the routes; `context` answers."""
    routes = PAGES.router()

    @routes.get("/why/{impression_id}")
    def why(
        who: Who, impression_id: str, item: Annotated[str, Query(max_length=200)] = ""
    ) -> Response:
        """The shares of the towers, and the history that speaks for an item."""
        explanation = context.explain(impression_id)
        if explanation is None:
            lines = [
                "The server remembers the answers lately given, and this one is not among them."
            ]
            return context.page("message.html", who, 404, heading="No such answer", lines=lines)
        every = list(explanation.items)
        chosen = [explained for explained in every if explained.item_id == item] or every
        pictured = {
            explained.item_id: [
                vars(reason) | {"image": context.item(reason.item_id).image}
                for reason in explained.because_of
            ]
            for explained in chosen
        }
        return context.page(
            "why.html",
            who,
            explanation=explanation,
            items=chosen,
            others=len(chosen) < len(every),
            reasons=pictured,
        )

    @routes.get("/compare")
    def compare(who: Who, words: Text = "") -> Response:
        """The same question to champion and challenger; nothing is logged."""
        answers, problem = context.both(who, words.strip(), COMPARED)
        champion, challenger = answers["Champion"], answers.get("Challenger")
        mine = [item.item_id for item in champion.answer.items]
        theirs = [item.item_id for item in challenger.answer.items] if challenger else []
        sides = [
            {
                "name": name,
                "version": side.answer.model_version,
                "as_of": side.as_of,
                "lines": _moves(side.answer, mine if name == "Challenger" else None),
            }
            for name, side in answers.items()
        ]
        return context.page(
            "compare.html",
            who,
            here="/compare",
            sides=sides,
            challenger=challenger,
            problem=problem,
            words=words,
            known=context.known_shoppers(),
            shared=len(set(mine) & set(theirs)),
        )

    return routes


def _moves(answer: Answer, before: list[str] | None) -> list[dict[str, Any]]:
    """Return the lines of a side, with how far each item moved from `before`."""
    return [
        {
            "item_id": item.item_id,
            "title": item.title,
            "image": item.image,
            **_move(item, place, before),
        }
        for place, item in enumerate(answer.items)
    ]


def _move(item: ShownItem, place: int, before: list[str] | None) -> dict[str, str]:
    if before is None:
        return {"move": "", "direction": ""}
    if item.item_id not in before:
        return {"move": "new", "direction": "up"}
    up = before.index(item.item_id) - place
    if up == 0:
        return {"move": "same place", "direction": "soft"}
    return {
        "move": f"{abs(up)} {'up' if up > 0 else 'down'}",
        "direction": "up" if up > 0 else "down",
    }
