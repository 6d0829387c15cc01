"""Losses that need no softmax over everything: sampled softmax and in-batch contrast."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

LOWEST = -1e9  # a logit that counts for nothing


def sampled_softmax(
    queries_BD: Tensor,
    positives_BMD: Tensor,
    negatives_ND: Tensor,
    *,
    log_q_N: Tensor | float = 0.0,
    hits: tuple[Tensor, Tensor] | None = None,
    own_BK: Tensor | None = None,
    gain_BM: Tensor | float = 0.0,
) -> Tensor:
    """Cross-entropy of each positive against negatives that the whole batch shares, (B, M).

    A negative drawn with probability q stands for 1/(N q) items
    (logQ correction: Bengio & Senecal 2008; Yi et al., RecSys 2019), so its logit loses
    `log_q_N` = log(N q); with every item as a negative that is 0 and the softmax is exact.

    Args:
        queries_BD: one vector a query.
        positives_BMD: its positives; they do not compete with each other.
        negatives_ND: the shared negatives.
        log_q_N: log of the expected number of draws of each negative.
        hits: (rows, columns) where a negative is one of the row's own positives: left out there.
        own_BK: scores of further negatives of each query's own; -inf where there is none.
        gain_BM: what a positive's score has beside the dot product.

    """
    scores_BM = (queries_BD[:, None] * positives_BMD).sum(-1) + gain_BM
    rest_B = _LogSumExp.apply(queries_BD, negatives_ND, log_q_N, hits)
    if own_BK is not None:
        # Finite where there is none: a row of nothing but -inf would have no derivative.
        rest_B = torch.logaddexp(rest_B, torch.logsumexp(own_BK.clamp_min(LOWEST), dim=-1))
    return functional.softplus(rest_B[:, None] - scores_BM)  # -log(e^s / (e^s + e^rest))


class _LogSumExp(Function):
    """Log of the sum of exponentials of dot products, less log_q_N, (B,).

    The matrix (B, N) is the largest thing of a step, and each further copy of it costs a third of
    what a product does: forward and backward share one, and what is divided by is divided out of
    the far smaller (B, D).
    """

    @staticmethod
    @custom_fwd(device_type="cuda")
    def forward(
        ctx: FunctionCtx,
        queries_BD: Tensor,
        negatives_ND: Tensor,
        log_q_N: Tensor | float,
        hits: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        logits_BN = (queries_BD @ negatives_ND.T).to(queries_BD.dtype).sub_(log_q_N)
        if hits is not None:
            logits_BN[hits] = -math.inf
        largest_B1 = logits_BN.amax(1, keepdim=True).clamp_min_(LOWEST)
        weight_BN = logits_BN.sub_(largest_B1).exp_()
        total_B1 = weight_BN.sum(1, keepdim=True)
        ctx.save_for_backward(queries_BD, negatives_ND, weight_BN, total_B1)
        return (total_B1.log() + largest_B1)[:, 0]

    @staticmethod
    @once_differentiable
    @custom_bwd(device_type="cuda")
    def backward(  # type: ignore[override]  # the decorators have no types
        ctx: Any, grad_B: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        queries_BD, negatives_ND, weight_BN, total_B1 = ctx.saved_tensors
        # A row of nothing but its own positives has a total of 0, and no derivative.
        share_B1 = grad_B[:, None] / total_B1.clamp_min(torch.finfo(total_B1.dtype).tiny)
        return (
            (weight_BN @ negatives_ND) * share_B1,
            weight_BN.T @ (queries_BD * share_B1),
            None,
            None,
        )


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
