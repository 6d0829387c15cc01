"""Feedback ingestion: segments of events into labelled rows and online metrics, a day at a time."""

import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.platform import storage
from components.platform.feedback.checking import load
from components.platform.feedback.click_model import KEY, fit
from components.platform.feedback.labelling import attribute
from components.platform.feedback.partitions import known_items, latest_labelled, write_partition
from components.platform.feedback.segments import (
    connect,
    fetch,
    index_new,
    of_days,
    read_index,
    write_index,
)
from components.platform.files import scratch_folder
from components.platform.params import Params
from components.platform.progress import say, track


def run(params: Params, day: date | None = None) -> dict[date, dict[str, Any]]:
    """Bring partitions up to date; return the account of each that was written.

    Written are `day`, the days that new segments speak of, and those just before them, whose
    impressions may have been clicked since. A partition is computed from all segments that speak
    of its time and replaced whole, so a run may be repeated, late or out of order.

    Raises:
        StorageError: S3 cannot be reached.

    """
    window = timedelta(days=-(-params.feedback.attribution_hours // 24))
    with scratch_folder() as scratch:
        known = read_index()
        index = index_new(known, scratch)
        days = _touched(index, known.num_rows, day, window)
        items = known_items()
        if items is None:
            say("items are not checked: nobody published the shop's products")
        accounts = {}
        for partition_day in track(days, "partitions"):
            keys = of_days(index, partition_day - window, partition_day + window)
            con = connect()
            load(con, fetch(keys, scratch), items, params.feedback.clock_skew_minutes)
            attribute(con, params.feedback.attribution_hours)
            accounts[partition_day] = write_partition(con, partition_day)
            say(f"{partition_day}: {json.dumps(accounts[partition_day])}")
            con.close()
        write_index(index)  # last: a run that broke off does all of it again
    calibrate(params)
    return accounts


def calibrate(params: Params) -> None:
    """Fit P(click) for each model version on the latest days, for whoever prices a click."""
    labelled = latest_labelled(params.feedback.click_model_days)
    if labelled is None:
        return
    usable = labelled.filter(
        pc.and_(pc.is_valid(labelled["score"]), pc.is_valid(labelled["position"]))
    )
    models = {}
    for version in sorted(set(pc.unique(usable["model_version"]).drop_null().to_pylist())):
        rows = usable.filter(pc.equal(usable["model_version"], version))
        model = fit(
            _floats(rows["score"]),
            _floats(rows["fused_score"]),
            _floats(rows["position"]),
            _floats(pc.is_valid(rows["campaign_id"])),
            _floats(rows["clicked"]),
            params.feedback,
        )
        if model:
            models[version] = model.as_json()
    storage.put(json.dumps(models, sort_keys=True).encode(), KEY)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy()


def _touched(index: pa.Table, known: int, day: date | None, window: timedelta) -> list[date]:
    """Return the days whose partitions may change, ascending; `known` segments are not new."""
    spoken_of = _days(index.slice(known)) | ({day} if day else set())
    before = {
        new_day - timedelta(days=back)
        for new_day in spoken_of
        for back in range(1, window.days + 1)
    }
    return sorted(spoken_of | (before & _days(index)))


def _days(index: pa.Table) -> set[date]:
    return {day for day in pc.unique(pc.list_flatten(index["days"])).to_pylist() if day}
