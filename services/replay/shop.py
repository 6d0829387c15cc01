"""The running server as a replay uses it: its clock, its rows and slots, its event intake."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from components.platform.errors import ServiceError

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between two tries
TRIES = 3  # of a batch of which something is refused
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


class Shop:
    """A client that outlives a server that is restarted; use as a context manager."""

    def __init__(self, url: str, event_key: str, admin_key: str, patience: float) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        self._event = {"Authorization": f"Bearer {event_key}"}
        self._admin = {"Authorization": f"Bearer {admin_key}"}
        self._patience = patience
        self.retries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def now(self) -> datetime:
        """Return the shop's time.

        Raises:
            ServiceError: the server does not answer, has no champion, or runs in real time.

        """
        self._ask("GET", "/ready")
        return self.set_clock(LONG_AGO)  # the clock never goes back

    def set_clock(self, moment: datetime) -> datetime:
        """Move the shop's time forward and return it."""
        asked = {"now": moment.isoformat()}
        said = self._ask("POST", "/admin/clock", headers=self._admin, json=asked)
        return datetime.fromisoformat(said["now"])

    def recommend(self, **asked: Any) -> Json:
        """Return an Answer of POST /recommend."""
        return self._ask("POST", "/recommend", json=asked)

    def search(self, **asked: Any) -> Json:
        """Return an Answer of POST /search."""
        return self._ask("POST", "/search", json=asked)

    def ads(self, **asked: Any) -> Json:
        """Return an Answer of POST /ads."""
        return self._ask("POST", "/ads", json=asked)

    def has_campaigns(self) -> bool:
        """Tell whether anybody advertises."""
        return bool(self._ask("GET", "/admin/campaigns", headers=self._admin)["campaigns"])

    def offer(self, campaigns: Sequence[Json]) -> None:
        """Let these campaigns run from now on, and no others."""
        body = {"campaigns": list(campaigns)}
        self._ask("PUT", "/admin/campaigns", headers=self._admin, json=body)

    def send(self, events: Sequence[Json], moment: datetime) -> tuple[int, int]:
        """Send a batch at `moment`; return how many were new, and how many were known already.

        A server that came back in between has forgotten its clock and takes the present for the
        future: the clock is set again and the batch sent again, under the same ids.

        Raises:
            ServiceError: the server took none of it in time, or refuses an event.

        """
        accepted = 0
        for _ in range(TRIES):
            self.set_clock(moment)
            batch = {"events": list(events)}
            answer = self._ask("POST", "/events", headers=self._event, json=batch)
            accepted += answer["accepted"]
            if not answer["rejected"]:
                return accepted, len(events) - accepted
        first = answer["rejected"][0]
        raise ServiceError(
            "the server to take every replayed event",
            f"{len(answer['rejected'])} refused, the first because: {first['reason']}",
            "see docs/pages.md on replays",
        )

    def _ask(self, method: str, path: str, **arguments: Any) -> Json:
        """Ask until there is an answer: a server that restarts or whose spool is full comes back.

        Raises:
            ServiceError: it refuses what was asked, or is away for longer than the patience.

        """
        deadline, pause = time.monotonic() + self._patience, FIRST_PAUSE
        while True:
            answer = self._try(lambda: self._client.request(method, path, **arguments))
            if isinstance(answer, httpx.Response) and answer.is_success:
                return answer.json()
            said = answer if isinstance(answer, str) else f"{answer.status_code} {_text(answer)}"
            again = (
                isinstance(answer, str) or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            )
            if not again or time.monotonic() > deadline:
                raise ServiceError(
                    f"the server to answer {method} {path}",
                    said,
                    "see its log and GET /ready, then replay again: it goes on where it stopped",
                )
            self.retries += 1
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    @staticmethod
    def _try(ask: Callable[[], httpx.Response]) -> httpx.Response | str:
        try:
            return ask()
        except httpx.HTTPError as error:
            return str(error) or type(error).__name__


def _text(answer: httpx.Response) -> str:
    return " ".join(answer.text.split())[:200]
