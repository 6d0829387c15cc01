"""What was shown: a record an item for the log, and the recent answers for explanations."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from components.pseudonyms import at_the_door
from components.serving.api import AdsRequest, Answer, Asking, RecommendRequest, SearchRequest

RECENT = 10_000  # answers that can be explained
NOBODY = "anonymous"
REQUESTS: dict[str, type[Asking]] = {
    kind.__name__: kind for kind in (AdsRequest, RecommendRequest, SearchRequest)
}


@dataclass(frozen=True)
class Shown:
    """An answer, the request it followed, and when."""

    answer: Answer
    request: Asking
    at: datetime


class Impressions:
    """The latest answers by impression id.

    They are kept as text: as objects they were half a million, through which a full garbage
    collection went for 0.3 s, in which nobody was answered.
    """

    def __init__(self) -> None:
        self._shown: OrderedDict[str, tuple[str, str, str, datetime]] = OrderedDict()
        self._lock = Lock()

    def keep(self, shown: Shown) -> None:
        """Remember an answer, and forget the oldest beyond RECENT."""
        answer, request = shown.answer, shown.request
        texts = answer.model_dump_json(), type(request).__name__, request.model_dump_json()
        with self._lock:
            self._shown[answer.impression_id] = (*texts, shown.at)
            if len(self._shown) > RECENT:
                self._shown.popitem(last=False)

    def get(self, impression_id: str) -> Shown | None:
        """Return an answer that is remembered."""
        found = self._shown.get(impression_id)
        if found is None:
            return None
        answer, kind, request, moment = found
        return Shown(
            Answer.model_validate_json(answer), REQUESTS[kind].model_validate_json(request), moment
        )


def records(shown: Shown) -> list[dict[str, Any]]:
    """Return one record of schemas.LOGGED_EVENTS an item; `value` is the score.

    A stranger goes by the session's pseudonym, or as nobody where there is no session.
    """
    answer, request, moment = shown.answer, shown.request, shown.at.isoformat()
    user = request.user_id or request.session_id
    common = {
        "user_id": at_the_door(user) if user else NOBODY,
        "session_id": request.session_id,
        "timestamp": moment,
        "event_type": "impression",
        "query": getattr(request, "query", None) or None,
        "surface": answer.surface,
        "model_version": answer.model_version,
        "impression_id": answer.impression_id,
        "policy": answer.policy,
        "campaign_id": None,
        "price": None,
        "received_at": moment,
    }
    return [
        {
            "event_id": f"{answer.impression_id}:{item.position}",
            **common,
            "item_id": item.item_id,
            "position": item.position,
            "propensity": item.propensity,
            "value": item.score,
            "fused_score": item.fused_score,
        }
        for item in answer.items
    ]
