"""The order tower on shoppers who walk a circle, who come back, and who never do."""

import numpy as np
import pytest
import torch

from components.platform.training.checkpoints import seed_everything
from components.platform.training.losses import sampled_softmax
from components.shop_ranking.engine.towers.item_orders import Orders
from components.shop_ranking.engine.towers.next_item import NextItemPlan, train_order_tower
from components.shop_ranking.engine.towers.order_tower import OrderTower, OrderTowerConfig

ITEMS = 40
CONFIG = OrderTowerConfig(dim=32, width=16, dropout=0.0, item_dropout=0.0, own_dropout=0.0)


def trained(orders: Orders, config: OrderTowerConfig = CONFIG, epochs: int = 25) -> OrderTower:
    seed_everything(0)
    tower = OrderTower(config, orders.counts)
    tower.observe_repeats(orders)
    plan = NextItemPlan(epochs=epochs, lr=0.01, batch_places=300, negatives=ITEMS)
    train_order_tower(tower, orders, plan, seed=0)
    return tower


def test_learns_the_circle() -> None:
    rng = np.random.default_rng(0)
    starts = rng.integers(ITEMS, size=200)
    orders = Orders.of_lists([[(s + k) % ITEMS for k in range(6)] for s in starts], ITEMS)
    tower = trained(orders)
    asked = Orders.of_lists([[i, (i + 1) % ITEMS] for i in range(ITEMS)], ITEMS)
    best = tower.score(asked, np.arange(ITEMS)).argmax(1)
    assert (best == (np.arange(ITEMS) + 2) % ITEMS).mean() > 0.9


@pytest.mark.parametrize("returning", [True, False])
def test_own_items_rank_by_whether_shoppers_come_back(returning: bool) -> None:
    rng = np.random.default_rng(1)
    if returning:
        lists = [list(rng.choice(rng.choice(ITEMS, 3, replace=False), 8)) for _ in range(150)]
    else:
        lists = [list(rng.permutation(ITEMS)[:8]) for _ in range(150)]
    orders = Orders.of_lists(lists, ITEMS)
    tower = trained(orders, epochs=8)
    scores = tower.score(orders, np.arange(len(orders)))
    own = orders.profile(1.0).toarray() > 0
    gap = scores[own].mean() - scores[~own].mean()
    assert gap > 1 if returning else gap < -3


def test_scores_are_dot_products_of_the_vectors_without_repeats() -> None:
    orders = Orders.of_lists([[0, 1, 2, 3], [4], [1, 2]], ITEMS)
    tower = OrderTower(OrderTowerConfig(dim=32, width=16, repeats=False), orders.counts)
    rows = np.array([2, 0, 1])
    items = tower.item_vectors().detach().numpy()
    assert tower.score(orders, rows) == pytest.approx(
        tower.encode(orders, rows) @ items.T, abs=1e-4
    )


def test_a_place_sees_nothing_of_what_comes_later() -> None:
    tower = OrderTower(CONFIG, np.ones(ITEMS, np.int64)).eval()
    torch.nn.init.normal_(tower.leave.weight)
    known, other = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[1, 2, 30, 31]])
    seen, changed = (
        tower.shopper_vectors(read, tower.item_vectors(read)) for read in (known, other)
    )
    assert torch.allclose(seen[:, :2], changed[:, :2], atol=1e-6)
    assert not torch.allclose(seen[:, 2:], changed[:, 2:], atol=1e-3)


def test_own_negatives_and_gain_enter_the_softmax() -> None:
    query, positive, negative = (
        torch.tensor([[1.0]]),
        torch.tensor([[[2.0]]]),
        torch.tensor([[0.5]]),
    )
    loss = sampled_softmax(
        query, positive, negative,
        own_BK=torch.tensor([[1.5, -torch.inf]]), gain_BM=torch.tensor([[0.25]]),
    )  # fmt: skip
    logits = torch.tensor([[2.25, 0.5, 1.5]])
    assert loss.item() == pytest.approx(-logits.log_softmax(1)[0, 0].item())
