"""A hand-made run folder: what the stages before model_registration leave, in small.

Sixty shoppers, twelve items; NDCG of each model is set by hand, so the gate's answer is known.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from scipy.sparse import csr_array

from components.platform.files import write_json, write_table
from components.platform.schemas import EVENT_TYPES, ITEM_PAIRS
from components.shop_ranking.engine.feature_states import (
    GROUPS,
    ITEM_COLUMNS,
    TOWERS,
    ItemState,
    ShopperState,
)
from components.shop_ranking.engine.fusion.rank_ensemble import RankEnsemble
from components.shop_ranking.engine.history import Events, summarise
from components.shop_ranking.engine.rankings import LENGTH, Rankings
from components.shop_ranking.engine.trained_with import TrainedWith
from components.shop_ranking.params import Params
from components.shop_ranking.params.fusion import FusionParams

ROOT = Path(__file__).parents[3]
USERS, ITEMS, DIM = 60, 12, 4
USER_IDS = [f"shopper-{i:02d}" for i in range(USERS)]
ITEM_IDS = [f"item-{i:02d}" for i in range(ITEMS)]
CHOSEN = "rank-ensemble"
PATHS = {
    "tables": "data/tables",
    "prepared": "data/prepared",
    "behaviour": "models/behaviour",
    "text": "models/text",
    "image": "models/image",
    "fused": "models/fused",
    "champion": "models/champion",
    "evaluation": "reports/evaluation",
    "leaderboard": "reports/leaderboard.csv",
}


def write_run(
    folder: Path,
    *,
    ndcg: float = 0.45,
    scale: float = 1.0,
    dataset: str = "complete-journey",
    names: str = "",
    towers: str = "",
) -> None:
    """Write a whole run folder with a fused model of the given NDCG.

    Another `scale` makes another fused model of the same towers. `names` and `towers` are added
    to the names in the registry.
    """
    rng = np.random.default_rng(0)
    users_UD = rng.normal(size=(USERS, DIM)).astype(np.float32)
    items_ID = rng.normal(size=(ITEMS, DIM)).astype(np.float32)
    users_UD[3] = np.nan  # a shopper the towers know nothing of
    account = {"dataset": dataset, "simulated": False, "images": "rendered"}
    write_json(account, folder / "data/tables/ingestion.json")
    write_prepared(folder / "data/prepared")
    for name in ("behaviour", "text", "image"):
        tower = folder / "models" / name
        (tower / "test").mkdir(parents=True, exist_ok=True)
        write_json({"name": name, "dim": DIM}, tower / "tower.json")
        write_table(pa.table({"item_id": ITEM_IDS[::-1]}), tower / "items.parquet")  # its own
        np.save(tower / "test/user_vectors.npy", users_UD)
        np.save(tower / "test/item_vectors.npy", items_ID)
    write_fused(folder / "models/fused", users_UD * scale, items_ID)
    write_evaluation(folder / "reports/evaluation", {CHOSEN: ndcg, "frequency": 0.42})
    (folder / "requirements-serving.lock").write_bytes(
        (ROOT / "requirements-serving.lock").read_bytes()
    )
    policy = yaml.safe_load((ROOT / "mlflow/registry.yaml").read_text())
    entry = policy["applications"]["shop_ranking"]
    entry["models"] = {
        key: f"{name}{names if key == 'fused' else towers}" for key, name in entry["models"].items()
    }
    entry["gate"]["bootstrap_samples"] = 200
    latency = next(line for line in entry["gate"]["lines"] if line["measure"] == "latency_ms")
    latency |= {"noise": 1000, "limit": 1000}  # the verdict must not hang on a busy machine
    (folder / "mlflow").mkdir(exist_ok=True)
    (folder / "mlflow/registry.yaml").write_text(yaml.safe_dump(policy))


def write_prepared(prepared: Path, day: str = "2017-11-01") -> None:
    """Every shopper bought item 0 before the cut and wants item `user % ITEMS` after it."""
    cut = prepared / "cuts/test"
    cut.mkdir(parents=True, exist_ok=True)
    write_json(
        [{"name": "test", "role": "test", "day": day, "horizon_days": 28,
          "target_events": ["purchase"]}],
        prepared / "cuts.json",
    )  # fmt: skip
    users, items = np.arange(USERS, dtype=np.int32), np.arange(ITEMS, dtype=np.int32)
    write_table(pa.table({"user_index": users, "user_id": USER_IDS}), prepared / "users.parquet")
    write_table(item_table(), prepared / "items.parquet")
    picture = pa.table({"item_index": items[:1], "image": pa.array([b"\x89PNG"], pa.binary())})
    write_table(picture, prepared / "images.parquet")
    write_table(
        pa.table({"user_index": users, "item_index": users % ITEMS}), cut / "targets.parquet"
    )
    write_table(
        pa.table({"item_index": items, "eligible": np.ones(ITEMS, bool)}),
        cut / "item_stats.parquet",
    )
    lists = {
        "item_index": pa.array([[0, 0]] * USERS, pa.list_(pa.int32())),
        "day": pa.array([[31.0, 2.0]] * USERS, pa.list_(pa.float32())),
        "session": pa.array([[0, 1]] * USERS, pa.list_(pa.int32())),
        "event_type": pa.array([[EVENT_TYPES.index("purchase")] * 2] * USERS, pa.list_(pa.int8())),
    }
    write_table(pa.table({"user_index": users, **lists}), cut / "sequences.parquet")
    write_table(ITEM_PAIRS.empty_table(), cut / "item_pairs.parquet")


def item_table() -> pa.Table:
    """The catalogue: every item has a title and a price, all are of one category and brand."""
    return pa.table(
        {
            "item_index": np.arange(ITEMS, dtype=np.int32),
            "item_id": ITEM_IDS,
            "title": [f"thing number {i}" for i in range(ITEMS)],
            "text": [f"thing number {i}. acme" for i in range(ITEMS)],
            "category": ["THINGS > SMALL"] * ITEMS,
            "brand": ["acme"] * ITEMS,
            "price": np.arange(1, ITEMS + 1, dtype=np.float32),
        }
    )


def write_fused(fused: Path, users_UD: np.ndarray, items_ID: np.ndarray) -> None:
    """A rank ensemble over three towers that share their vectors; everybody bought item 0."""
    none = np.full((USERS, LENGTH), -1, np.int32)
    rankings = Rankings(np.arange(USERS, dtype=np.int32), none, none, 1.0)
    (fused / "rankings/test").mkdir(parents=True, exist_ok=True)
    for name in (CHOSEN, "behaviour"):
        rankings.save(fused / f"rankings/test/{name}.npz")
    params = Params(fusion=FusionParams(new_candidates=5, bought_candidates=5))
    chosen = {"method": CHOSEN, **TrainedWith.of(params).values()}
    write_json(chosen, fused / "chosen.json")
    RankEnsemble().save(fused / CHOSEN)
    numbers = np.ones((ITEMS, len(ITEM_COLUMNS)), np.float32)
    numbers[:, ITEM_COLUMNS.index("sessions")] = np.arange(ITEMS, 0, -1)
    ItemState(
        numbers=numbers,
        eligible=np.ones(ITEMS, bool),
        groups=np.zeros((ITEMS, len(GROUPS)), np.int32),
        vectors=dict.fromkeys(TOWERS, items_ID),
        ease=csr_array(np.eye(ITEMS, dtype=np.float32)),
    ).save(fused / "state/items")
    bought = summarise(
        Events(
            ptr=np.arange(USERS + 1, dtype=np.int64),
            item=np.zeros(USERS, np.int32),
            day=np.full(USERS, 2.0, np.float32),
            session=np.zeros(USERS, np.int32),
            is_target=np.ones(USERS, bool),
        )
    )
    ShopperState(
        users=np.arange(USERS, dtype=np.int32),
        ptr=bought.ptr,
        item=bought.item,
        pairs=bought.pairs,
        numbers=bought.shoppers,
        vectors=dict.fromkeys(TOWERS, users_UD),
    ).save(fused / "state/shoppers")


def write_evaluation(evaluation: Path, ndcg: dict[str, float]) -> None:
    """NDCG differs between shoppers, and a little between models on top of the set mean."""
    evaluation.mkdir(parents=True, exist_ok=True)
    shopper = np.linspace(-0.1, 0.1, USERS)
    rows, whole = [], []
    for model, mean in {**ndcg, "behaviour": 0.40}.items():
        for view, share in (("all", 1.0), ("novel", 0.2)):
            rows.append(
                pd.DataFrame(
                    {
                        "user_index": np.arange(USERS, dtype=np.int32),
                        "model": model,
                        "view": view,
                        "slice": "all",
                        "ndcg": share * (mean + np.roll(shopper, len(model)) * 0.02 + shopper),
                    }
                )
            )
        for metric, value in (("coverage", 0.5), ("popularity_bias", 0.6)):
            whole.append(("all", "all", model, metric, value))
    write_table(pa.Table.from_pandas(pd.concat(rows)), evaluation / "per_user.parquet")
    pd.DataFrame(whole, columns=["view", "slice", "model", "metric", "value"]).to_csv(
        evaluation.parent / "leaderboard.csv", index=False
    )


def read_verdict(folder: Path) -> dict:
    return json.loads((folder / "reports/registration.json").read_text())
