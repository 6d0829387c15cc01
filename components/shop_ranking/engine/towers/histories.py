"""Shoppers' histories as flat arrays, cut into sessions, and padded grids of sessions.

A basket is a set: within a session the order of items says nothing, so the Transformer reads one
token a session (its items summed), not one an item. It is also eight times cheaper on receipts.
Everything is flat numpy; a batch is gathered by index arithmetic, never row by row.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from components.platform.files import read_table

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Histories:
    """Events of U shoppers, each shopper's in time order; shopper i has start[i]:start[i+1]."""

    start: Ints  # (U + 1,)
    item: Ints  # (E,) rows of the item table
    day: Floats  # (E,) days relative to the moment of prediction, <= 0
    session: Ints  # (E,) changes where a session starts
    kind: Ints  # (E,) index in schemas.EVENT_TYPES

    @classmethod
    def of_table(cls, sequences: pa.Table) -> "Histories":
        """Take the lists of a table of schemas.SEQUENCES; row i becomes shopper i."""
        table = sequences.combine_chunks()
        item, day, session, kind = (
            _flat(table[name]) for name in ("item_index", "day", "session", "event_type")
        )
        return cls(
            start=np.concatenate([[0], np.cumsum(_lengths(table["item_index"]))]),
            item=item.astype(np.int64),
            day=-day.astype(np.float32),
            session=session.astype(np.int64),
            kind=kind.astype(np.int64),
        )


def read_histories(path: Path) -> tuple[npt.NDArray[np.int32], Histories]:
    """Return the user_index of each shopper of a cut's sequences.parquet, and the histories."""
    table = read_table(path)
    return table["user_index"].to_numpy(), Histories.of_table(table)


@dataclass(frozen=True)
class Sessions:
    """The histories' S sessions: session s holds the events event[s]:event[s+1]."""

    histories: Histories
    event: Ints  # (S + 1,)
    owner: Ints  # (S,) shopper
    start: Ints  # (U + 1,) first session of each shopper
    day: Floats  # (S,) of the last event
    gap: Floats  # (S,) days since the shopper's session before, 0 for the first

    @classmethod
    def of(cls, histories: Histories) -> "Sessions":
        """Find the sessions."""
        shoppers = len(histories.start) - 1
        owner_E = np.repeat(np.arange(shoppers), np.diff(histories.start))
        new_E = np.ones(len(owner_E), bool)
        new_E[1:] = (np.diff(owner_E) != 0) | (np.diff(histories.session) != 0)
        first = np.flatnonzero(new_E)
        event = np.append(first, len(owner_E))
        owner = owner_E[first]
        day = histories.day[event[1:] - 1]
        gap = np.diff(day, prepend=day[:1])
        gap[np.flatnonzero(np.diff(owner, prepend=-1))] = 0.0
        start = np.searchsorted(owner, np.arange(shoppers + 1))
        return cls(histories, event, owner, start, day, gap)


class Window(NamedTuple):
    """Stretches of W shoppers' sessions that are read at once."""

    first: Ints  # (W,) first session
    end: Ints  # (W,) one past the last session
    fresh: Ints  # (W,) first session that no other window of the shopper shows with more past

    def take(self, rows: Ints) -> "Window":
        """Return some of the windows."""
        return Window(self.first[rows], self.end[rows], self.fresh[rows])


def latest_windows(sessions: Sessions, length: int) -> Window:
    """Return one window a shopper: the last `length` sessions."""
    end = sessions.start[1:]
    first = np.maximum(sessions.start[:-1], end - length)
    return Window(first, end, first)


def all_windows(sessions: Sessions, length: int) -> Window:
    """Return windows of at most `length` sessions that overlap by half and cover everything."""
    half = max(length // 2, 1)
    count = 1 + -(-np.maximum(np.diff(sessions.start) - length, 0) // half)
    owner = np.repeat(np.arange(len(count)), count)
    back = ranges(np.zeros_like(count), count)
    end = sessions.start[1:][owner] - back * half
    first = np.maximum(sessions.start[:-1][owner], end - length)
    return Window(first, end, np.where(back == count[owner] - 1, first, end - half))


class Grid(NamedTuple):
    """A batch of B windows, padded to T sessions; S sessions and E events are real."""

    item_E: Tensor  # int64
    kind_E: Tensor  # int64
    bag_S: Tensor  # int64 first event of each session in item_E
    size_S: Tensor  # float32 events of each session
    gap_S: Tensor  # float32 days since the session before
    place_S: Tensor  # int64 where the session stands in the flattened (B, T)
    day_BT: Tensor  # float32, 0 where padded


def grid(sessions: Sessions, windows: Window) -> tuple[Grid, Ints]:
    """Gather windows (each of at least one session); also return the sessions' numbers, (S,)."""
    length = windows.end - windows.first
    rows, width = len(length), int(length.max())
    number = ranges(windows.first, windows.end)
    place = ranges(np.arange(rows) * width, np.arange(rows) * width + length)
    size = sessions.event[number + 1] - sessions.event[number]
    event = ranges(sessions.event[number], sessions.event[number + 1])
    day = np.zeros(rows * width, np.float32)
    day[place] = sessions.day[number]
    made = Grid(
        item_E=torch.from_numpy(sessions.histories.item[event]),
        kind_E=torch.from_numpy(sessions.histories.kind[event]),
        bag_S=torch.from_numpy(np.cumsum(size) - size),
        size_S=torch.from_numpy(size.astype(np.float32)),
        gap_S=torch.from_numpy(sessions.gap[number]),
        place_S=torch.from_numpy(place),
        day_BT=torch.from_numpy(day.reshape(rows, width)),
    )
    return made, number


def length_buckets(
    length: Ints, capacity: int, rng: np.random.Generator | None = None, noise: float = 0.0
) -> list[Ints]:
    """Split windows into batches of like length, at most `capacity` places each, padding counted.

    With `rng` the batches are shuffled and windows of similar length mixed between them: by
    log-normal noise of this deviation.
    """
    factor = 1.0 if rng is None else np.exp(rng.normal(0.0, noise, len(length)))
    order = np.argsort(-length * factor, kind="stable")
    batches, begin = [], 0
    while begin < len(order):
        longest = int(length[order[begin:]].max()) if rng is not None else length[order[begin]]
        batches.append(order[begin : begin + max(1, capacity // longest)])
        begin += len(batches[-1])
    if rng is not None:
        rng.shuffle(batches)
    return batches


def ranges(first: Ints, end: Ints) -> Ints:
    """Concatenate the ranges first[i]:end[i]."""
    count = end - first
    offset = np.cumsum(count) - count
    return np.repeat(first - offset, count) + np.arange(count.sum())


def _flat(column: pa.ChunkedArray) -> npt.NDArray[np.generic]:
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False)


def _lengths(column: pa.ChunkedArray) -> Ints:
    return column.combine_chunks().value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
