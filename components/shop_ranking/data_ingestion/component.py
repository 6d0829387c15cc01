"""Data ingestion: raw files of one dataset into the data contract's tables."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from components.platform import schemas
from components.platform.errors import DataError
from components.platform.feedback.served_events import add_feedback, read_feedback
from components.platform.files import atomic_folder, write_json, write_table
from components.platform.progress import part, say
from components.platform.pseudonyms import pseudonymise, warn_of_development_key
from components.shop_ranking.data_ingestion.acquisition import FEEDBACK
from components.shop_ranking.data_ingestion.adapter import Extract, rejected
from components.shop_ranking.data_ingestion.adapters import adapter_for
from components.shop_ranking.data_ingestion.completion import bare_products, purchases
from components.shop_ranking.data_ingestion.contract import check
from components.shop_ranking.data_ingestion.duplicates import ORDER, distinct
from components.shop_ranking.params import Params

CONTRACT = [name for name in schemas.TABLES if name != "quarantine"]


@dataclass
class Ingested:
    """Tables that keep the contract, and what became of every row that does not."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    quarantined: list[pa.Table] = field(default_factory=list)  # schemas.QUARANTINE
    repeated: dict[str, int] = field(default_factory=dict)  # table -> equal rows dropped


def run(params: Params, raw: Path, tables: Path) -> None:
    """Read `raw`, check it against the contract and write one Parquet file a table.

    Writes `tables`/<table>.parquet for every table of the contract, quarantine.parquet and
    ingestion.json, the account of every row.

    Raises:
        DataError: a file or column is missing, a table is empty, or a larger share of its rows
            than data.max_quarantined_share breaks the contract.

    """
    warn_of_development_key()
    with part("reading the source"):
        extract = _read(params, raw)
    with part("checking rows"):
        ingested = _check(extract, params.data.max_quarantined_share)
    contents = ingested.tables
    if "purchase" not in pc.unique(contents["events"]["event_type"]).to_pylist():
        contents["events"] = pa.concat_tables([contents["events"], purchases(contents["orders"])])
    taken_over = _add_feedback(contents, raw / FEEDBACK)
    bare = bare_products(contents)
    contents["products"] = pa.concat_tables([contents["products"], bare])
    account = _account(params, extract, ingested) | {"bare_products": bare.num_rows}
    account |= {"feedback": taken_over} if taken_over else {}
    with atomic_folder(tables) as folder:
        for name, table in contents.items():
            write_table(table, folder / f"{name}.parquet")
        write_table(_quarantine(extract, ingested), folder / "quarantine.parquet")
        write_json(account, folder / "ingestion.json")
    for name, table in contents.items():
        bad = sum(account["quarantined"].get(name, {}).values())
        say(f"{name}: {table.num_rows:,} rows, {bad:,} quarantined")


def _add_feedback(tables: dict[str, pa.Table], folder: Path) -> dict[str, Any]:
    """Let the snapshot of feedback take over from the raw data; return the account of it.

    Its shoppers are pseudonyms already, and feedback ingestion checked its rows.
    """
    feedback = read_feedback(folder)
    if feedback is None:
        return {}
    left_out = add_feedback(tables, feedback)
    for name in ("events", "orders"):
        order = [(key, "ascending") for key in ORDER[name]]
        tables[name] = tables[name].sort_by(order)
    say(f"feedback since {feedback.since}: {feedback.events.num_rows:,} events take over")
    return {
        "since": feedback.since.isoformat(),
        "events": feedback.events.num_rows,
        "raw_rows_left_out": left_out,
    }


def _read(params: Params, raw: Path) -> Extract:
    """Let the adapter read, and hash shopper ids before anything else happens to a row."""
    try:
        extract = adapter_for(params.data.dataset).read(raw, params)
    except (duckdb.Error, pa.ArrowInvalid) as error:
        raise DataError(
            f"files in the {params.data.dataset} layout in {raw}",
            " ".join(str(error).split())[:300],
            "compare them with docs/data.md",
        ) from error
    hashed = [replace(batch, rows=pseudonymise(batch.rows)) for batch in extract.batches]
    return replace(extract, batches=hashed)


def _check(extract: Extract, max_share: float) -> Ingested:
    """Check every table; raise where too much of one is bad, or where one is empty."""
    ingested = Ingested()
    for name in CONTRACT:
        checked = [(b.source, check(b)) for b in extract.batches if b.table == name]
        bad = [c.quarantined for _, c in checked]
        bad += [t for t in extract.rejected if name in t["table"].slice(0, 1).to_pylist()]
        parts = [(source, c.rows) for source, c in checked]
        kept = distinct(name, parts)
        bad += kept.quarantined
        read = kept.rows.num_rows + kept.repeated + sum(t.num_rows for t in bad)
        if parts and read == 0 and name in {"products", "events", "orders"}:
            raise DataError(
                f"rows of {name}", f"none in {', '.join(s for s, _ in parts)}", "check the file"
            )
        _stop_above(max_share, name, pa.concat_tables(bad) if bad else None, read)
        ingested.tables[name] = kept.rows
        ingested.repeated |= {name: kept.repeated} if kept.repeated else {}
        ingested.quarantined += bad
    return ingested


def _stop_above(max_share: float, name: str, bad: pa.Table | None, read: int) -> None:
    if bad is None or bad.num_rows <= max_share * read:
        return
    reason, times = max(_reasons(bad).items(), key=lambda pair: pair[1])
    raise DataError(
        f"at most {max_share:.1%} of the rows of {name} to break the data contract",
        f"{bad.num_rows / read:.1%} ({bad.num_rows:,} of {read:,}), mostly {times:,} x {reason}",
        "correct the file or raise data.max_quarantined_share (docs/data.md)",
    )


def _reasons(bad: pa.Table) -> dict[str, int]:
    counted = pc.value_counts(bad["reason"]).to_pylist()
    return {pair["values"]: pair["counts"] for pair in counted}


def _quarantine(extract: Extract, ingested: Ingested) -> pa.Table:
    """Every bad row, then one row a rule that left rows out on purpose."""
    empty = schemas.QUARANTINE.empty_table()
    rows = pa.concat_tables([empty, *ingested.quarantined])
    order = [(name, "ascending") for name in ("table", "source", "reason", "row")]
    rules = [
        rejected(table, "data.lines", f"left out by rule: {rule}", [f'{{"rows": {count}}}'])
        for table, counts in extract.excluded.items()
        for rule, count in counts.items()
    ]
    return pa.concat_tables([rows.sort_by(order), *rules])


def _account(params: Params, extract: Extract, ingested: Ingested) -> dict[str, Any]:
    by_table: dict[str, dict[str, int]] = {}
    for bad in ingested.quarantined:
        if bad.num_rows:
            counts = by_table.setdefault(bad["table"][0].as_py(), {})
            for reason, count in _reasons(bad).items():
                counts[reason] = counts.get(reason, 0) + count
    return {
        "dataset": params.data.dataset,
        "simulated": extract.simulated,
        "images": extract.images if ingested.tables["images"].num_rows else "none",
        "rows": {name: table.num_rows for name, table in ingested.tables.items()},
        "quarantined": by_table,
        "repeated": ingested.repeated,
        "excluded": extract.excluded,
        "protocol": extract.protocol,
    }
