"""A catalogue's own photographs: snapshot them as one archive, check and shrink each."""

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from PIL import Image

from components.platform import schemas
from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.adapter import rejected
from components.shop_ranking.data_ingestion.contract import connect
from components.shop_ranking.data_ingestion.pictures.rendering import in_processes
from components.shop_ranking.data_ingestion.sources import copy_file
from components.shop_ranking.params import DataParams

ARCHIVES = ("images.tar", "images.tar.gz")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def snapshot(folder: Path, raw: Path) -> None:
    """Snapshot `folder`/images/ (as one archive) or `folder`/images.tar(.gz), if there is one.

    The archive of a folder holds names and bytes only, no times or owners: the same pictures give
    the same archive. One file instead of one a picture keeps DVC fast.
    """
    for name in ARCHIVES:
        if (folder / name).is_file():
            copy_file(folder / name, raw)
            return
    if (folder / "images").is_dir():
        pictures = sorted(p for p in (folder / "images").rglob("*") if p.is_file())
        with tarfile.open(raw / ARCHIVES[0], "w") as archive:
            for path in pictures:
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                member.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(member, file)


def read(raw: Path, products: pa.Table, data: DataParams) -> tuple[pa.Table, list[pa.Table], int]:
    """Return the pictures (schemas.IMAGES), the broken ones, and how many have no product.

    `products` has item_id and, where the catalogue names its files, image: a path in the folder
    images/. Elsewhere the file's name is the item's id. Broken pictures are schemas.QUARANTINE.
    `data` says how large pictures are kept.

    Raises:
        DataError: the archive cannot be read.

    """
    archive = next((raw / name for name in ARCHIVES if (raw / name).is_file()), None)
    if archive is None:
        return schemas.IMAGES.empty_table(), [], 0
    names: list[str] = []
    try:
        checked = list(in_processes(partial(check, data=data), _members(archive, names)))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"a readable archive at {archive.name}", str(error) or "a cut file", "pack it again"
        ) from error
    files = pa.table(
        {
            "name": pa.array(names, pa.string()),
            "image": pa.array([c if isinstance(c, bytes) else None for c in checked], pa.binary()),
            "wrong": pa.array([c if isinstance(c, str) else None for c in checked], pa.string()),
        }
    )
    return _join(files, products, archive.name)


def check(picture: bytes, data: DataParams) -> bytes | str:
    """Return the picture, shrunk where a side is too long, or what is wrong with it."""
    longest = data.picture_pixels
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.load()
            if image.format in {"JPEG", "PNG"} and max(image.size) <= longest:
                return picture
            image.thumbnail((longest, longest))
            shrunk = io.BytesIO()
            image.convert("RGB").save(shrunk, "JPEG", quality=data.picture_quality)
            return shrunk.getvalue()
    except Exception as error:  # Pillow's readers raise whatever a broken file leads them to
        return re.sub(r" ?<_io\.BytesIO[^>]*>", "", f"{type(error).__name__}: {error}")


def _members(archive: Path, names: list[str]) -> Iterator[bytes]:
    """Yield each picture's bytes, and note its path below images/ in `names`."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.removeprefix("./").removeprefix("images/")
            hidden = Path(name).name.startswith(".")
            if not member.isfile() or hidden or not name.lower().endswith(ENDINGS):
                continue
            content = tar.extractfile(member)
            names.append(name)
            yield content.read() if content else b""


def _join(files: pa.Table, products: pa.Table, source: str) -> tuple[pa.Table, list[pa.Table], int]:
    con = connect()
    con.register("files", files)
    con.register("products", products)
    named = "image" if "image" in products.column_names else "null::varchar"
    con.execute(
        f"""create temp table wanted as select item_id::varchar as item_id,
        regexp_replace({named}, '^(\\./)?(images/)?', '') as name from products""",  # noqa: S608
    )
    joined = con.execute(
        """with owned as (
            select item_id, files.* from files join wanted using (name)
            union all
            select item_id, files.* from files join wanted
            on item_id = regexp_replace(files.name, '\\.[^.]*$', '')
            where wanted.name is null or wanted.name not in (select name from files))
        select distinct on (item_id) * from owned order by item_id, name"""
    ).to_arrow_table()
    (spare,) = con.execute(
        """select count(*) from files where name not in (select name from wanted
        where name is not null) and regexp_replace(name, '\\.[^.]*$', '') not in
        (select item_id from wanted where item_id is not null)"""
    ).fetchall()[0]
    good = joined.filter(joined["wrong"].is_null()).select(["item_id", "image"])
    bad = joined.filter(joined["wrong"].is_valid()).select(["item_id", "name", "wrong"])
    rows = [json.dumps(row) for row in bad.to_pylist()]
    return good, [rejected("images", source, "the picture cannot be read", rows)], int(spare)
