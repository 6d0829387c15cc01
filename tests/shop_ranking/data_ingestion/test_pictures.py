import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.pictures import photographs
from components.shop_ranking.data_ingestion.pictures.drawing import (
    EMBLEMS,
    PATTERNS,
    SCALES,
    SIDE,
    Picture,
    colour_of,
    draw,
)
from components.shop_ranking.data_ingestion.pictures.forms import FORMS
from components.shop_ranking.data_ingestion.pictures.rendering import (
    MIN_PARALLEL,
    in_processes,
    render,
)
from components.shop_ranking.params import DataParams
from tests.shop_ranking.data_ingestion.conftest import jpeg

MUG = Picture("box", (200, 60, 40), (250, 240, 220), (20, 90, 160), (240, 200, 60), size="12 OZ")


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_a_picture_is_a_small_palette_png() -> None:
    image = Image.open(io.BytesIO(draw(MUG)))
    assert (image.format, image.mode, image.size) == ("PNG", "P", (SIDE, SIDE))
    assert len(draw(MUG)) < 1500


@pytest.mark.parametrize("form", FORMS)
def test_every_attribute_is_seen(form: str) -> None:
    base = replace(MUG, form=form)
    changes = [
        {"content": (10, 200, 10)},
        {"size": "64 OZ"},
        {"size": ""},
        *[{"scale": scale} for scale in SCALES[:2]],
    ]
    if form not in {"fruit", "leaves", "bouquet"}:  # nothing to print on
        changes += [{"label": (10, 200, 10)}, {"body": (10, 200, 10)}]
        changes += [{"pattern": p} for p in PATTERNS[1:]] + [{"emblem": e} for e in EMBLEMS[1:]]
    if form == "roll":
        changes.remove({"body": (10, 200, 10)})  # paper is white
    drawn = pixels(draw(base))
    for change in changes:
        assert (pixels(draw(replace(base, **change))) != drawn).any(), change


def test_forms_are_told_apart() -> None:
    shapes = {draw(replace(MUG, form=form)) for form in FORMS}
    assert len(shapes) == len(FORMS)


def test_colours_depend_on_the_name_alone() -> None:
    assert colour_of("manufacturer 69") == colour_of("manufacturer 69")
    assert len({colour_of(f"manufacturer {i}") for i in range(50)}) > 40


def test_equal_pictures_are_drawn_once_and_keep_their_places() -> None:
    other = replace(MUG, form="can")
    assert render([MUG, other, MUG]).to_pylist() == [draw(MUG), draw(other), draw(MUG)]
    assert render([]).to_pylist() == []


def test_processes_give_the_same_bytes_in_the_same_order() -> None:
    sizes = [replace(MUG, size=f"{i} OZ") for i in range(MIN_PARALLEL + 10)]
    digest = hashlib.sha256(b"".join(in_processes(draw, sizes))).digest()
    assert digest == hashlib.sha256(b"".join(map(draw, sizes))).digest()


def test_photographs_are_found_by_name_or_id_shrunk_and_checked(tmp_path: Path) -> None:
    source, raw = tmp_path / "source", tmp_path / "raw"
    (source / "images/deep").mkdir(parents=True)
    raw.mkdir()
    small = jpeg()
    (source / "images/deep/one.jpg").write_bytes(small)
    (source / "images/b.jpg").write_bytes(jpeg(side=1000))
    (source / "images/c.png").write_bytes(small[:300])
    (source / "images/spare.jpg").write_bytes(small)
    (source / "images/.DS_Store").write_bytes(b"x")
    photographs.snapshot(source, raw)
    first = (raw / "images.tar").read_bytes()
    for path in source.rglob("*.jpg"):
        path.touch()
    photographs.snapshot(source, raw)
    assert (raw / "images.tar").read_bytes() == first
    names = ["images/deep/one.jpg", None, "./c.png", "http://shop/d.jpg"]
    products = pa.table({"item_id": ["a", "b", "c", "d"], "image": names})
    data = DataParams(picture_pixels=200)
    images, [broken], spare = photographs.read(raw, products, data)
    assert images["item_id"].to_pylist() == ["a", "b"]
    assert images["image"].to_pylist()[0] == small
    assert Image.open(io.BytesIO(images["image"].to_pylist()[1])).size == (200, 200)
    assert '"item_id": "c"' in broken["row"].to_pylist()[0]
    assert spare == 1


@pytest.mark.parametrize("picture", [b"", b"text", jpeg()[:100], b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_a_broken_picture_has_a_reason(picture: bytes) -> None:
    reason = photographs.check(picture, DataParams())
    assert isinstance(reason, str)
    assert "0x" not in reason  # no address: the same words every run


def test_a_broken_archive_is_an_error(tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar.gz"
    (tmp_path / "a.jpg").write_bytes(np.random.default_rng(0).bytes(50_000))
    with tarfile.open(whole, "w:gz") as archive:
        archive.add(tmp_path / "a.jpg", "images/a.jpg")
    products = pa.table({"item_id": ["a"]})
    for content in (b"no archive", whole.read_bytes()[:20_000]):
        (tmp_path / "images.tar.gz").write_bytes(content)
        with pytest.raises(DataError, match="readable archive"):
            photographs.read(tmp_path, products, DataParams())
