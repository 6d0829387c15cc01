"""What was shown: a record an item for the log, and the recent answers for explanations."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import orjson

from components.platform.errors import ServiceError, StorageError
from components.platform.progress import say
from components.platform.pseudonyms import pseudonym_of
from components.platform.serving import telemetry
from components.platform.serving.context import EventSink, Replicas
from components.shop_ranking.serving.api import (
    AdsRequest,
    Answer,
    Asking,
    RecommendRequest,
    SearchRequest,
)

# Answers that can be explained and clicked on a page. Capacity only: changes no result.
RECENT = 10_000
PICTURE = "an example picture"
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
    """The latest answers by impression id, also those of other servers where there are any.

    They are kept as text: as objects they were half a million, through which a full garbage
    collection went for 0.3 s, in which nobody was answered.
    """

    def __init__(self, replicas: Replicas | None = None) -> None:
        self._replicas = replicas
        self._shown: OrderedDict[str, tuple[str, str, str, datetime]] = OrderedDict()
        self._lock = Lock()
        self._dropping = False

    def keep(self, shown: Shown) -> None:
        """Remember an answer, and forget the oldest beyond RECENT."""
        answer, request = shown.answer, _without_person(shown.request)
        texts = answer.model_dump_json(), type(request).__name__, request.model_dump_json()
        with self._lock:
            self._shown[answer.impression_id] = (*texts, shown.at)
            if len(self._shown) > RECENT:
                self._shown.popitem(last=False)
        if self._replicas is not None:
            told = orjson.dumps((*texts, shown.at.isoformat()))
            self._replicas.keep(answer.impression_id, told)

    def log(self, log: EventSink, shown: Sequence[dict[str, Any]]) -> bool:
        """Write the records of what was shown, and return whether the log took them.

        What it does not take is counted, and said once for every time it begins.
        """
        try:
            log.append(shown, durable=False)
        except StorageError as error:
            telemetry.IMPRESSIONS.labels("dropped").inc(len(shown))
            if not self._dropping:
                say(f"impressions are not logged from now on: {error}")
            self._dropping = True
            return False
        telemetry.IMPRESSIONS.labels("logged").inc(len(shown))
        if self._dropping:
            say("impressions are logged again")
        self._dropping = False
        return True

    def get(self, impression_id: str) -> Shown | None:
        """Return an answer that is remembered; others' are asked for while Redis answers."""
        kept = self._shown.get(impression_id) or self._of_others(impression_id)
        if kept is None:
            return None
        answer, kind, request, moment = kept
        return Shown(
            Answer.model_validate_json(answer), REQUESTS[kind].model_validate_json(request), moment
        )

    def _of_others(self, impression_id: str) -> tuple[str, str, str, datetime] | None:
        try:
            told = self._replicas.kept(impression_id) if self._replicas else None
        except ServiceError:  # the Redis client has said it
            return None
        if told is None:
            return None
        answer, kind, request, moment = orjson.loads(told)
        return answer, kind, request, datetime.fromisoformat(moment)


def _without_person(request: Asking) -> Asking:
    """Return what an explanation needs: pseudonyms, and of an example picture that it was one."""
    changed = {
        name: pseudonym_of(given)
        for name in ("user_id", "session_id")
        if (given := getattr(request, name))
    }
    if getattr(request, "image", None):
        changed["image"] = PICTURE
    return request.model_copy(update=changed)


def records(shown: Shown) -> list[dict[str, Any]]:
    """Return one record of schemas.LOGGED_EVENTS an item; `value` is the score.

    A stranger goes by the session's pseudonym, or as nobody where there is no session.
    """
    answer, request, moment = shown.answer, shown.request, shown.at.isoformat()
    user = request.user_id or request.session_id
    common = {
        "user_id": pseudonym_of(user) if user else NOBODY,
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
