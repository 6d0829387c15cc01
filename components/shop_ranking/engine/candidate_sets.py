"""Candidate rows with their features: what a fusion is fitted on and scores.

Items that are no candidate follow after all candidates, by popularity, so the ranking stays full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.history import Floats, Ints

ROW_COLUMNS = ("items", "bought", "features", "signals", "sources")


@dataclass(frozen=True)
class CandidateSet:
    """Candidates of B shoppers at one cut; rows are grouped by shopper (CSR by `ptr`)."""

    users: Ints  # (B,) user_index, ascending
    ptr: npt.NDArray[np.int64]  # (B + 1,)
    items: Ints  # (rows,)
    bought: npt.NDArray[np.bool_]  # (rows,) by this shopper before the cut
    features: Floats  # (rows, len(FEATURES)), NaN for missing
    signals: Floats  # (rows, len(SIGNALS)), NaN for missing
    sources: npt.NDArray[np.bool_]  # (rows, len(SOURCES)) who proposed it
    user_vectors: Mapping[str, Floats]  # tower -> (B, D)
    item_vectors: Mapping[str, Floats]  # tower -> (I, D)
    labels: npt.NDArray[np.bool_] | None = None  # (rows,) wanted in the horizon after the cut
    wanted: Ints | None = None  # (B, 2) number of wanted items: all, never bought before

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def owner(self) -> npt.NDArray[np.int64]:
        """Row of the shopper of each candidate, (rows,)."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.ptr))

    @cached_property
    def normalised(self) -> Floats:
        """Signals with mean 0 and deviation 1 over a shopper's rows of a segment, (rows, signals).

        A segment is what the shopper bought before, or what is new to the shopper. NaN stays NaN: a
        missing modality takes no part.
        """
        group = self.owner * 2 + self.bought
        size = 2 * len(self.users)
        out = np.empty_like(self.signals)
        for k in range(out.shape[1]):
            values = self.signals[:, k].astype(np.float64)
            known = ~np.isnan(values)
            filled = np.where(known, values, 0)
            count = np.maximum(np.bincount(group, known, minlength=size), 1)
            mean = np.bincount(group, filled, minlength=size) / count
            centred = np.where(known, values - mean[group], 0)
            deviation = np.sqrt(np.bincount(group, centred**2, minlength=size) / count)
            out[:, k] = np.where(known, centred / np.maximum(deviation[group], 1e-9), np.nan)
        return out

    def take(self, rows: npt.NDArray[np.integer]) -> "CandidateSet":
        """Return the candidates of the shoppers at `rows`, in that order."""
        lengths = self.ptr[rows + 1] - self.ptr[rows]
        ptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.repeat(self.ptr[rows] - ptr[:-1], lengths) + np.arange(ptr[-1])
        return replace(
            self,
            users=self.users[rows],
            ptr=ptr,
            **{name: getattr(self, name)[at] for name in ROW_COLUMNS},
            user_vectors={name: vectors[rows] for name, vectors in self.user_vectors.items()},
            labels=None if self.labels is None else self.labels[at],
            wanted=None if self.wanted is None else self.wanted[rows],
        )


def concatenate(parts: Sequence[CandidateSet]) -> CandidateSet:
    """Put batches of one cut together; they share the items' vectors."""
    first = parts[0]
    lengths = np.concatenate([np.diff(part.ptr) for part in parts])
    columns = ("users", *ROW_COLUMNS)
    optional = [name for name in ("labels", "wanted") if getattr(first, name) is not None]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (*columns, *optional)
    }
    return replace(
        first,
        ptr=np.concatenate([[0], np.cumsum(lengths)]),
        user_vectors={
            tower: np.concatenate([part.user_vectors[tower] for part in parts])
            for tower in first.user_vectors
        },
        **joined,
    )
