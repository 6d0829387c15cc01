"""Weeks of a shop whose only changes are those of one statistic of the champion each.

Category, brand, price, basket size, hours and weekdays are the same in every week. What is bought,
who comes, and who gets what the champion would show them are changed apart from each other.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.optimize import linprog

from components.platform import schemas, tracking
from components.platform.files import read_table, write_table
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.model_registration.packages import RANKER_LOADER

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
WEEKS = 16
CHANGED = {
    8: "behaviour vectors",
    9: "text vectors",
    10: "image vectors",
    11: "score",
    14: "ndcg@10",
}
KNOWN = 12  # weeks that the champion was trained on: its ranking is judged on later ones alone
TRAINED_UNTIL = str((MONDAY + timedelta(weeks=KNOWN)).date())
VISITS, LINES = 600, 3  # a week, a visit
MOST = 0.06  # share of a week's lines that one item may have


def monday(week: int) -> date:
    """Return the first day of a week."""
    return (MONDAY + timedelta(weeks=week)).date()


def register(packages: Path, name: str, tags: dict[str, str]) -> tracking.Version:
    """Register the tiny world's ranker in the registry of the environment as a champion."""
    tracking.connect()
    requirements = {"pip_requirements": ["numpy"]}  # MLflow would try the model to find them
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name=name,
            loader_module=RANKER_LOADER,
            data_path=str(packages / "fused"),
            **requirements,
        )
    trained = {
        "content": "of-the-tiny-world", "trained_until": TRAINED_UNTIL, "cut_test": TRAINED_UNTIL,
    }  # fmt: skip
    made = mlflow.register_model(logged.model_uri, name, tags=trained | tags)
    version = tracking.version(name, str(made.version))
    tracking.move_alias("champion", version)
    return version


def write_tables(packages: Path, folder: Path) -> Path:
    """Write the tables of the data contract for all weeks."""
    ranker = FusedRanker.load(packages / "fused")
    users, items = (
        read_table(packages / "fused" / "ids" / f"{name}s.parquet")[f"{name}_id"].to_numpy(False)
        for name in ("user", "item")
    )
    known = ranker.shoppers.users
    shown_UK, scores_UK = ranker.rank(ranker.known(known), 10)
    whole = ~np.isnan(np.hstack([ranker.items.vectors[tower] for tower in TOWERS])).any(axis=1)
    lists = [row[whole[row]] for row in shown_UK]
    fondest = np.argsort(-scores_UK.mean(axis=1))[: len(known) // 3]
    rng, orders = np.random.default_rng(0), []
    for week in range(WEEKS):
        who = taste = rng.integers(0, len(known), VISITS)
        bought = np.array([rng.choice(lists[user], LINES, replace=False) for user in taste])
        name = CHANGED.get(week, "")
        if name.endswith(" vectors"):
            bought = _moved(name.split()[0], ranker, lists, whole)
        elif name == "score":
            who = fondest[rng.integers(0, len(fondest), VISITS)]
        elif name == "ndcg@10":
            who = (taste + len(known) // 2) % len(known)  # they buy what others would be shown
        orders.append(_orders(week, users[known[who]], items[bought]))
    write_table(pa.concat_tables(orders), folder / "orders.parquet")
    every = {"item_id": items, "title": "thing", "category": "FOOD", "brand": "own"}
    columns = {field.name: None for field in schemas.PRODUCTS} | every
    products = pa.Table.from_pandas(
        pd.DataFrame(columns, index=range(len(items))), schemas.PRODUCTS, preserve_index=False
    )
    write_table(products, folder / "products.parquet")
    for name in ("events", "quarantine"):
        write_table(schemas.TABLES[name].empty_table(), folder / f"{name}.parquet")
    return folder


def _moved(
    tower: str, ranker: FusedRanker, lists: list[np.ndarray], whole: np.ndarray
) -> np.ndarray:
    """Return a week's baskets whose mean vector is another in one tower and the same in others."""
    usual = np.bincount(np.concatenate(lists), minlength=len(whole)) / sum(map(len, lists))
    vectors = {name: np.nan_to_num(ranker.items.vectors[name]).astype(float) for name in TOWERS}
    others = np.hstack([vectors[name] for name in TOWERS if name != tower])
    _, _, direction = np.linalg.svd(vectors[tower] - usual @ vectors[tower], full_matrices=False)
    optimum = linprog(
        -vectors[tower] @ direction[0],
        A_eq=np.vstack([others.T, np.ones(len(whole))]),
        b_eq=np.append(usual @ others, 1.0),
        bounds=[(0, max(MOST, usual.max()) if complete else 0) for complete in whole],
    )
    assert optimum.success, optimum.message
    count = np.floor(optimum.x * VISITS * LINES).astype(int)
    count[np.argsort(-optimum.x)[: VISITS * LINES - count.sum()]] += 1
    pool = np.repeat(np.arange(len(whole)), count)  # dealt out: no basket has an item twice
    return pool.reshape(LINES, VISITS).T


def _orders(week: int, users: np.ndarray, items_VL: np.ndarray) -> pa.Table:
    visit = np.repeat(np.arange(VISITS), LINES)
    minutes = (visit % 7) * 1440 + 10 * 60 + (visit % 9) * 60
    start = pd.Timestamp(MONDAY) + pd.Timedelta(weeks=week)
    frame = pd.DataFrame(
        {
            "order_id": [f"{week}/{number}" for number in visit],
            "user_id": users[visit],
            "timestamp": start + pd.to_timedelta(minutes, unit="min"),
            "item_id": items_VL.ravel(),
            "quantity": 1.0,
            "unit_price": 2.0,
            "discount": 0.0,
        }
    )
    return pa.Table.from_pandas(frame, schemas.ORDERS, preserve_index=False)
