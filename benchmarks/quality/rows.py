"""The rows of the benchmark by name, and what each needs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """What a row is run on: module.run(task) returns its Report."""

    data: Path
    sample: float  # share of shoppers, queries or products; 1 is the real thing
    seed: int


@dataclass(frozen=True)
class Row:
    """One row: where its code is, and which files of the data folder it reads."""

    title: str
    module: str
    needs: tuple[str, ...]  # patterns relative to the data folder


ROWS = {
    "beauty": Row(
        "Next item, leave-one-out, full ranking",
        "benchmarks.quality.next_item.row",
        ("beauty/*.txt.gz",),
    ),
    "search": Row(
        "Search with graded judgments",
        "benchmarks.quality.search.row",
        ("chorus/products.jsonl.gz", "chorus/judgments.csv"),
    ),
}
