"""The shop's own text pairs: what the encoder learns to bring together.

Three sources, all known at the first cut: a query and the product clicked after it, two views of
one product (its title, and the rest of its text), and two products of one basket.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from components.shop_ranking.engine.towers.content_tower import known_items
from components.shop_ranking.towers.text import TextParams

# Each source: left text, right text, weight. `items` holds the items known at the first cut.
SOURCES = {
    "query": """
        SELECT query AS left_text, text AS right_text, sum(clicks) AS weight
        FROM query_items JOIN items USING (item_index) WHERE trim(query) <> '' GROUP BY ALL""",
    "view": """
        SELECT title AS left_text, ltrim(substr(text, length(title) + 1), ' .') AS right_text,
               1 AS weight
        FROM items WHERE starts_with(text, title) GROUP BY ALL""",
    "basket": """
        SELECT a.text AS left_text, b.text AS right_text, sum(sessions) AS weight
        FROM item_pairs
        JOIN items a USING (item_index) JOIN items b ON b.item_index = other_index GROUP BY ALL""",
}


@dataclass(frozen=True)
class Pairs:
    """P pairs of rows in `texts`: left, right int64 and the share of draws `weight`, each (P,)."""

    texts: list[str]
    left: np.ndarray
    right: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.weight)

    def batch(self, size: int, seed: int, number: int) -> dict[str, Tensor]:
        """Draw batch `number`: left, right (rows in texts) and their log_q, each (size,).

        log_q is the log probability that a drawn pair has this text on this side.
        """
        edges = self._edges
        drawn = np.random.default_rng((seed, number)).random(size) * edges[-1]
        pairs = np.minimum(np.searchsorted(edges, drawn, side="right"), len(self) - 1)
        sides = {"left": self.left[pairs], "right": self.right[pairs]}
        log_q = {f"log_q_{side}": self._log_q[side][rows] for side, rows in sides.items()}
        return {name: torch.from_numpy(values) for name, values in (sides | log_q).items()}

    @cached_property
    def _edges(self) -> np.ndarray:
        return np.cumsum(self.weight)

    @cached_property
    def _log_q(self) -> dict[str, np.ndarray]:
        sides = {"left": self.left, "right": self.right}
        with np.errstate(divide="ignore"):
            return {
                side: np.log(np.bincount(rows, self.weight, len(self.texts))).astype(np.float32)
                for side, rows in sides.items()
            }


def read_pairs(prepared: Path, cut: str, params: TextParams) -> Pairs:
    """Return the pairs of a cut, each source with its share of the draws.

    A source without pairs leaves its share to the others. Both texts of a pair are there and
    differ.
    """
    shares = {
        "query": params.query_share,
        "view": params.view_share,
        "basket": params.basket_share,
    }
    with duckdb.connect() as con:
        con.register("known", pa.table({"item_index": known_items(prepared, cut)}))
        con.execute(
            "CREATE TABLE items AS SELECT item_index, title, text FROM read_parquet(?) "
            "SEMI JOIN known USING (item_index) WHERE trim(text) <> ''",
            [str(prepared / "items.parquet")],
        )
        for name in ("query_items", "item_pairs"):
            con.from_parquet(str(prepared / "cuts" / cut / f"{name}.parquet")).create_view(name)
        parts = [_source(con, name, share) for name, share in shares.items() if share > 0]
    tables = [part for part in parts if part.num_rows]
    return _pairs(pa.concat_tables(tables)) if tables else Pairs([], *np.zeros((3, 0), np.int64))


def _source(con: duckdb.DuckDBPyConnection, name: str, share: float) -> pa.Table:
    return con.execute(
        f"""
        SELECT left_text, right_text, ? * weight / sum(weight) OVER () AS weight
        FROM ({SOURCES[name]}) WHERE right_text <> '' AND left_text <> right_text
        ORDER BY left_text, right_text""",  # noqa: S608 - constants of this module
        [share],
    ).to_arrow_table()


def _pairs(table: pa.Table) -> Pairs:
    both = pa.chunked_array([*table["left_text"].chunks, *table["right_text"].chunks])
    coded = both.combine_chunks().dictionary_encode()
    rows = coded.indices.to_numpy().astype(np.int64)
    weight = table["weight"].to_numpy()
    return Pairs(
        coded.dictionary.to_pylist(),
        rows[: len(table)],
        rows[len(table) :],
        weight / weight.sum(),
    )
