"""A catalogue and graded judgments in the layout of Chorus (products.jsonl.gz, judgments.csv)."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.quality.layouts import layout
from components.platform.errors import DataError
from components.platform.metrics.ranking import dcg
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.search.product_type import product_type

K = 10
MOST = 10  # of a grade: its gain is 2^grade - 1
LEAST_QUERIES = 8  # with a relevant product: some to learn from in each of five folds
TOLD = "bring data in the layout of Chorus"


@dataclass(frozen=True)
class Shop:
    """P products by field, and the judged documents of Q queries."""

    fields: dict[str, list[str]]  # title, kind, brand, description, attributes: P texts each
    price: Floats  # (P,), NaN where unknown
    queries: list[str]
    judged: list[dict[int, int]]  # a query: product row -> grade

    @property
    def texts(self) -> list[str]:
        """What an encoder reads of a product: title and description."""
        both = zip(self.fields["title"], self.fields["description"], strict=True)
        return [f"{title}. {rest}" if rest else title for title, rest in both]

    def ndcg(self, query: int, ranked: Ints) -> float:
        """NDCG@10 with gain 2^grade - 1, unjudged 0; 1 where nothing is relevant.

        A query without a relevant document can be answered neither well nor badly. The figures
        this row is compared with count it as 1, so it is here.
        """
        gain = {row: 2.0**grade - 1 for row, grade in self.judged[query].items()}
        best = sorted(gain.values(), reverse=True)[:K]
        ideal = float(dcg(np.array([best]))[0])
        gained = np.array([[gain.get(int(row), 0.0) for row in ranked[:K]]])
        return float(dcg(gained)[0]) / ideal if ideal else 1.0

    def relevant(self) -> Ints:
        """Queries with a relevant document, ascending."""
        return np.flatnonzero([any(grades.values()) for grades in self.judged])


def read_shop(folder: Path, share: float, seed: int) -> Shop:
    """Read a folder; a share below 1 keeps judged products and a sample of the others.

    Raises:
        DataError: a line is not JSON or lacks id or title, a price or grade is not a number, or too
            few queries have a relevant product to learn from some and judge the others.

    """
    products = _products(folder / "products.jsonl.gz")
    judgments = _judgments(folder / "judgments.csv")
    if share < 1:
        asked = {document for _, document, _ in judgments}
        rng = np.random.default_rng(seed)
        kept = [
            product for product in products if product.name in asked and rng.random() < 10 * share
        ]
        products = kept + [
            product for product in products if product.name not in asked and rng.random() < share
        ]
    row = {product.name: number for number, product in enumerate(products)}
    judged: dict[str, dict[int, int]] = {}
    for query, document, grade in judgments:
        if document in row:
            judged.setdefault(query, {})[row[document]] = grade
    titles = [product.title for product in products]
    brand = [str(product.whole.get("supplier") or "") for product in products]
    model = [str(product.whole.get("name") or "") for product in products]
    fields = {
        "title": titles,
        "kind": list(map(product_type, titles, brand, model)),
        "brand": brand,
        "description": [str(product.whole.get("short_description") or "") for product in products],
        "attributes": [_attributes(product.whole) for product in products],
    }
    price = np.array([product.price for product in products], np.float32)
    shop = Shop(fields, price, list(judged), list(judged.values()))
    if len(shop.relevant()) < LEAST_QUERIES:
        raise DataError(
            f"{LEAST_QUERIES} queries with a relevant product of the catalogue in {folder}",
            f"{len(shop.relevant())} of {len({query for query, _, _ in judgments})} queries",
            "bring judgments whose docid is a product's id",
        )
    return shop


class _Product(NamedTuple):
    name: str
    title: str
    price: float  # NaN where unknown
    whole: dict[str, object]


def _products(path: Path) -> list[_Product]:
    products = []
    with layout(path, "a line of JSON with id, title and price a product", TOLD) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if row["id"] is None or not row["title"]:
                raise ValueError(f"line {number} lacks {'title' if row['id'] else 'id'}")
            given = row.get("price")
            price = float(given) if given else np.nan  # 0 is what is not known
            products.append(_Product(str(row["id"]), str(row["title"]), price, row))
    return products


def _judgments(path: Path) -> list[tuple[str, str, int]]:
    expected = f"query, docid and rating, a whole number from 0 to {MOST},"
    with layout(path, expected, TOLD) as lines:
        rows = [
            (str(row["query"]), str(row["docid"]), int(row["rating"]))
            for row in csv.DictReader(lines)
        ]
        wrong = [grade for _, _, grade in rows if not 0 <= grade <= MOST]
        if wrong:
            raise ValueError(f"rating {wrong[0]}")
    return rows


def _attributes(product: dict[str, object]) -> str:
    """Return names and values of the written attributes of a product."""
    given = {name[7:]: value for name, value in product.items() if name.startswith("attr_t_")}
    return " ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())
