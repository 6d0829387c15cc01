"""Budget pacing: a probability of taking part, so that spending follows the day.

After Agarwal, Ghosh, Wei and You, "Budget pacing for targeted online advertisements at LinkedIn"
(KDD 2014): once a minute the probability rises or falls by a step, as spending lies below or
above its plan. The plan here is even over the part of the UTC day in which the campaign runs.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from components.shop_ranking.ads.campaigns import Campaign
from components.shop_ranking.params.serving import AdsParams

EVERY = timedelta(minutes=1)


class Pacer:
    """What one campaign has spent today, and how eagerly it takes part."""

    def __init__(self, params: Callable[[], AdsParams] = AdsParams) -> None:
        """`params` are asked whenever they are needed."""
        self._params = params
        self.spent = 0.0  # today
        self.participation = params().pacing_begin
        self._day: date | None = None
        self._adjusted: datetime | None = None

    def spent_by(self, now: datetime) -> float:
        """Return what was spent on the day of this moment."""
        self._turn(now)
        return self.spent

    def spend(self, price: float, now: datetime) -> None:
        """Count what was charged."""
        self._turn(now)
        if now.date() == self._day:
            self.spent += price

    def probability(self, campaign: Campaign, now: datetime) -> float:
        """Return the probability of taking part now; zero once the budget is spent."""
        self._turn(now)
        if self.spent >= campaign.daily_budget:
            return 0.0
        if self._adjusted is None or now - self._adjusted >= EVERY:
            self._adjusted = now
            behind = self.spent < campaign.daily_budget * planned(campaign, now)
            step = self._params().pacing_step
            wanted = self.participation * (1 + step if behind else 1 - step)
            self.participation = min(max(wanted, self._params().pacing_least), 1.0)
        return self.participation

    def _turn(self, now: datetime) -> None:
        """Begin a new day with an empty purse; an earlier day never comes back."""
        if self._day is None or now.date() > self._day:
            self._day, self.spent = now.date(), 0.0
            self.participation = self._params().pacing_begin
            self._adjusted = None


def planned(campaign: Campaign, now: datetime) -> float:
    """Return the share of the day's budget that should be spent by now, 0 to 1."""
    first = datetime(now.year, now.month, now.day, tzinfo=UTC)
    last = first + timedelta(days=1)
    first = max(first, campaign.starts_at or first)
    last = min(last, campaign.ends_at or last)
    return min(max((now - first) / (last - first), 0.0), 1.0) if last > first else 1.0
