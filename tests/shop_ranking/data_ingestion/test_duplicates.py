import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from components.platform import schemas
from components.shop_ranking.data_ingestion.duplicates import distinct

titles = st.one_of(st.none(), st.sampled_from("abc"))
products = st.lists(st.tuples(st.sampled_from("pqrstu"), titles), max_size=12)
lines = st.lists(
    st.tuples(st.sampled_from("opq"), st.sampled_from("xy"), st.integers(1, 2)), max_size=12
)
Rows = list[tuple]


def table_of(name: str, columns: list[str], rows: Rows) -> pa.Table:
    values = {column: [row[i] for row in rows] for i, column in enumerate(columns)}
    schema = schemas.TABLES[name]
    nulls = {field.name: pa.nulls(len(rows), field.type) for field in schema}
    given_columns = {c: pa.array(v, schema.field(c).type) for c, v in values.items()}
    return pa.table({**nulls, **given_columns})


def resolve(name: str, columns: list[str], files: list[Rows]) -> tuple[pa.Table, int, int]:
    parts = [(f"file {i}", table_of(name, columns, rows)) for i, rows in enumerate(files)]
    table = distinct(name, [(source, t.cast(nullable(name))) for source, t in parts])
    return table.rows, table.repeated, sum(t.num_rows for t in table.quarantined)


def nullable(name: str) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schemas.TABLES[name]])


COLUMNS = ["item_id", "title"]


@settings(max_examples=20, deadline=None)
@given(st.lists(products, min_size=1, max_size=3), st.randoms())
def test_products_are_resolved_by_file_then_content(files: list[Rows], random) -> None:
    rows, repeated, quarantined = resolve("products", COLUMNS, files)
    ids = rows["item_id"].to_pylist()
    assert ids == sorted(set(ids)) == sorted({item for rows in files for item, _ in rows})
    assert rows.num_rows + repeated + quarantined == sum(map(len, files))
    # nothing but the keys of new items is added by a further file
    first, *_ = resolve("products", COLUMNS, files[:1])
    kept = rows.filter(pa.compute.is_in(rows["item_id"], first["item_id"].combine_chunks()))
    assert kept.equals(first)
    # the same files again, and rows in another order, change nothing
    again, _, lost = resolve("products", COLUMNS, [*files, *files])
    assert again.equals(rows)
    assert lost == quarantined
    shuffled = [random.sample(rows, len(rows)) for rows in files]
    assert resolve("products", COLUMNS, shuffled)[0].equals(rows)


@settings(max_examples=20, deadline=None)
@given(st.lists(lines, min_size=1, max_size=3))
def test_order_lines_are_the_same_by_their_whole_content(files: list[Rows]) -> None:
    columns = ["order_id", "item_id", "quantity"]
    times = pa.array([0], schemas.UTC)
    files = [[(*row, "u", times[0]) for row in rows] for rows in files]
    rows, repeated, quarantined = resolve("orders", [*columns, "user_id", "timestamp"], files)
    kept = list(zip(*(rows[c].to_pylist() for c in columns), strict=True))
    assert kept == sorted({row[:3] for rows in files for row in rows})
    assert repeated == sum(map(len, files)) - len(kept)
    assert quarantined == 0
