"""The catalogue of the simulated world: what an item's text says and what its picture shows."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.platform import schemas
from components.platform.errors import DataError
from components.platform.files import read_table
from components.shop_ranking.data_ingestion.adapter import ImagesKind
from components.shop_ranking.data_ingestion.simulator import pictures
from components.shop_ranking.params import SimulationParams

START = datetime(2024, 1, 1, tzinfo=UTC)  # first day of every simulated world
FLAVOURS = (
    "ginger", "lemon", "vanilla", "mint", "cocoa", "almond", "cherry", "saffron", "rose", "pepper",
)  # fmt: skip
KINDS = ("tea", "biscuit", "soap", "candle", "syrup", "cereal")
MAKERS = ("Alder", "Birch", "Cedar", "Doyle", "Elm")
WORDS = 12  # words that tastes are defined over when a catalogue is brought along
NO_WORD = "-"
COLOUR_WORDS = frozenset(
    (
        "black", "white", "grey", "gray", "silver", "gold", "red", "pink", "orange", "yellow",
        "green", "teal", "blue", "navy", "purple", "brown", "beige", "cream", "multi",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Catalogue:
    """Items with the attributes that tastes are defined over; n = number of items.

    words[word_of[i]] stands in the text of item i and nowhere in its picture; seen[k][i] is the
    code of its k-th visible attribute, which no text mentions. Items of one `group` share a
    category; query words of both kinds find items by their title.
    """

    products: pa.Table
    images: pa.Table
    pictured_by: ImagesKind
    words: tuple[str, ...]
    word_of: np.ndarray  # (n,)
    groups: tuple[str, ...]
    group_of: np.ndarray  # (n,)
    seen: tuple[np.ndarray, ...]  # each (n,)
    findable: np.ndarray  # (n,) bool: has a title
    price: np.ndarray  # (n,)
    launched: np.ndarray  # (n,) day of the world the item appears


def rendered(params: SimulationParams, rng: np.random.Generator) -> Catalogue:
    """Make a catalogue: a flavour word in each title, a colour and a shape in each picture.

    One item in 30 has no text, one in 20 no picture; one in seven is launched later.
    """
    n = params.items
    word_of, group_of = rng.integers(0, len(FLAVOURS), n), rng.integers(0, len(KINDS), n)
    seen = (rng.integers(0, len(pictures.COLOURS), n), rng.integers(0, len(pictures.CORNERS), n))
    maker_of = rng.integers(0, len(MAKERS), n)
    price = np.round(np.exp(rng.normal(1.2 + 0.15 * group_of, 0.35)), 2)
    launched = np.where(rng.random(n) < 1 / 7, rng.integers(0, max(params.days, 1), n), 0)
    titled, pictured = rng.random(n) >= 1 / 30, rng.random(n) >= 1 / 20
    ids = [f"sim-i-{i:05d}" for i in range(n)]
    titles = [
        f"{MAKERS[m]} {FLAVOURS[f]} {KINDS[k]} {size} g"
        for m, f, k, size in zip(
            maker_of, word_of, group_of, rng.choice([100, 250, 500], n), strict=True
        )
    ]
    products = _products(
        item_id=ids,
        title=[title if kept else None for title, kept in zip(titles, titled, strict=True)],
        category=[
            f"SIMULATED > {KINDS[k].upper()}" if kept else None
            for k, kept in zip(group_of, titled, strict=True)
        ],
        brand=[MAKERS[m] if kept else None for m, kept in zip(maker_of, titled, strict=True)],
        price=price,
        currency=["EUR"] * n,
        image=[f"{name}.png" if kept else None for name, kept in zip(ids, pictured, strict=True)],
        created_at=[START + timedelta(days=int(day)) for day in launched],
    )
    drawn = [pictures.draw(int(c), int(s), rng) for c, s in zip(*seen, strict=True)]
    images = pa.Table.from_pydict({"item_id": ids, "image": drawn}, schema=schemas.IMAGES)
    return Catalogue(
        products, images.filter(pa.array(pictured)), "rendered", FLAVOURS, word_of, KINDS,
        group_of, seen, titled, price, launched,
    )  # fmt: skip


def brought(folder: Path, params: SimulationParams) -> Catalogue:
    """Take the first `items` products of ingested tables; tastes go over what they say and show.

    The word of an item is the rarest of its title's frequent words; what is seen is the hue and
    the brightness of its picture.

    Raises:
        DataError: the folder lacks the tables, or no product has a picture.

    """
    products = read_table(folder / "products.parquet").cast(schemas.PRODUCTS)
    images = read_table(folder / "images.parquet").cast(schemas.IMAGES)
    pictured = set(images["item_id"].to_pylist())
    kept = [name in pictured for name in products["item_id"].to_pylist()]
    products = products.filter(pa.array(kept, pa.bool_())).slice(0, params.items)
    if products.num_rows == 0:
        raise DataError(
            f"products with a picture in {folder}", "none", "ingest a catalogue with pictures first"
        )
    n = products.num_rows
    place = {name: row for row, name in enumerate(images["item_id"].to_pylist())}
    images = images.take([place[name] for name in products["item_id"].to_pylist()])
    words, word_of = _telling_words([title or "" for title in products["title"].to_pylist()])
    groups, group_of = np.unique(
        [str(path or "").split(" > ")[-1].lower() for path in products["category"].to_pylist()],
        return_inverse=True,
    )
    price = products["price"].to_numpy().astype(np.float64)
    return Catalogue(
        products,
        images,
        _pictured_by(folder),
        words,
        word_of,
        tuple(groups.tolist()),
        group_of,
        pictures.colour_codes(images["image"].to_pylist()),
        products["title"].is_valid().to_numpy(),
        np.where(np.isfinite(price) & (price > 0), price, 10.0),
        np.zeros(n, np.int64),
    )


def _pictured_by(folder: Path) -> ImagesKind:
    """Return what ingestion noted of the pictures; a shop's own are photographs."""
    note = folder / "ingestion.json"
    kind = json.loads(note.read_text()).get("images") if note.exists() else None
    return "rendered" if kind == "rendered" else "photographs"


def _telling_words(titles: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the most frequent words and, for each title, its rarest one among them.

    Words of colour are passed over: what they say can be seen.
    """
    split = [set(re.findall(r"[^\W\d_]{3,}", title.lower())) for title in titles]
    counts = Counter(word for words in split for word in sorted(words))
    frequent = sorted(counts.keys() - COLOUR_WORDS, key=lambda word: (-counts[word], word))[:WORDS]
    rank = {word: place for place, word in enumerate(frequent)}
    word_of = [max((rank[w] for w in words if w in rank), default=len(frequent)) for words in split]
    return (*frequent, NO_WORD), np.array(word_of, np.int64)


def _products(**columns: object) -> pa.Table:
    rows = len(columns["item_id"])  # type: ignore[arg-type]
    empty = {name: [None] * rows for name in schemas.PRODUCTS.names}
    return pa.Table.from_pydict({**empty, **columns}, schema=schemas.PRODUCTS)
