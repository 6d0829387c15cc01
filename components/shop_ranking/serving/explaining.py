"""Why an answer looks as it does: the parts of the model, and the history that speaks for it."""

import numpy as np
from fastapi import APIRouter, HTTPException

from components.platform.pseudonyms import pseudonym_of
from components.platform.serving.messages import BAD_REQUEST, problem
from components.shop_ranking.ads.campaigns import SIMULATED
from components.shop_ranking.engine.feature_states import TOWERS, ShopperState
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.serving.api import (
    ExplainedItem,
    Explanation,
    Reason,
    SearchRequest,
    Share,
    ShownItem,
)
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.impressions import Shown
from components.shop_ranking.serving.service import Service
from components.shop_ranking.surfaces import SURFACES


def router(service: Service) -> APIRouter:
    """Return GET /explain."""
    routes = APIRouter(tags=["answers"])

    @routes.get(
        "/explain/{impression_id}",
        responses=problem(404, "The answer, or the model that gave it, is gone") | BAD_REQUEST,
    )
    def get_explanation(impression_id: str) -> Explanation:
        """Why the items of an answer are where they are."""
        told = explain(service, impression_id)
        if told is None:
            raise HTTPException(
                404,
                "expected an answer lately given, by a model that is still loaded; found "
                f"{impression_id[:80]!r}; ask again and explain the new answer",
            )
        return told

    return routes


def explain(service: Service, impression_id: str) -> Explanation | None:
    """Explain an answer by its own model and history; None where either is gone."""
    shown = service.impressions.get(impression_id)
    if shown is None:
        return None
    champion = service.models.loaded(shown.answer.model_version)
    return None if champion is None else explanation(champion, shown)


def explanation(champion: Champion, shown: Shown) -> Explanation:
    """Explain an answer of this champion."""
    answer, request = shown.answer, shown.request
    user = pseudonym_of(request.user_id) if request.user_id else None
    state = champion.shoppers.at(user, request.history, shown.at).state
    rows = champion.catalogue.rows([item.item_id for item in answer.items])
    shares = _shares(champion, state, rows)
    reasons = [_reasons(champion, state, int(row)) for row in rows]
    items = zip(answer.items, shares, reasons, strict=True)
    return Explanation(
        impression_id=answer.impression_id,
        surface=answer.surface,
        model_version=answer.model_version,
        items=tuple(
            ExplainedItem(
                item_id=item.item_id,
                position=item.position,
                title=item.title,
                sentence=_sentence(champion, state, shown, item, because),
                shares=parts,
                because_of=because,
                sponsored=item.sponsored,
            )
            for item, parts, because in items
        ),
    )


def _shares(champion: Champion, state: ShopperState, rows: np.ndarray) -> list[tuple[Share, ...]]:
    """Return each part's share of what moved an item's score, whatever the direction."""
    if len(rows) == 0:
        return []
    ordered, back = np.unique(rows, return_inverse=True)
    candidates = champion.engine.rows(state, [ordered])
    parts = champion.ranker.fusion.contributions(candidates)
    moved = np.abs(np.stack(list(parts.values()), 1))[back]
    share = moved / np.maximum(moved.sum(1, keepdims=True), 1e-12)
    return [
        tuple(Share(part=name, share=float(row[k])) for k, name in enumerate(parts))
        for row in share
    ]


def _reasons(champion: Champion, state: ShopperState, row: int) -> tuple[Reason, ...]:
    """Return the item itself where it was bought before, then its nearest in the history."""
    reasons: list[Reason] = []
    titles, ids = champion.catalogue.title, champion.catalogue.item_id
    pair = np.flatnonzero(state.item == row)
    if len(pair) and (visits := float(state.pair_column("sessions")[pair[0]])) > 0:
        reasons.append(Reason(item_id=ids[row], title=titles[row], weight=visits, tower="history"))
    params = champion.recommender.params
    latest = state.item[-params.reason_history :]
    latest = latest[latest != row]
    near = []
    for tower in TOWERS:
        cosines = _cosines(champion, tower, row, latest)
        if len(latest) and not np.isnan(cosines).all():
            best = int(np.nanargmax(cosines))
            near.append((float(cosines[best]), tower, int(latest[best])))
    for weight, tower, item in sorted(near, reverse=True):
        if weight > 0 and ids[item] not in {reason.item_id for reason in reasons}:
            reasons.append(
                Reason(item_id=ids[item], title=titles[item], weight=weight, tower=tower)
            )
    return tuple(reasons[: params.reasons])


def _cosines(champion: Champion, tower: str, row: int, others: np.ndarray) -> Floats:
    items = champion.engine.items
    vectors, norms = items.vectors[tower], items.norms[tower]
    cosines: Floats = (vectors[others] @ vectors[row]) / (norms[others] * norms[row])
    return cosines


def _sentence(
    champion: Champion,
    state: ShopperState,
    shown: Shown,
    item: ShownItem,
    because: tuple[Reason, ...],
) -> str:
    """Say it in one plain sentence."""
    parts = [_paid_by(item), _context(champion, shown)]
    if because and because[0].tower == "history":
        pair = int(np.flatnonzero(state.item == champion.catalogue.index[item.item_id])[0])
        visits, days = (state.pair_column(name)[pair] for name in ("sessions", "days_since_last"))
        times = "once" if visits == 1 else f"on {visits:.0f} visits"
        parts.append(f"you bought it {times}, last {_ago(float(days))}")
    elif because:
        title = because[0].title or because[0].item_id
        parts.append(TOWERS[because[0].tower].reason.format(title=title))
    else:
        parts.append("it is popular in the shop")
    said = ", and ".join(part for part in parts if part)
    return f"{said[0].upper()}{said[1:]}."


def _paid_by(item: ShownItem) -> str:
    """Say who pays for a sponsored place."""
    if not item.sponsored:
        return ""
    if (item.campaign_id or "").startswith(SIMULATED):
        return "it is sponsored by a simulated bid: nobody pays for this place"
    return "it is sponsored: a seller pays for this place"


def _context(champion: Champion, shown: Shown) -> str:
    """Say what the item has to do with the query, the item looked at, or the basket."""
    request = shown.request
    if isinstance(request, SearchRequest):
        query = shown.answer.corrected or request.query.strip()
        return (
            f"it matches “{query}”" if query else "it looks like your picture" * bool(request.image)
        )
    surface = SURFACES[shown.answer.surface]
    if surface.context is None:
        return surface.reason
    basket = getattr(request, "basket", ()) or ("",)
    item = getattr(request, "item_id", None) if surface.context == "item" else basket[-1]
    row = champion.catalogue.index.get(item or "")
    if row is None:
        return ""
    return surface.reason.format(
        title=champion.catalogue.title[row] or champion.catalogue.item_id[row]
    )


def _ago(days: float) -> str:
    whole = int(days)
    return "today" if whole == 0 else "yesterday" if whole == 1 else f"{whole} days ago"
