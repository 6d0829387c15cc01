import math

import pytest
import torch
from torch.nn import functional

from components.platform.training.losses import in_batch_contrast, sampled_softmax

QUERIES = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
ITEMS = torch.randn(50, 8, generator=torch.Generator().manual_seed(2))
POSITIVES = torch.tensor([[3, 7], [7, 20], [49, 1], [20, 0]])  # two a query
FIRST = POSITIVES[:, :1]


def own_hits(positives_BM: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.arange(len(positives_BM)).repeat_interleave(positives_BM.shape[1])
    return rows, positives_BM.flatten()


def test_every_item_as_negative_is_the_exact_softmax():
    # leaving the positive out of the rest and adding it back is the softmax
    loss = sampled_softmax(QUERIES, ITEMS[FIRST], ITEMS, hits=own_hits(FIRST))
    exact = functional.cross_entropy(QUERIES @ ITEMS.T, FIRST[:, 0], reduction="none")
    torch.testing.assert_close(loss[:, 0], exact)


def test_a_positive_does_not_compete_with_its_own_siblings():
    with_hits = sampled_softmax(QUERIES, ITEMS[POSITIVES], ITEMS, hits=own_hits(POSITIVES))
    without = sampled_softmax(QUERIES, ITEMS[POSITIVES], ITEMS)
    assert (with_hits < without).all()
    rest = torch.cat([ITEMS[:3], ITEMS[4:7], ITEMS[8:]])
    expected = functional.cross_entropy(
        torch.cat([QUERIES[0] @ ITEMS[3:4].T, QUERIES[0] @ rest.T])[None], torch.tensor([0])
    )
    torch.testing.assert_close(with_hits[0, 0], expected)


def test_own_negatives_join_the_softmax_and_rows_without_any_have_derivatives():
    own = torch.tensor([[0.5, -math.inf], [-math.inf, -math.inf], [1.0, 2.0], [0.0, 0.0]])
    loss, derivatives = {}, {}
    for way in ("ours", "exact"):
        queries, items = (vectors.clone().requires_grad_() for vectors in (QUERIES, ITEMS))
        if way == "ours":
            losses = sampled_softmax(
                queries, items[FIRST], items, hits=own_hits(FIRST), own_BK=own
            )[:, 0]
        else:
            logits = torch.cat([queries @ items.T, own], dim=1)
            losses = functional.cross_entropy(logits, FIRST[:, 0], reduction="none")
        losses.sum().backward()
        loss[way], derivatives[way] = losses.detach(), (queries.grad, items.grad)
    torch.testing.assert_close(loss["ours"], loss["exact"])
    for ours, exact in zip(derivatives["ours"], derivatives["exact"], strict=True):
        torch.testing.assert_close(ours, exact)


def test_the_sum_has_the_derivatives_that_finite_differences_give():
    queries, positives, negatives = (
        torch.randn(
            *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
        ).requires_grad_()
        for seed, shape in enumerate([(3, 4), (3, 2, 4), (5, 4)])
    )
    log_q = torch.linspace(-1, 1, 5, dtype=torch.float64)
    hits = (torch.tensor([0, 2]), torch.tensor([1, 4]))
    assert torch.autograd.gradcheck(
        lambda *of: sampled_softmax(*of, log_q_N=log_q, hits=hits), (queries, positives, negatives)
    )


def test_a_row_whose_every_negative_is_its_own_positive_loses_nothing():
    queries = QUERIES.clone().requires_grad_()
    hits = (torch.tensor([1, 1]), torch.tensor([0, 1]))
    loss = sampled_softmax(queries, ITEMS[FIRST], ITEMS[:2], hits=hits)
    loss.sum().backward()
    assert loss[1].item() == 0.0
    assert torch.isfinite(queries.grad).all()
    assert (queries.grad[1] == 0).all()


def test_log_q_makes_drawn_negatives_stand_for_all_items():
    probability = torch.softmax(torch.arange(50) / 20.0, 0)
    drawn = torch.multinomial(
        probability, 200_000, replacement=True, generator=torch.Generator().manual_seed(3)
    )
    log_q = torch.log(len(drawn) * probability)
    exact = sampled_softmax(QUERIES, ITEMS[POSITIVES], ITEMS)
    sampled = sampled_softmax(QUERIES, ITEMS[POSITIVES], ITEMS[drawn], log_q_N=log_q[drawn])
    torch.testing.assert_close(sampled, exact, atol=0.02, rtol=0)
    uncorrected = sampled_softmax(
        QUERIES, ITEMS[POSITIVES], ITEMS[drawn], log_q_N=math.log(len(drawn) / 50)
    )
    assert (uncorrected - exact).abs().max() > 0.05


def test_contrast_of_aligned_rows_is_small_and_of_shuffled_rows_large():
    rows = torch.eye(6)
    aligned = in_batch_contrast(rows, rows, scale=20.0)
    shuffled = in_batch_contrast(rows, rows.roll(1, 0), scale=20.0)
    assert aligned < 1e-6
    assert shuffled > 19.0


def test_contrast_leaves_out_false_negatives():
    rows = torch.eye(4)[[0, 0, 1, 2]]  # rows 0 and 1 are the same product
    group = torch.tensor([5, 5, 6, 7])
    assert in_batch_contrast(rows, rows, 20.0).item() == pytest.approx(math.log(2) / 2, abs=1e-4)
    assert in_batch_contrast(rows, rows, 20.0, group) < 1e-6
