import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.text_files import read_csv, read_json_lines

cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\0\ufeff"), max_size=6)
SAME_FOLDER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SAME_FOLDER
@given(st.lists(st.tuples(cells, cells, cells), max_size=12), st.sampled_from(",;\t|"))
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path: Path, rows: list[tuple[str, ...]], delimiter: str
) -> None:
    path = tmp_path / "file.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([("a", "b", "c"), *rows])
    table, rejects = read_csv(path, "products", private=False)
    assert rejects == []
    wanted = [dict(zip("abc", (cell or None for cell in row), strict=True)) for row in rows]
    assert table.to_pylist() == wanted


@SAME_FOLDER
@given(st.lists(st.lists(st.sampled_from(["1", "x", "é"]), min_size=1, max_size=5), max_size=12))
def test_lines_of_another_length_are_rejected_and_counted(
    tmp_path: Path, lines: list[list[str]]
) -> None:
    path = tmp_path / "file.csv"
    path.write_text("a,b,c\n" + "".join(",".join(line) + "\n" for line in lines))
    table, rejects = read_csv(path, "products", private=False)
    assert table.num_rows == sum(len(line) == 3 for line in lines)
    rejected = [json.loads(row) for t in rejects for row in t["row"].to_pylist()]
    assert [r["text"] for r in rejected] == [",".join(line) for line in lines if len(line) != 3]
    wanted = [number for number, line in enumerate(lines, start=2) if len(line) != 3]
    assert [r["row"] for r in rejected] == wanted


def test_every_line_after_an_unclosed_quote_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text('a,b\n1,2\n"3,4\n5,6\n7,8\n')
    table, rejects = read_csv(path, "events", private=True)
    assert table.num_rows == 1
    assert sum(t.num_rows for t in rejects) == 3
    assert "3,4" not in str([t.to_pylist() for t in rejects])
    path.write_text('a,b\n1,2\n3,"4\n5,6\n7,8\n')
    with pytest.raises(DataError, match="the last quote is never closed"):
        read_csv(path, "events", private=True)


def test_text_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"a,b\n1,2\n\xff\xfe,3\n4,\n")
    table, [reject] = read_csv(path, "products", private=False)
    assert table.to_pylist() == [{"a": "1", "b": "2"}, {"a": "4", "b": None}]
    assert reject["reason"].to_pylist() == ["the text is not UTF-8"]


@pytest.mark.parametrize("content", [b"", b"\n", b"a,a\n1,2\n", b"\xff\n"])
def test_a_file_without_a_header_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"file\.csv"):
        read_csv(path, "products", private=False)


def test_a_byte_order_mark_and_gzip_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_bytes(gzip.compress("\ufeffa;b\n1;2\n".encode()))
    assert read_csv(path, "products", private=False)[0].to_pylist() == [{"a": "1", "b": "2"}]
    path.write_bytes(b"not gzip")
    with pytest.raises(DataError, match="readable text file"):
        read_csv(path, "products", private=False)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_json_lines(tmp_path: Path, ending: str) -> None:
    lines = ['{"a": 1, "l": ["x"], "z": 0}', "", "broken {", "[1]", '{"a": "é"}']
    content = "\n".join(lines).encode() + b'\n{"a": "\xff"}\n'
    path = tmp_path / f"file.jsonl{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    fields = {"a": "VARCHAR", "l": ["VARCHAR"]}
    table, [reject] = read_json_lines(path, fields, "products", private=False)
    assert table.to_pylist() == [{"a": "1", "l": ["x"]}, {"a": "é", "l": None}]
    rows = [json.loads(row) for row in reject["row"].to_pylist()]
    assert rows == [{"line": 2, "text": "broken {"}, {"line": 3, "text": "[1]"}, {"line": 5}]
    _, [reject] = read_json_lines(path, fields, "events", private=True)
    assert "broken" not in str(reject.to_pylist())
