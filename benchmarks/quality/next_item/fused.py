"""Stacking of the methods' scores; it learns on validation, from fits on train."""

from dataclasses import dataclass, field

import numpy as np

from benchmarks.quality.next_item.leave_one_out import BATCH, LeaveOneOut, Score
from components.shop_ranking.engine.towers.item_orders import Floats, Ints, Orders
from components.shop_ranking.engine.towers.list_stacking import Candidates, ListStacking, gather

EACH = 40  # candidates that every signal proposes
LEARNT_FROM = 12_000  # shoppers of validation: trees of this size need no more


@dataclass
class Fused:
    """The stacking over some scorers; the same scorers, fitted on more, rank the test."""

    seed: int
    stacking: ListStacking = field(default_factory=ListStacking)

    def learn(self, scores: list[Score], data: LeaveOneOut) -> None:
        """Learn from the validation items of shoppers, drawn by seed."""
        self.stacking = ListStacking(self.seed)
        count = min(LEARNT_FROM, len(data.whole))
        rng = np.random.default_rng(self.seed)
        rows = np.sort(rng.choice(len(data.whole), count, replace=False))
        parts, gains, queries = [], [], 0
        for begin in range(0, len(rows), BATCH):
            batch = rows[begin : begin + BATCH]
            made = _candidates(scores, data.train, batch, data.train.counts)
            gains.append(made.item == data.validation_target[batch][made.owner])
            parts.append((made.owner + queries, made.item, made.features))
            queries += len(batch)
        owner, item, features = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
        self.stacking.fit(Candidates(owner, item, features), np.concatenate(gains))

    def scorer(self, scores: list[Score], counts_I: Ints) -> Score:
        """Return a scorer of the whole catalogue: candidates first, the others by the last one."""

        def score(histories: Orders, rows: Ints) -> Floats:
            made = _candidates(scores, histories, rows, counts_I)
            scores_UI = np.full((len(rows), histories.items), -1e9, np.float32)
            scores_UI[made.owner, made.item] = self.stacking.score(made)
            return scores_UI

        return score


def _candidates(scores: list[Score], histories: Orders, rows: Ints, counts_I: Ints) -> Candidates:
    """Candidates of shoppers with the signals, and what is known of item and shopper."""
    signals = [score(histories, rows) for score in scores]
    held = histories.take(rows)
    own_BI = np.zeros_like(signals[0])
    own_BI[held.owner, held.item] = 1.0
    length_BI = np.broadcast_to(held.length[:, None].astype(np.float32), own_BI.shape)
    popularity_I = np.log1p(counts_I).astype(np.float32)
    return gather(signals, EACH, [own_BI, length_BI, popularity_I])
