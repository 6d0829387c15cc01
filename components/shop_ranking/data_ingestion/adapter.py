"""What an adapter is: it snapshots raw files, and reads them into rows of the data contract."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

from components.platform import schemas
from components.shop_ranking.params import Params

ImagesKind = Literal["photographs", "rendered", "none"]


@dataclass(frozen=True)
class Batch:
    """Candidate rows of one contract table from one file.

    Columns are named as in the contract and of any type that casts to it; absent ones are null.
    Shopper ids are still raw: ingestion hashes them before anything is checked or written.
    """

    table: str
    source: str  # file the rows came from
    rows: pa.Table


@dataclass(frozen=True)
class Extract:
    """What one dataset's raw files say, before the contract is checked."""

    batches: list[Batch]
    # Rows that could not even be split into columns or decoded, as schemas.QUARANTINE.
    rejected: list[pa.Table] = field(default_factory=list)
    # Rows left out by a rule the user chose: table -> rule -> count.
    excluded: dict[str, dict[str, int]] = field(default_factory=dict)
    images: ImagesKind = "none"
    protocol: dict[str, str] | None = None  # cuts of a published comparison, by PreparationParams
    simulated: bool = False


class Adapter(Protocol):
    """One dataset layout. Implemented by modules: a layout has no state."""

    def acquire(self, params: Params, raw: Path) -> None:
        """Snapshot the raw files into the empty folder `raw`, the same bytes for the same source.

        Raises:
            DataError: the source or one of its files is missing.

        """

    def read(self, raw: Path, params: Params) -> Extract:
        """Read the snapshot.

        Raises:
            DataError: a file or column the layout promises is missing.

        """


def rejected(table: str, source: str, reason: str, rows: list[str]) -> pa.Table:
    """Return quarantine rows that share a reason; `rows` are JSON texts free of raw shopper ids."""
    columns = [[table] * len(rows), [source] * len(rows), [reason] * len(rows), rows]
    return pa.table([pa.array(c, pa.string()) for c in columns], schema=schemas.QUARANTINE)
