"""Render many pictures: each distinct one once, spread over processes."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import pyarrow as pa

from components.data_ingestion.pictures.drawing import Picture, draw

CHUNK = 500
MIN_PARALLEL = 2000  # below this, starting processes costs more than it saves
Given = TypeVar("Given")
Made = TypeVar("Made")


def render(pictures: Sequence[Picture]) -> pa.Array:
    """Return the PNG bytes of each picture, in order (binary); equal pictures are drawn once."""
    positions = {picture: i for i, picture in enumerate(dict.fromkeys(pictures))}
    drawn = in_processes(draw, list(positions))
    return pa.array(drawn, pa.binary()).take(pa.array([positions[p] for p in pictures], pa.int32()))


def in_processes(
    function: Callable[[Given], Made], values: Sequence[Given], min_parallel: int = MIN_PARALLEL
) -> list[Made]:
    """Return `function` of each value, in order, over as many processes as there are CPUs."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if len(values) < min_parallel or cpus == 1:
        return [function(value) for value in values]
    # spawn: a fork would copy the locks of DuckDB's and Arrow's threads in whatever state they are
    with multiprocessing.get_context("spawn").Pool(cpus) as pool:
        return pool.map(function, values, CHUNK)
