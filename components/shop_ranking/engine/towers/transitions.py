"""Which item follows which: the sequence-aware neighbours that leave-one-out data is full of.

Sequential neighbourhood methods are among the strongest on next-item data (Ludewig and Jannach,
"Evaluation of session-based recommendation algorithms", UMUAI 2018: SKNN, SR, Markov chains).
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from components.shop_ranking.engine.towers.item_orders import Floats, Ints, Orders


@dataclass(frozen=True)
class TransitionConfig:
    """How much a pair of items counts; every number is a choice for validation."""

    window: int = 10  # places apart, at most
    decay: float = 0.8  # a pair one place further apart counts this much
    reverse: float = 0.5  # weight of "came before" beside "came after"
    shrink: float = 5.0  # added to both counts: rare items are trusted less
    history_decay: float = 0.6  # weight of the item before, in a shopper's history


def transition_weights(orders: Orders, config: TransitionConfig) -> csr_array:
    """Return the weight of item j after item i, (items, items).

    The weighted count of i before j, over the geometric mean of both items' shrunken counts.
    """
    parts = []
    for apart in range(1, config.window + 1):
        same = orders.owner[:-apart] == orders.owner[apart:]
        if not same.any():
            break
        before, after = orders.item[:-apart][same], orders.item[apart:][same]
        weight = np.full(len(before), config.decay ** (apart - 1), np.float32)
        parts.append((weight, before, after))
        if config.reverse > 0:
            parts.append((weight * np.float32(config.reverse), after, before))
    shape = (orders.items, orders.items)
    if not parts:
        return csr_array(shape, dtype=np.float32)
    value, row, column = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    counted = csr_array((value, (row, column)), shape=shape)
    scale = 1.0 / np.sqrt(orders.counts + max(config.shrink, 1e-9))
    rows = np.repeat(np.arange(orders.items), np.diff(counted.indptr))
    counted.data *= (scale[rows] * scale[counted.indices]).astype(np.float32)
    return counted


def transition_scores(
    histories: Orders, rows: Ints, weights: csr_array, history_decay: float
) -> Floats:
    """Return what follows the shoppers' histories, latest items first, dense (B, items)."""
    scores: Floats = (histories.profile(history_decay, rows) @ weights).toarray()
    return scores


def markov_weights(orders: Orders) -> csr_array:
    """Return P(next is j | last is i), (items, items): a first-order Markov chain."""
    same = orders.owner[:-1] == orders.owner[1:]
    before, after = orders.item[:-1][same], orders.item[1:][same]
    shape = (orders.items, orders.items)
    counted = csr_array((np.ones(len(before), np.float32), (before, after)), shape=shape)
    rows = np.repeat(np.arange(orders.items), np.diff(counted.indptr))
    total = np.bincount(before, minlength=orders.items)
    counted.data /= total[rows].astype(np.float32)
    return counted
