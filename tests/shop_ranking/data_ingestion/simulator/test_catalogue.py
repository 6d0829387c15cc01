"""Tastes over a catalogue that was brought along: ingested products with their own pictures."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from components.platform.errors import DataError
from components.shop_ranking.data_ingestion import acquisition
from components.shop_ranking.data_ingestion import component as ingestion
from components.shop_ranking.data_ingestion.simulator.catalogue import brought
from components.shop_ranking.data_ingestion.simulator.pictures import COLOURS, colour_codes, draw
from components.shop_ranking.data_ingestion.simulator.world import simulate
from components.shop_ranking.params import DataParams, Params, SimulationParams
from tests.shop_ranking.data_preparation.shop import table, write_tables

WORDS = ("shirt", "skirt", "sandal", "watch")
SIZE = {"shoppers": 60, "items": 80, "days": 60}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 ingested products, every tenth without a picture; the title also names the colour."""
    draws = np.random.default_rng(0)
    colours = draws.integers(0, len(COLOURS), 100)
    rows = [
        {
            "item_id": f"p{n:03d}",
            "title": f"Acme {'red' if n % 2 else 'blue'} {WORDS[n % 4]} {n}",
            "category": f"Apparel > {WORDS[n % 4].title()}",
            "price": 10.0 + n,
        }
        for n in range(100)
    ]
    pictures = [
        {"item_id": f"p{n:03d}", "image": draw(int(colour), n % 4, draws)}
        for n, colour in enumerate(colours)
        if n % 10
    ]
    folder = tmp_path_factory.mktemp("ingested")
    write_tables(folder, products=table("products", rows), images=table("images", pictures))
    note = {"dataset": "fashion-product-images", "images": "photographs"}
    (folder / "ingestion.json").write_text(json.dumps(note))
    return folder


def test_words_come_from_titles_and_looks_from_pixels(photographs: Path) -> None:
    catalogue = brought(photographs, SimulationParams(**SIZE))
    assert catalogue.products.num_rows == catalogue.images.num_rows == 80
    titles = catalogue.products["title"].to_pylist()
    for title, word in zip(titles, catalogue.word_of, strict=True):
        assert catalogue.words[word] in re.findall(r"\w+", title.lower())
        assert catalogue.words[word] in WORDS
    assert catalogue.products["item_id"].equals(catalogue.images["item_id"])
    assert len(np.unique(catalogue.seen[0])) >= 5


def test_the_hue_of_a_picture_is_found(photographs: Path) -> None:
    draws = np.random.default_rng(1)
    codes, _ = colour_codes([draw(colour, 0, draws) for colour in [0, 0, 4, 4, 6, 6]])
    assert codes[0] == codes[1] != codes[2] == codes[3] != codes[4] == codes[5] != codes[0]


def test_the_world_is_simulated_over_the_shop_s_own_pictures(
    photographs: Path, tmp_path: Path
) -> None:
    params = Params.model_validate(
        {"data": {"dataset": "simulated-shop", "path": str(photographs), "simulation": SIZE}}
    )
    acquisition.run(params, raw=tmp_path / "raw")
    ingestion.run(params, raw=tmp_path / "raw", tables=tmp_path / "tables")
    note = json.loads((tmp_path / "tables" / "ingestion.json").read_text())
    assert (note["simulated"], note["images"]) == (True, "photographs")
    assert note["quarantined"] == {}
    assert note["rows"]["products"] == 80
    world = simulate(params.data)
    events = world.tables["events"]
    asked = events.filter(pc.equal(events["event_type"], "search"))["query"]
    assert set(asked.to_pylist()) <= set(WORDS)
    assert pc.all(pc.starts_with(events["user_id"], "sim-u-")).as_py()


def test_a_catalogue_without_pictures_is_refused(photographs: Path, tmp_path: Path) -> None:
    products = [{"item_id": "a", "title": "A"}]
    write_tables(tmp_path, products=table("products", products), images=table("images", []))
    with pytest.raises(DataError, match="products with a picture"):
        simulate(DataParams(dataset="simulated-shop", path=str(tmp_path)))
    with pytest.raises(DataError, match=r"products\.parquet; found none"):
        simulate(DataParams(dataset="simulated-shop", path=str(tmp_path / "nowhere")))
