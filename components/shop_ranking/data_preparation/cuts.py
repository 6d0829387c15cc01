"""Time cuts: every feature of a cut is computed from what happened before its first day."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from components.platform.errors import DataError
from components.shop_ranking.params import PreparationParams

Role = Literal["fit", "validation", "test", "final"]


@dataclass(frozen=True)
class Cut:
    """One moment of prediction: features before `day`, targets in [day, day + horizon)."""

    name: str
    role: Role
    day: date
    horizon_days: int

    @property
    def start(self) -> datetime:
        """First instant of the target window, UTC."""
        return datetime.combine(self.day, time(), UTC)

    @property
    def end(self) -> datetime:
        """First instant after the target window, UTC."""
        return self.start + timedelta(days=self.horizon_days)

    @property
    def second(self) -> int:
        """The cut in seconds since 1970."""
        return int(self.start.timestamp())

    def to_json(self) -> dict[str, Any]:
        """Return the cut as plain values."""
        return {**asdict(self), "day": self.day.isoformat()}


def derive_cuts(
    params: PreparationParams, protocol: dict[str, str] | None, first: datetime, last: datetime
) -> list[Cut]:
    """Return the cuts in time order: fit_1.., validation, test, and final where params want it.

    `first` and `last` are the times (UTC) of the first and the last line. A cut named in params
    wins. When params name neither a cut nor an as-of day, the dataset's published protocol holds.
    Otherwise the last horizon of the data is the test and the one before it the validation. Fit
    cuts lie one horizon apart before the validation cut. The final cut is the end of the data: it
    has no targets, and the registered model answers as of it.

    Raises:
        DataError: a cut lies outside the data, or two target windows overlap.

    """
    horizon = timedelta(days=params.horizon_days)
    free = params.as_of is None and params.validation_cut is None and params.test_cut is None
    published = (protocol or {}) if free else {}
    end = min(params.as_of or date.max, last.date() + timedelta(days=1))
    test = params.test_cut or _day(published.get("test_cut")) or end - horizon
    validation = params.validation_cut or _day(published.get("validation_cut")) or test - horizon
    fits = [validation - horizon * back for back in range(params.fit_cuts, 0, -1)]
    cuts = [Cut(f"fit_{i}", "fit", day, params.horizon_days) for i, day in enumerate(fits, 1)]
    cuts.append(Cut("validation", "validation", validation, params.horizon_days))
    cuts.append(Cut("test", "test", test, params.horizon_days))
    if params.final_cut:
        cuts.append(Cut("final", "final", end, params.horizon_days))
    if validation + horizon > test:
        raise DataError(
            f"the validation window of {params.horizon_days} days to end before the test cut",
            f"validation {validation}, test {test}",
            "move a cut or shorten preparation.horizon_days",
        )
    if cuts[0].start <= first or test > last.date():
        raise DataError(
            "events before the first cut and on or after the test cut",
            f"events from {first.date()} to {last.date()}, cuts from {cuts[0].day} to {test}",
            "choose other cuts, fewer preparation.fit_cuts or a shorter preparation.horizon_days",
        )
    return cuts


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
