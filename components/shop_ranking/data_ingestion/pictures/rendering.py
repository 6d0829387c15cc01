"""Make many pictures: each distinct one once, spread over processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

import pyarrow as pa

from components.platform.cores import usable_cores
from components.shop_ranking.data_ingestion.pictures.drawing import Picture, draw

CHUNK = 250  # Capacity only: changes no result.
# Below this, starting processes costs more than it saves. Capacity only: changes no result.
MIN_PARALLEL = 2000
Given = TypeVar("Given")
Made = TypeVar("Made")


def render(pictures: Sequence[Picture]) -> pa.Array:
    """Return the PNG bytes of each picture, in order (binary); equal pictures are drawn once."""
    positions = {picture: i for i, picture in enumerate(dict.fromkeys(pictures))}
    drawn = pa.array(in_processes(draw, positions), pa.binary())
    return drawn.take(pa.array([positions[picture] for picture in pictures], pa.int32()))


def in_processes(function: Callable[[Given], Made], values: Iterable[Given]) -> Iterator[Made]:
    """Yield `function` of each value, in order, over as many processes as there are cores.

    Only MIN_PARALLEL values are in memory at a time.
    """
    remaining = iter(values)
    first = list(islice(remaining, MIN_PARALLEL))
    cores = usable_cores()
    if len(first) < MIN_PARALLEL or cores == 1:
        yield from map(function, chain(first, remaining))
        return
    # spawn: a fork would copy the locks of DuckDB's and Arrow's threads in whatever state they are
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        while first:
            yield from pool.map(function, first, CHUNK)
            first = list(islice(remaining, MIN_PARALLEL))
