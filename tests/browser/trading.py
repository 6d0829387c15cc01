"""Two weeks of a small shop's trade, as events that feedback ingestion takes in for real.

In the second week another model answers, more of what it shows is clicked, and soap falls.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import httpx
import pyarrow as pa

from components.platform import storage
from components.platform.feedback.ingestion import run
from components.platform.feedback.off_policy import VALUES
from components.shop_ranking.params import Params
from tests.platform.feedback.test_ingestion import START, impression, record, ship
from tests.served import ADMIN_KEY, ServedShop

FIRST = date(2024, 2, 19)  # the tiny world's champion answers from April on
ROW, SLOTS = 8, 2  # items shown a day, and sponsored ones
CONCLUSION = "doubly robust .117 a slot (.102 to .132), SNIPS .118 (.101 to .135); logged .104"
LONG_AGO = "1970-01-01T00:00:00Z"
AWAY = "http://127.0.0.1:9"  # nobody listens there
OTHER_PAGES = {
    "SHOPFUSION_AIRFLOW_URL": f"{AWAY}/airflow",
    "SHOPFUSION_AIRFLOW_PASSWORD": "nobody's",
    "SHOPFUSION_MLFLOW_URI": f"{AWAY}/mlflow",
    "SHOPFUSION_EVIDENTLY_URL": f"{AWAY}/evidently",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
MINUTES = 30  # until every campaign takes part for sure: a tenth more a minute, from .09


@dataclass(frozen=True)
class Week:
    """What happens on each of its days, at noon."""

    model: str
    clicks: int  # on the row; one more is on the first sponsored item
    charged: float  # for that one
    tea: float  # price of the first of the row, bought after its click
    soap: float  # price of what is bought without having been shown


WEEKS = (Week("fused-ranker/1", 1, 0.25, 4.0, 3.0), Week("fused-ranker/2", 2, 0.5, 6.0, 1.0))


def write_feedback(items: pa.Table) -> None:
    """Bring both weeks into the bucket of the environment, and what a challenger is worth."""
    pairs = list(zip(items["item_id"].to_pylist(), items["category"].to_pylist(), strict=True))
    teas = [item for item, path in pairs if path == "SIMULATED > TEA"]
    soap = next(item for item, path in pairs if path == "SIMULATED > SOAP")
    days = [(FIRST + timedelta(days=n), WEEKS[n // 7]) for n in range(14)]
    ship("trade-0", [event for day, week in days for event in trade(day, week, teas, soap)])
    run(Params())
    storage.put(json.dumps({"fused-ranker/3": {"conclusion": CONCLUSION}}).encode(), VALUES)


def trade(day: date, week: Week, teas: Sequence[str], soap: str) -> list[dict]:
    """Return the events of one day, all of one shopper."""
    noon = (datetime.combine(day, time(12), UTC) - START) / timedelta(minutes=1)
    who = {"user_id": f"{day:%Y%m%d}".zfill(32)}
    row, slots = f"{day}-row", f"{day}-slots"
    paid = {"campaign_id": "tea-week", "price": week.charged}
    by = who | {"model_version": week.model}
    shown = [impression(row, n + 1, teas[n], noon, **by) for n in range(ROW)]
    shown += [
        impression(slots, n + 1, teas[ROW + n], noon, **by, **paid, policy="gsp+pacing")
        for n in range(SLOTS)
    ]
    clicks = [
        record("click", teas[n], noon + 1, f"{row}-click-{n}", **who, impression_id=row)
        for n in range(week.clicks)
    ]
    clicks.append(
        record("click", teas[ROW], noon + 1, f"{slots}-click", **who, **paid, impression_id=slots)
    )
    bought = [
        record("purchase", item, noon + 5, f"{day}-{item}", **who, value=1, price=price)
        for item, price in ((teas[0], week.tea), (soap, week.soap))
    ]
    return [*shown, *clicks, *bought]


def admin(served: ServedShop) -> httpx.Client:
    """Return a client with the admin key."""
    key = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return httpx.Client(base_url=served.url, headers=key, timeout=60)


def offer(served: ServedShop, item_ids: Sequence[str]) -> None:
    """Put a campaign for each item, and let time pass until pacing lets all of them take part."""
    made = [
        {"campaign_id": f"for-{item}", "item_ids": [item], "bid": 0.5, "daily_budget": 40.0}
        for item in item_ids
    ]
    with admin(served) as person:
        person.put("/admin/campaigns", json={"campaigns": made}).raise_for_status()
        now = person.post("/admin/clock", json={"now": LONG_AGO}).json()["now"]
        noon = datetime.fromisoformat(now).replace(hour=12, minute=0) + timedelta(days=1)
        for minute in range(MINUTES):
            moment = {"now": (noon + timedelta(minutes=minute)).isoformat()}
            person.post("/admin/clock", json=moment).raise_for_status()
            answer = person.post("/ads", json={"slots": SLOTS}).json()
    assert [item["propensity"] for item in answer["items"]] == [1.0] * SLOTS
