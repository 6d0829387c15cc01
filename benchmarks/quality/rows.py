"""The rows of the benchmark by name, and what each needs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """What a row is run on: module.run(task) returns its Report."""

    data: Path  # the folder of all data, or one file of a row that takes any of its layout
    sample: float  # share of shoppers, queries or products; 1 is the real thing
    seed: int


@dataclass(frozen=True)
class Row:
    """One row: where its code is, and which files of the data folder it reads."""

    title: str
    module: str
    needs: tuple[str, ...] = ()  # patterns relative to the data folder
    histories: bool = False  # measures each file of histories, one after another
    prepared: bool = False  # reads what the row "run" leaves in the current folder


ROWS = {
    "beauty": Row(
        "Next item, leave-one-out, full ranking",
        "benchmarks.quality.next_item.row",
        histories=True,
    ),
    "search": Row(
        "Search with graded judgments",
        "benchmarks.quality.search.row",
        ("chorus/products.jsonl.gz", "chorus/judgments.csv"),
    ),
    "fashion": Row(
        "Photographs and their names",
        "benchmarks.quality.fashion.row",
        ("fashion-product-images/styles.csv", "fashion-product-images/images*"),
    ),
    "peft": Row(
        "Parameter-efficient tuning",
        "benchmarks.quality.tuning.peft",
        ("banking77/train.csv.gz", "banking77/test.csv.gz"),
    ),
    "soups": Row(
        "Parameter averaging",
        "benchmarks.quality.tuning.soups",
        ("banking77/train.csv.gz", "banking77/test.csv.gz"),
    ),
    "run": Row("The main job, from raw data", "benchmarks.quality.shop.finished_run"),
    "cold": Row("Items nobody has bought", "benchmarks.quality.shop.cold", prepared=True),
    "missing": Row("Missing modalities", "benchmarks.quality.shop.missing", prepared=True),
    "speed": Row("Training speed beside RecTools", "benchmarks.quality.speed.row", histories=True),
    "journey": Row("The main job, several seeds", "benchmarks.quality.shop.journey", prepared=True),
}
