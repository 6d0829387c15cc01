"""What the tower learns from: a moment in a shopper's past, and what came within the horizon.

Baskets are sets and the next one is mostly chance, so the answer to a moment is everything wanted
in the horizon after it, which is also what a cut asks for. The moment is drawn between a session
and the next one, as a cut falls between two sessions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from components.platform.schemas import EVENT_TYPES
from components.shop_ranking.engine.towers.histories import (
    Grid,
    Ints,
    Sessions,
    all_windows,
    grid,
    length_buckets,
)


class Batch(NamedTuple):
    """One step: B windows, P moments in them, M positives each, N shared negatives."""

    grid: Grid
    place_P: Tensor  # int64 session before the moment, in the flattened (B, T)
    gap_P: Tensor  # float32 days from that session to the moment
    positive_PM: Tensor  # int64 item rows
    negative_N: Tensor  # int64 item rows
    log_q: Tensor  # log of the expected draws of each negative
    hit_row: Tensor  # int64 where a negative is one of the moment's positives
    hit_column: Tensor


@dataclass(frozen=True)
class Drawing:
    """How moments, positives and negatives are drawn."""

    horizon_days: float
    max_sessions: int
    moment_share: float
    positives: int
    negatives: int
    batch_sessions: int
    length_noise: float


class Examples:
    """The moments of the histories before one cut; `since` (days, < 0) leaves out older ones.

    What is wanted are the cut's own `target_events`, as in its targets.
    """

    def __init__(
        self,
        sessions: Sessions,
        items: int,
        target_events: Sequence[str],
        drawing: Drawing,
        *,
        seed: int,
        since: float | None = None,
    ) -> None:
        histories = sessions.histories
        self.sessions, self.items, self.drawing, self.seed = sessions, items, drawing, seed
        self.seen = np.unique(histories.item)
        wanted = [EVENT_TYPES.index(name) for name in target_events]
        self.target = np.flatnonzero(np.isin(histories.kind, wanted))
        span = float(histories.day.max() - histories.day.min()) + drawing.horizon_days + 1.0
        owner_E = np.repeat(np.arange(len(histories.start) - 1), np.diff(histories.start))
        self.clock_E = histories.day.astype(np.float64) + owner_E * span
        self.span = span
        self.learnt_S = np.append(np.diff(sessions.owner) == 0, False)  # a session follows
        if since is not None:
            self.learnt_S &= sessions.day >= since
        windows = all_windows(sessions, drawing.max_sessions)
        total = np.concatenate([[0], np.cumsum(self.learnt_S)])
        useful = total[windows.end] > total[windows.fresh]
        self.windows = windows.take(np.flatnonzero(useful))

    def epoch(self, epoch: int) -> "Epoch":
        """Return the batches of one pass; batch i depends on seed, epoch and i alone."""
        length = self.windows.end - self.windows.first
        rng = np.random.default_rng([self.seed, epoch])
        return Epoch(self, epoch, self._batches(length, rng))

    def _batches(self, length: Ints, rng: np.random.Generator) -> list[Ints]:
        return length_buckets(length, self.drawing.batch_sessions, rng, self.drawing.length_noise)

    def batch(self, rows: Ints, rng: np.random.Generator) -> Batch:
        """Draw the moments, positives and negatives of some windows."""
        windows, drawing = self.windows.take(rows), self.drawing
        made, number_S = grid(self.sessions, windows)
        fresh_S = np.repeat(windows.fresh, windows.end - windows.first)
        may_S = self.learnt_S[number_S] & (number_S >= fresh_S)
        kept = np.flatnonzero(may_S & (rng.random(len(may_S)) < drawing.moment_share))
        session = number_S[kept]
        day = self.sessions.day[session]
        following = self.sessions.histories.day[self.sessions.event[session + 1]]
        gap = rng.random(len(session), dtype=np.float32) * (following - day)
        until = day + gap + drawing.horizon_days + self.sessions.owner[session] * self.span
        low = np.searchsorted(self.target, self.sessions.event[session + 1])
        end = np.searchsorted(self.clock_E, until, side="right")
        end = np.minimum(end, self.sessions.histories.start[self.sessions.owner[session] + 1])
        high = np.searchsorted(self.target, end)
        some = high > low
        kept, gap, low, high = kept[some], gap[some], low[some], high[some]
        drawn = rng.random((len(kept), drawing.positives)) * (high - low)[:, None]
        event_PM = self.target[low[:, None] + drawn.astype(np.int64)]
        positive_PM = self.sessions.histories.item[event_PM]
        negative = rng.permutation(self.seen)[: drawing.negatives]
        column = np.full(self.items, -1)
        column[negative] = np.arange(len(negative))
        hit = column[positive_PM]
        row, _ = np.nonzero(hit >= 0)
        return Batch(
            made,
            made.place_S[torch.from_numpy(kept)],
            torch.from_numpy(gap),
            torch.from_numpy(positive_PM),
            torch.from_numpy(negative),
            torch.tensor(np.log(len(negative) / len(self.seen)), dtype=torch.float32),
            torch.from_numpy(row),
            torch.from_numpy(hit[hit >= 0]),
        )


class Epoch(Sequence[Batch]):
    """The batches of one pass, drawn when they are asked for."""

    def __init__(self, examples: Examples, epoch: int, rows: list[Ints]) -> None:
        self.examples, self.epoch, self.rows = examples, epoch, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:  # type: ignore[override]
        rng = np.random.default_rng([self.examples.seed, self.epoch, index])
        return self.examples.batch(self.rows[index], rng)
