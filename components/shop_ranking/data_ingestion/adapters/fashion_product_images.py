"""Fashion Product Images (Kaggle layout): styles.csv and photographs, a catalogue without events.

Source: https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-small. It has no
shoppers: it is a catalogue for the shopper simulator, or products to join to your own events.
"""

from pathlib import Path

import pyarrow as pa

from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.adapter import Batch, Extract, rejected
from components.shop_ranking.data_ingestion.contract import connect
from components.shop_ranking.data_ingestion.pictures import photographs
from components.shop_ranking.data_ingestion.sources import copy_file, folder_of
from components.shop_ranking.data_ingestion.text_files import read_lines
from components.shop_ranking.params import Params

STYLES = "styles.csv"
COLUMNS = ["id", "gender", "masterCategory", "subCategory", "articleType"]
COLUMNS += ["baseColour", "season", "year", "usage", "productDisplayName"]


def acquire(params: Params, raw: Path) -> None:
    """Copy styles.csv and the pictures (images/, images.tar or images.tar.gz)."""
    folder = folder_of(params)
    copy_file(folder / STYLES, raw)
    photographs.snapshot(folder, raw)


def read(raw: Path, params: Params) -> Extract:
    """Return products and pictures.

    The last column, the name, may hold commas without quotes: a line's first nine commas part the
    columns, the rest belong to the name.
    """
    con = connect()
    con.register("file", read_lines(raw / STYLES))
    con.execute(
        """create temp table lines as select rtrim(try(decode(line)), chr(13)) as text,
        string_split(text, ',') as part, row_number() over () as number from file"""
    )
    header = con.execute("select part from lines where number = 1").fetchall()
    if [name.strip('\ufeff" ') for name in (header[0][0] or [])] != COLUMNS:
        raise DataError(
            f"{STYLES} to begin with {','.join(COLUMNS)}",
            ",".join(header[0][0] or [])[:200],
            "use the Kaggle set's file",
        )
    products = con.execute(
        """select part[1] as item_id,
        replace(regexp_replace(array_to_string(part[10:], ','), '^"(.*)"$', '\\1'), '""', '"')
        as title,
        concat_ws(' > ', nullif(part[3], ''), nullif(part[4], ''), nullif(part[5], ''))
        as category, 'images/' || part[1] || '.jpg' as image,
        map_from_entries(list_filter([('gender', part[2]), ('colour', part[6]),
            ('season', part[7]), ('year', replace(part[8], '.0', '')), ('usage', part[9])],
            entry -> entry[2] <> '')) as attributes
        from lines where number > 1 and len(part) >= 10"""
    ).to_arrow_table()
    short = con.execute(
        """select to_json({'line': number, 'text': text})::varchar from lines
        where text is null or len(part) < 10"""
    ).fetchall()
    images, broken, spare = photographs.read(
        raw, products.select(["item_id", "image"]), params.data
    )
    reason = f"fewer than {len(COLUMNS)} columns"
    return Extract(
        [Batch("products", STYLES, products), *_pictures(images)],
        rejected=[rejected("products", STYLES, reason, [row for (row,) in short]), *broken],
        excluded={"images": {"picture of no product": spare}} if spare else {},
        images="photographs",
    )


def _pictures(images: pa.Table) -> list[Batch]:
    return [Batch("images", "images", images)] if images.num_rows else []
