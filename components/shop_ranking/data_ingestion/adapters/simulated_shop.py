"""A simulated shop: shoppers with known preferences over a rendered or an ingested catalogue.

Nothing in it is real: ids carry the prefix sim-, ingestion.json says so, and MLflow runs are
tagged. The truth is written beside the raw tables and never enters the contract.
"""

import json
from pathlib import Path

from components.platform.files import read_table, write_json, write_table
from components.shop_ranking.data_ingestion.adapter import Batch, Extract
from components.shop_ranking.data_ingestion.simulator.shoppers import Truth
from components.shop_ranking.data_ingestion.simulator.world import simulate
from components.shop_ranking.params import Params

TABLES = ("products", "images", "events", "orders")
TRUTH = "truth.npz"
NOTE = "world.json"


def acquire(params: Params, raw: Path) -> None:
    """Simulate the world of `data.simulation`; write its tables and its truth into `raw`."""
    world = simulate(params.data)
    for name in TABLES:
        write_table(world.tables[name], raw / f"{name}.parquet")
    world.truth.save(raw / TRUTH)
    write_json({"images": world.images}, raw / NOTE)


def read(raw: Path, params: Params) -> Extract:
    """Return the contract's tables; the truth stays behind."""
    files = {name: f"{name}.parquet" for name in TABLES}
    batches = [Batch(name, file, read_table(raw / file)) for name, file in files.items()]
    note = json.loads((raw / NOTE).read_text())
    return Extract(batches, images=note["images"], simulated=True)


def truth(raw: Path) -> Truth:
    """Return the truth of the world that `acquire` wrote into `raw`."""
    return Truth.load(raw / TRUTH)
