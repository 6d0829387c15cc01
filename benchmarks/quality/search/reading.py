"""A catalogue and graded judgments in the layout of Chorus (products.jsonl.gz, judgments.csv)."""

import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.errors import DataError
from components.models.item_orders import Floats, Ints
from components.retrieval.product_type import product_type

K = 10


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
        discount = 1 / np.log2(np.arange(2, K + 2))
        ideal = float(np.dot(best, discount[: len(best)]))
        found = [gain.get(int(row), 0.0) for row in ranked[:K]]
        return float(np.dot(found, discount[: len(found)])) / ideal if ideal else 1.0

    def relevant(self) -> Ints:
        """Queries with a relevant document, ascending."""
        return np.flatnonzero([any(one.values()) for one in self.judged])


def read_shop(folder: Path, share: float, seed: int) -> Shop:
    """Read a folder; a share below 1 keeps judged products and a sample of the others.

    Raises:
        DataError: a line is not JSON or lacks id or title, or a grade is not a number.

    """
    try:
        with gzip.open(folder / "products.jsonl.gz", "rt") as lines:
            products = [json.loads(line) for line in lines]
        with (folder / "judgments.csv").open() as lines:
            rows = [
                (one["query"], one["docid"], int(one["rating"])) for one in csv.DictReader(lines)
            ]
        ids = [str(product["id"]) for product in products]
        titles = [str(product["title"]) for product in products]
    except (ValueError, KeyError, OSError) as error:
        raise DataError(
            f"products.jsonl.gz (id, title) and judgments.csv (query, docid, rating) in {folder}",
            repr(error),
            "bring data in the layout of Chorus",
        ) from error
    if share < 1:
        asked = {document for _, document, _ in rows}
        rng = np.random.default_rng(seed)
        kept = [i for i in range(len(ids)) if ids[i] in asked and rng.random() < 10 * share]
        kept += [i for i in range(len(ids)) if ids[i] not in asked and rng.random() < share]
        ids, titles = [ids[i] for i in kept], [titles[i] for i in kept]
        products = [products[i] for i in kept]
    row = {name: number for number, name in enumerate(ids)}
    judged: dict[str, dict[int, int]] = {}
    for query, document, grade in rows:
        if document in row:
            judged.setdefault(query, {})[row[document]] = grade
    brand = [str(one.get("supplier") or "") for one in products]
    model = [str(one.get("name") or "") for one in products]
    fields = {
        "title": titles,
        "kind": list(map(product_type, titles, brand, model)),
        "brand": brand,
        "description": [str(one.get("short_description") or "") for one in products],
        "attributes": [_attributes(one) for one in products],
    }
    price = np.array([one.get("price") or np.nan for one in products], np.float32)
    return Shop(fields, price, list(judged), list(judged.values()))


def _attributes(product: dict[str, object]) -> str:
    """Return names and values of the written attributes of a product."""
    given = {name[7:]: value for name, value in product.items() if name.startswith("attr_t_")}
    return " ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())
