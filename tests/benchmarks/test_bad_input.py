"""Rubbish in a row's files, or a row that dies, is one line; the other rows go on."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.quality import __main__ as runner
from benchmarks.quality.rows import ROWS, Row
from components.shop_ranking.data_ingestion.adapters.fashion_product_images import COLUMNS

Write = Callable[[Path], None]
PRODUCT = {"id": "1", "title": "a laptop", "price": 10}
LAYOUT = "expected lines 'shopper item item ...' of whole numbers"


def histories(content: bytes, name: str = "Bad.txt.gz") -> Write:
    def write(folder: Path) -> None:
        (folder / "beauty").mkdir()
        (folder / "beauty" / name).write_bytes(content)

    return write


def shop(*products: object, ratings: str = "1,laptop,1") -> Write:
    def write(folder: Path) -> None:
        path = folder / "chorus"
        path.mkdir()
        lines = "\n".join(map(json.dumps, products)).encode()
        (path / "products.jsonl.gz").write_bytes(gzip.compress(lines))
        (path / "judgments.csv").write_text(f"docid,query,rating\n{ratings}\n")

    return write


def photographs(count: int, products: int = 80, header: str = ",".join(COLUMNS)) -> Write:
    def write(folder: Path) -> None:
        path = folder / "fashion-product-images"
        (path / "images").mkdir(parents=True)
        lines = [f"{n},Men,Apparel,Topwear,Shirts,Blue,Fall,2011,Casual,a shirt {n}"
                 for n in range(products)]  # fmt: skip
        (path / "styles.csv").write_text("\n".join([header, *lines]) + "\n")
        packed = io.BytesIO()
        Image.new("RGB", (60, 80)).save(packed, "JPEG")
        for number in range(count):
            (path / "images" / f"{number}.jpg").write_bytes(packed.getvalue())

    return write


def questions(train: bytes) -> Write:
    def write(folder: Path) -> None:
        path = folder / "banking77"
        path.mkdir()
        (path / "train.csv.gz").write_bytes(train)
        (path / "test.csv.gz").write_bytes(asked(200))

    return write


def asked(count: int, header: tuple[str, str] = ("text", "category")) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *([f"question {n}", "card"] for n in range(count))])
    return gzip.compress(text.getvalue().encode())


HISTORY = gzip.compress(b"1 5 6 7 8\n" * 4000)
CASES: dict[str, tuple[str, Write, str]] = {
    "cut short": ("beauty", histories(HISTORY[:-20]), LAYOUT),
    "not packed": ("beauty", histories(b"1 2 3 4\n"), LAYOUT),
    "empty": ("beauty", histories(gzip.compress(b"")), "found 0 of 0 lines"),
    "short histories": ("beauty", histories(gzip.compress(b"1 2 3\n" * 90)), "found 0 of 90 lines"),
    "a pair a line": ("speed", histories(b"1 2\n" * 90, "Pairs.txt"), "found 0 of 90 lines"),
    "words": ("beauty", histories(gzip.compress(b"1 2 three\n")), LAYOUT),
    "not text": ("beauty", histories(b"\xff\xfe\x00\x01" * 9, "Bad.txt"), LAYOUT),
    "price in words": ("search", shop({**PRODUCT, "price": "12,50 EUR"}), "12,50 EUR"),
    "a product that is a list": ("search", shop(PRODUCT, [1, 2]), "line of JSON with id, title"),
    "no title": ("search", shop(PRODUCT, {"id": "2", "title": None}), "line 2 lacks title"),
    "no id": ("search", shop({"title": "a laptop"}), "KeyError: 'id'"),
    "no rating": ("search", shop(PRODUCT, ratings="1,laptop"), "query, docid and rating"),
    "a rating in words": ("search", shop(PRODUCT, ratings="1,laptop,good"), "'good'"),
    "unknown products": ("search", shop(PRODUCT, ratings="7,laptop,3"), "found 0 of 1 queries"),
    "no picture": ("fashion", photographs(0), "found 0, of 80 products and 0 pictures"),
    "four pictures": ("fashion", photographs(4), "found 4, of 80 products and 4 pictures"),
    "other columns": ("fashion", photographs(80, header="id,name"), "styles.csv to begin with"),
    "questions not packed": ("peft", questions(b"text,category\n"), "BadGzipFile"),
    "questions cut short": ("soups", questions(asked(4000)[:-20]), "EOFError"),
    "questions without intents": ("peft", questions(asked(200, ("text", "label"))), "'category'"),
    "few questions": ("soups", questions(asked(20)), "100 questions with their intents"),
}


@pytest.mark.parametrize(("row", "write", "said"), CASES.values(), ids=CASES)
def test_rubbish_is_refused_in_one_line(
    row: str, write: Write, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """In this process: one of its own is tested below, and takes seconds to start."""
    write(tmp_path)
    monkeypatch.setattr(runner, "run_apart", here)
    page = tmp_path / "page.md"
    assert runner.main([row, "--data", str(tmp_path), "--page", str(page)]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "expected" in line]
    assert line.startswith(row)
    assert said in line
    assert line.count(";") >= 2  # expected, found, what to do
    assert "traceback" not in line.lower()
    assert not page.exists()


def here(module: str, task: object) -> tuple[object, float]:
    """Read what a row reads; nothing here may come as far as to train."""
    from benchmarks.quality.fashion.reading import read_photographs
    from benchmarks.quality.next_item.leave_one_out import read_orders
    from benchmarks.quality.search.reading import read_shop
    from benchmarks.quality.tuning.intents import read_questions

    readers: dict[str, Callable[..., object]] = {
        "next_item": read_orders, "speed": read_orders, "search": read_shop,
        "fashion": read_photographs, "tuning": read_questions,
    }  # fmt: skip
    folders = {"search": "chorus", "fashion": "fashion-product-images", "tuning": "banking77"}
    name = module.split(".")[2]
    readers[name](task.data / folders.get(name, ""), task.sample, task.seed)  # type: ignore[attr-defined]
    raise AssertionError("was not refused")


ROW = "from benchmarks.quality.report import Report\ndef run(task):\n    {}\n"
DEATHS = {
    "killed": ("import os; os.kill(os.getpid(), 9)", "found it killed, most often for want of mem"),
    "broken": ("raise RuntimeError('one\\ntwo')", "found RuntimeError: one two; the whole of it"),
}


@pytest.mark.parametrize(("code", "said"), DEATHS.values(), ids=DEATHS)
def test_a_row_that_dies_is_one_line_and_the_next_one_runs(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "row_that_dies.py").write_text(ROW.format(code))
    (tmp_path / "row_that_lives.py").write_text(ROW.format("return Report('A row that lives')"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("dies", "lives"):
        monkeypatch.setitem(ROWS, name, Row(f"A row that {name}", f"row_that_{name}"))
    page = tmp_path / "page.md"
    assert runner.main(["dies", "lives", "--data", str(tmp_path), "--page", str(page)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(said in line for line in lines) == 1
    assert "### A row that lives" in lines
    assert "A row that lives" in page.read_text()
    log = tmp_path / ".state/benchmarks/dies.log"
    assert log.exists() == (said.startswith("found RuntimeError"))
