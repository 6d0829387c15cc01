"""Hand-made tables in the data contract, and a way to prepare them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.platform import schemas
from components.shop_ranking.data_preparation import component
from components.shop_ranking.params import Params

START = datetime(2024, 1, 1, tzinfo=UTC)


def moment(day: float) -> datetime:
    """The time `day` days after the first day of the shop, to the microsecond."""
    return START + timedelta(microseconds=round(day * 86400e6))


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Contract table; columns a row lacks are null."""
    filled = [{column: row.get(column) for column in schemas.TABLES[name].names} for row in rows]
    return pa.Table.from_pylist(filled, schema=schemas.TABLES[name])


def events(rows: list[tuple[str, float, str | None]], kind: str = "purchase") -> pa.Table:
    """Events of one kind from (user, day, item) rows, without session ids."""
    return table(
        "events",
        [
            {
                "event_id": f"e{number:06d}",
                "user_id": user,
                "timestamp": moment(day),
                "event_type": kind,
                "item_id": item,
                "value": 5.0 if kind == "rating" else None,
            }
            for number, (user, day, item) in enumerate(rows)
        ],
    )


def products(ids: list[str]) -> pa.Table:
    return table("products", [{"item_id": name, "title": f"Title {name}"} for name in ids])


def write_tables(folder: Path, **tables: pa.Table) -> Path:
    """Write the given tables and a note of ingestion; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        pq.write_table(rows, folder / f"{name}.parquet")
    (folder / "ingestion.json").write_text(json.dumps({"dataset": "tables"}))
    return folder


def weekly_shop(kind: str = "purchase") -> dict[str, pa.Table]:
    """Four shoppers choose two of three items each, once a week for 20 weeks."""
    rows = [
        (f"u{user}", 7 * week + user + place / 100, f"i{(user + place) % 3}")
        for week in range(20)
        for user in range(4)
        for place in range(2)
    ]
    return {"events": events(rows, kind), "products": products(["i0", "i1", "i2"])}


def prepare(folder: Path, tables: Path, **preparation: Any) -> Path:
    """Run the stage into `folder`; return the prepared folder."""
    values = {"horizon_days": 14, "min_item_sessions": 2, **preparation}
    component.run(
        Params.model_validate({"preparation": values}),
        tables,
        folder / "prepared",
        folder / "summary",
    )
    return folder / "prepared"


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file below `folder` by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
