from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.platform import schemas
from components.platform.files import write_table
from components.shop_ranking.text_pretraining.pairs import read_pairs
from components.shop_ranking.towers.text import TextParams

TEXTS = ["Red tea. BRAND A", "Green tea. BRAND B", "Mint soap. BRAND C", "Later. BRAND D", None]


def table(schema: pa.Schema, **columns: list[object]) -> pa.Table:
    """Fill the columns that are not named: nulls, or zeros where null is not allowed."""
    count = len(next(iter(columns.values())))

    def filler(field: pa.Field) -> list[object]:
        return [None if field.nullable else pa.scalar(0).cast(field.type).as_py()] * count

    return pa.table(
        {f.name: pa.array(columns.get(f.name, filler(f)), f.type) for f in schema}, schema=schema
    )


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    items = table(
        schemas.ITEMS,
        item_index=[0, 1, 2, 3, 4],
        item_id=list("abcde"),
        title=["Red tea", "Green tea", "Mint soap", "Later", None],
        text=TEXTS,
        has_image=[False] * 5,
    )
    write_table(items, tmp_path / "items.parquet")
    cut = tmp_path / "cuts" / "fit_1"
    stats = table(
        schemas.ITEM_STATS, item_index=[0, 1, 2, 3, 4], eligible=[True, True, True, False, True]
    )
    write_table(stats, cut / "item_stats.parquet")
    pairs = table(
        schemas.ITEM_PAIRS, item_index=[0, 1, 0, 3], other_index=[1, 0, 4, 0], sessions=[3, 3, 9, 9]
    )
    write_table(pairs, cut / "item_pairs.parquet")
    queries = table(
        schemas.QUERY_ITEMS,
        query=["tea", "tea", " ", "new"], item_index=[0, 1, 2, 3], clicks=[3, 1, 5, 5],
    )  # fmt: skip
    write_table(queries, cut / "query_items.parquet")
    return tmp_path


def weights(prepared: Path, **shares: float) -> dict[tuple[str, str], float]:
    every = {"query_share": 0.0, "view_share": 0.0, "basket_share": 0.0}
    pairs = read_pairs(prepared, "fit_1", TextParams.model_validate({**every, **shares}))
    return {
        (pairs.texts[left], pairs.texts[right]): float(weight)
        for left, right, weight in zip(pairs.left, pairs.right, pairs.weight, strict=True)
    }


def test_queries_go_with_what_was_clicked(prepared: Path) -> None:
    assert weights(prepared, query_share=1.0) == pytest.approx(
        {("tea", TEXTS[0]): 0.75, ("tea", TEXTS[1]): 0.25}
    )


def test_titles_go_with_the_rest_of_the_text(prepared: Path) -> None:
    third = 1 / 3
    assert weights(prepared, view_share=0.5) == pytest.approx(
        {
            ("Red tea", "BRAND A"): third,
            ("Green tea", "BRAND B"): third,
            ("Mint soap", "BRAND C"): third,
        }
    )


def test_items_without_text_or_unknown_at_the_cut_take_no_part(prepared: Path) -> None:
    assert weights(prepared, basket_share=1.0) == pytest.approx(
        {(TEXTS[0], TEXTS[1]): 0.5, (TEXTS[1], TEXTS[0]): 0.5}
    )


def test_sources_share_the_draws(prepared: Path) -> None:
    by_pair = weights(prepared, query_share=0.25, basket_share=0.75)
    assert sum(w for (left, _), w in by_pair.items() if left == "tea") == pytest.approx(0.25)


def test_batches_follow_the_weights_and_their_number_alone(prepared: Path) -> None:
    pairs = read_pairs(prepared, "fit_1", TextParams(view_share=0.0, basket_share=0.0))
    batch = pairs.batch(4000, seed=1, number=7)
    share = np.mean([pairs.texts[row] == TEXTS[0] for row in batch["right"].tolist()])
    assert share == pytest.approx(0.75, abs=0.03)
    assert batch["log_q_right"].exp().unique().tolist() == pytest.approx([0.25, 0.75])
    again = pairs.batch(4000, seed=1, number=7)
    assert all(bool((again[name] == batch[name]).all()) for name in batch)
    assert not bool((pairs.batch(4000, 1, 8)["right"] == batch["right"]).all())


def test_no_pairs_at_all(prepared: Path) -> None:
    assert weights(prepared) == {}
