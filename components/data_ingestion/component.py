"""Data ingestion: raw files of one dataset into the data contract's tables."""

from importlib import import_module
from pathlib import Path

from components import schemas
from components.data_ingestion.pseudonyms import pseudonymise
from components.files import atomic_folder, write_json, write_table
from components.params import Params


def run(params: Params, raw: Path, tables: Path) -> None:
    """Read `raw`, check it against the contract and write one Parquet file a table."""
    adapter = import_module(
        f"components.data_ingestion.adapters.{params.data.dataset.replace('-', '_')}"
    )
    with atomic_folder(tables) as folder:
        found = adapter.read(raw, params.data)
        found.setdefault("images", schemas.IMAGES.empty_table())
        for name, table in found.items():
            if "user_id" in table.column_names:
                table = pseudonymise(table)
            write_table(table.cast(schemas.TABLES[name]), folder / f"{name}.parquet")
        write_json(
            {
                "dataset": params.data.dataset,
                "rows": {name: table.num_rows for name, table in found.items()},
                "protocol": getattr(adapter, "PROTOCOL", None),
                "simulated": getattr(adapter, "SIMULATED", False),
            },
            folder / "ingestion.json",
        )
