"""The behaviour tower as a method of the table: start, rate and epochs are chosen on validation."""

import copy
from dataclasses import dataclass, field, replace

from torch import Tensor

from benchmarks.quality.next_item.leave_one_out import LeaveOneOut, Score
from benchmarks.quality.next_item.methods import tried
from components.platform.progress import say
from components.platform.training.checkpoints import seed_everything
from components.shop_ranking.engine.towers.item_orders import Orders
from components.shop_ranking.engine.towers.next_item import NextItemPlan, train_order_tower
from components.shop_ranking.engine.towers.order_tower import OrderTower, OrderTowerConfig
from components.shop_ranking.engine.towers.spectral import spectral_vectors
from components.shop_ranking.engine.towers.transitions import TransitionConfig, transition_weights

SHRINKS = (2.0, 5.0, 10.0, 20.0)  # of the counts that items start from
RATES = (2e-3, 7e-4)
PATIENCE = 2  # epochs without a better one


@dataclass
class Tower:
    """components.shop_ranking.engine.towers.order_tower, its items started from transitions."""

    name: str = "behaviour tower"
    config: OrderTowerConfig = field(default_factory=OrderTowerConfig)
    plan: NextItemPlan = field(default_factory=NextItemPlan)
    transitions: TransitionConfig = field(default_factory=TransitionConfig)
    rates: tuple[float, ...] = RATES
    seed: int = 0
    epochs: int = 0
    _kept: dict[int, OrderTower] = field(default_factory=dict)  # trained, by size of its data

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Choose the start without training; then train on train once for each rate."""
        self.seed = seed

        def untrained(config: TransitionConfig) -> float:
            self.transitions = config
            return tried(data, self._started(data.train).score, seed)

        options = [replace(self.transitions, shrink=shrink) for shrink in SHRINKS]
        self.transitions = max(options, key=untrained)
        trained = [self._trained(data, replace(self.plan, lr=rate)) for rate in self.rates]
        _, self.epochs, self.plan, tower = max(trained, key=lambda outcome: outcome[0])
        self._kept = {len(data.train.item): tower}
        shrink = self.transitions.shrink
        return f"start's shrink {shrink:g}, rate {self.plan.lr:g}, {self.epochs} epochs"

    def fit(self, orders: Orders) -> Score:
        """Train as many epochs as were best; the training of `choose` is not done again."""
        tower = self._kept.get(len(orders.item))
        if tower is None:
            tower = self._started(orders)
            train_order_tower(tower, orders, self.plan, seed=self.seed, stop_after=self.epochs)
        return tower.eval().score

    def _trained(
        self, data: LeaveOneOut, plan: NextItemPlan
    ) -> tuple[float, int, NextItemPlan, OrderTower]:
        """Train until validation no longer gets better; its value, epochs and the best tower."""
        tower = self._started(data.train)
        values: list[float] = []
        best: dict[str, Tensor] = {}

        def measure(epoch: int) -> bool:
            values.append(tried(data, tower.score, self.seed))
            say(f"{self.name}, rate {plan.lr:g}: epoch {epoch}, validation {values[-1]:.4f}")
            if values[-1] == max(values):
                best.update(copy.deepcopy(tower.state_dict()))
            return epoch - values.index(max(values)) >= PATIENCE

        measure(0)
        train_order_tower(tower, data.train, plan, seed=self.seed, after_epoch=measure)
        tower.load_state_dict(best)
        return max(values), values.index(max(values)), plan, tower.eval()

    def _started(self, orders: Orders) -> OrderTower:
        seed_everything(self.seed)
        tower = OrderTower(self.config, orders.counts)
        weights = transition_weights(orders, self.transitions)
        tower.start_from(*spectral_vectors(weights, self.config.dim, self.seed))
        tower.observe_repeats(orders)
        return tower
