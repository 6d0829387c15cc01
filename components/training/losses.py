"""Losses that need no softmax over everything: sampled softmax and in-batch contrast."""

import math

import torch
from torch import Tensor
from torch.nn import functional

LOWEST = -1e9  # a logit that counts for nothing


def sampled_softmax(
    queries_BD: Tensor,
    positives_PD: Tensor,
    owner_P: Tensor,
    negatives_ND: Tensor,
    *,
    log_q_N: Tensor | float = 0.0,
    hits: tuple[Tensor, Tensor] | None = None,
    own_BM: Tensor | None = None,
    gain_P: Tensor | float = 0.0,
) -> Tensor:
    """Cross-entropy of each positive against negatives that the whole batch shares, (P,).

    A query may own many positives. A negative drawn with probability q stands for 1/(N q) items
    (logQ correction: Bengio & Senecal 2008; Yi et al., RecSys 2019), so its logit loses
    `log_q_N` = log(N q); with every item as a negative that is 0 and the softmax is exact.

    Args:
        queries_BD: one vector a query.
        positives_PD: one vector a positive; owner_P names its row of queries_BD.
        owner_P: int64 rows of queries_BD.
        negatives_ND: the shared negatives.
        log_q_N: log of the expected number of draws of each negative.
        hits: (rows, columns) where a negative is one of the row's own positives: left out there.
        own_BM: scores of further negatives of each query's own; -inf where there is none.
        gain_P: what a positive's score has beside the dot product.

    """
    scores_P = (queries_BD[owner_P] * positives_PD).sum(-1) + gain_P
    # In place: the matrix is the largest thing here, and each copy of it, or of its derivative,
    # costs a third of what the product does. At -inf the derivative is 0 by itself.
    logits_BN = (queries_BD @ negatives_ND.T).sub_(log_q_N)
    if hits is not None:
        with torch.no_grad():
            logits_BN[hits] = -math.inf
    rest_B = torch.logsumexp(logits_BN, dim=-1)
    if own_BM is not None:
        # Finite where there is none: a row of nothing but -inf would have no derivative.
        rest_B = torch.logaddexp(rest_B, torch.logsumexp(own_BM.clamp_min(LOWEST), dim=-1))
    rest_P = rest_B[owner_P]
    return functional.softplus(rest_P - scores_P)  # -log(e^s / (e^s + e^rest))


def in_batch_contrast(
    left_BD: Tensor,
    right_BD: Tensor,
    scale: Tensor | float,
    group_B: Tensor | None = None,
    log_q_B: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al. 2018; CLIP, Radford et al. 2021), a scalar.

    Row i of both sides belongs together; every other row of the batch is a negative, unless it has
    the same `group_B` (the same product, or the same query), which would be a false one.

    Args:
        left_BD: vectors, normalised here.
        right_BD: vectors, normalised here.
        scale: inverse temperature, e.g. 20 for a temperature of 0.05.
        group_B: int64 labels.
        log_q_B: log probability of each row's left and of its right to be drawn: the logits lose
            that of the side they choose from, so that frequent ones are not pushed away (logQ
            correction, as in sampled_softmax).

    """
    left_BD = functional.normalize(left_BD, dim=-1)
    right_BD = functional.normalize(right_BD, dim=-1)
    logits_BB = scale * left_BD @ right_BD.T
    back_BB = logits_BB.T
    if log_q_B is not None:
        logits_BB, back_BB = logits_BB - log_q_B[1], back_BB - log_q_B[0]
    if group_B is not None:
        same_BB = group_B[:, None] == group_B[None, :]
        same_BB.fill_diagonal_(False)
        logits_BB = logits_BB.masked_fill(same_BB, -math.inf)
        back_BB = back_BB.masked_fill(same_BB, -math.inf)
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    forth = functional.cross_entropy(logits_BB, own_B)
    back = functional.cross_entropy(back_BB, own_B)
    return (forth + back) / 2
