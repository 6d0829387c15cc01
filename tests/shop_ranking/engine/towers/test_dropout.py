import pytest
import torch

from components.shop_ranking.engine.towers.dropout import ByteDropout


def test_the_share_is_dropped_the_mean_stays_and_the_derivative_follows():
    torch.manual_seed(0)
    dropout, x = ByteDropout(0.2), torch.ones(1003, 1001, requires_grad=True)
    y = dropout(x)
    assert (y == 0).float().mean().item() == pytest.approx(51 / 256, abs=0.002)
    assert y.mean().item() == pytest.approx(1.0, abs=0.005)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    kept = (ByteDropout(0.5)(torch.ones(80_000)) > 0).float().view(-1, 8)  # a random number a row
    both = torch.corrcoef(kept.T) - torch.eye(8)
    assert both.abs().max().item() < 0.05
    assert (kept[1:] * kept[:-1]).mean().item() == pytest.approx(0.25, abs=0.01)


def test_nothing_is_dropped_when_not_training_or_without_a_share():
    x = torch.randn(5, 7)
    assert torch.equal(ByteDropout(0.3).eval()(x), x)
    assert torch.equal(ByteDropout(0.0)(x), x)


def test_a_seed_gives_the_same_masks():
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(ByteDropout(0.3)(torch.ones(99)))
    assert torch.equal(*masks)
