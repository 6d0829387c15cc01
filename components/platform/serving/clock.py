"""The shop's clock: real time, or the time of the data that is being replayed."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Depends, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict

from components.platform.errors import ServiceError
from components.platform.serving.keys import RESPONSES, require_admin_key
from components.platform.serving.messages import BAD_REQUEST, problem

Mode = Literal["real", "data"]
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)  # later ones overflow as soon as something is added


class Clock:
    """What time it is, for answers, impressions and rules alike; safe across threads.

    In mode data it stands still between two settings, so that a replay is the same every time.
    """

    def __init__(self, mode: Mode = "real") -> None:
        self.mode: Mode = mode
        self._now: datetime | None = None
        self._lock = threading.Lock()
        self._told: list[Callable[[datetime], None]] = []

    def now(self) -> datetime:
        """Return the time in UTC.

        Raises:
            ServiceError: mode data, and no champion has said yet when its data ends.

        """
        if self.mode == "real":
            return datetime.now(UTC)
        if self._now is None:
            raise ServiceError(
                "a clock that was started", "a clock in mode data without a time", "load a champion"
            )
        return self._now

    def start(self, moment: datetime) -> None:
        """Begin where the champion's data ends; without effect on a clock that is further on."""
        if self.mode == "data":
            self._forward(moment)

    def set(self, moment: datetime) -> datetime:
        """Move the clock of a replay forward and return its time; it never goes back.

        A moment later than LAST counts as LAST.

        Raises:
            ServiceError: the clock shows real time, which nobody sets.

        """
        if self.mode == "real":
            raise ServiceError(
                "a clock in mode data", "one that shows real time", "set SHOPFUSION_SERVING_CLOCK"
            )
        now = self._forward(moment)
        for callback in self._told:
            callback(now)
        return now

    def subscribe(self, callback: Callable[[datetime], None]) -> None:
        """Call back with every time that is set from now on."""
        self._told.append(callback)

    def _forward(self, moment: datetime) -> datetime:
        with self._lock:
            self._now = max(self._now or FIRST, min(moment, LAST)).astimezone(UTC)
            return self._now


class Moment(BaseModel):
    """A time with an offset from UTC."""

    model_config = ConfigDict(extra="forbid")

    now: AwareDatetime


def router(clock: Clock) -> APIRouter:
    """Return POST /admin/clock."""
    routes = APIRouter(
        tags=["admin"],
        dependencies=[Depends(require_admin_key)],
        responses=RESPONSES | BAD_REQUEST,
    )

    @routes.post("/admin/clock", responses=problem(409, "The clock shows real time"))
    def set_clock(moment: Moment) -> Moment:
        """Move the clock of a replay forward; an earlier time leaves it where it is."""
        try:
            return Moment(now=clock.set(moment.now))
        except ServiceError as error:
            raise HTTPException(409, str(error)) from error

    return routes
