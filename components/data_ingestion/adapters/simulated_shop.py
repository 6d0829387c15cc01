"""A simulated shop: shoppers with known preferences over a rendered or an ingested catalogue.

Nothing in it is real: ids carry the prefix sim-, ingestion.json says so, and MLflow runs are
tagged. The truth is written beside the raw tables and never enters the contract.
"""

from pathlib import Path

import pyarrow as pa

from components.data_ingestion.simulator.shoppers import Truth
from components.data_ingestion.simulator.world import simulate
from components.files import read_table, write_table
from components.params import DataParams

SIMULATED = True
TABLES = ("products", "images", "events", "orders")
TRUTH = "truth.npz"


def acquire(params: DataParams, raw: Path) -> None:
    """Simulate the world of `params.simulation` and write its tables and its truth into `raw`."""
    world = simulate(params)
    for name in TABLES:
        write_table(world.tables[name], raw / f"{name}.parquet")
    world.truth.save(raw / TRUTH)


def read(raw: Path, params: DataParams) -> dict[str, pa.Table]:
    """Return the contract's tables; the truth stays behind."""
    return {name: read_table(raw / f"{name}.parquet") for name in TABLES}


def truth(raw: Path) -> Truth:
    """Return the truth of the world that `acquire` wrote into `raw`."""
    return Truth.load(raw / TRUTH)
