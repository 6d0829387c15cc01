"""What a replay measured: clicks, hit share and NDCG@10 of the rows, by week, with intervals."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.table import Table

from components.platform.files import write_table
from components.platform.metrics import ranking
from components.platform.metrics.intervals import bootstrap_ratio
from services.replay.visits import Visit

AT = 10
SAMPLES = 1000
Floats = npt.NDArray[np.float64]

# One row a visit: what the home row did for it.
VISITS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("week", pa.date32(), nullable=False),  # its Monday
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("shown", pa.int32(), nullable=False),
        pa.field("clicked", pa.int32(), nullable=False),
        pa.field("hits", pa.int32(), nullable=False),  # of the first 10, bought in this visit
        pa.field("ndcg", pa.float64(), nullable=False),  # of the first 10, binary relevance
    ]
)


@dataclass
class Outcome:
    """Grows by a row a visit; `surfaces` counts what was shown and clicked on each surface."""

    rows: list[dict[str, object]] = field(default_factory=list)
    shown: Counter[str] = field(default_factory=Counter)
    clicked: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    duplicates: int = 0

    def see(self, surface: str, shown: int, clicked: int) -> None:
        """Count one answer."""
        self.shown[surface] += shown
        self.clicked[surface] += clicked

    def add(self, visit: Visit, row: list[str], clicked: int, version: str) -> None:
        """Measure the home row that `visit` saw against what it bought."""
        wanted = {line.item_id for line in visit.basket}
        hit = np.array([item in wanted for item in row[:AT]], bool)
        self.rows.append(
            {
                "key": visit.key,
                "user_id": visit.user_id,
                "timestamp": visit.moment,
                "week": (visit.moment - timedelta(days=visit.moment.weekday())).date(),
                "model_version": version,
                "shown": len(row),
                "clicked": clicked,
                "hits": int(hit.sum()),
                "ndcg": ndcg(hit, len(wanted)),
            }
        )

    def table(self) -> pa.Table:
        """Return the visits in VISITS columns."""
        return pa.Table.from_pylist(self.rows, schema=VISITS)

    def save(self, path: Path) -> None:
        """Write the visits."""
        write_table(self.table(), path)


def ndcg(hit_K: npt.NDArray[np.bool_], wanted: int) -> float:
    """Return NDCG@10 with binary relevance of one list; 0 where nothing was wanted."""
    hit_1K = np.zeros((1, AT), bool)
    hit_1K[0, : len(hit_K)] = hit_K
    return float(ranking.ndcg(hit_1K, np.array([wanted]))[0]) if wanted else 0.0


@dataclass(frozen=True)
class Estimate:
    """A mean over visits, or a ratio of sums, with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


def estimate(above: Floats, below: Floats, user: npt.NDArray[np.int64], seed: int = 0) -> Estimate:
    """Return sum(above) / sum(below) with a bootstrap over shoppers: their visits stay together."""
    count = int(user.max()) + 1
    above_U = np.bincount(user, above, count).astype(np.float64)
    below_U = np.bincount(user, below, count).astype(np.float64)
    low, high = bootstrap_ratio(above_U, below_U, SAMPLES, seed)
    return Estimate(float(above.sum() / max(below.sum(), 1e-12)), low, high)


def by_week(visits: pa.Table) -> dict[str, dict[str, Estimate]]:
    """Return {Monday, or "all": {ctr, hit_share, ndcg}} with intervals."""
    frame = visits.to_pandas()
    parts = {f"{week:%Y-%m-%d}": part for week, part in frame.groupby("week")} | {"all": frame}
    rows = {}
    for name, part in parts.items():
        user = np.unique(part["user_id"], return_inverse=True)[1]
        single_N = np.ones(len(part))
        rows[name] = {
            "ctr": estimate(part["clicked"].to_numpy(float), part["shown"].to_numpy(float), user),
            "hit_share": estimate((part["hits"] > 0).to_numpy(float), single_N, user),
            "ndcg": estimate(part["ndcg"].to_numpy(float), single_N, user),
        }
    return rows


def as_table(visits: pa.Table, title: str) -> Table:
    """Return the weeks as a table for a terminal."""
    table = Table(
        "week of",
        "visits",
        "CTR",
        "hit share",
        f"NDCG@{AT}",
        title=title,
        box=None,
        title_justify="left",
    )
    weeks = visits["week"].to_pandas().astype(str)
    for name, row in by_week(visits).items():
        count = len(weeks) if name == "all" else int((weeks == name).sum())
        table.add_row(name, str(count), *(str(row[key]) for key in ("ctr", "hit_share", "ndcg")))
    return table
