"""The behaviour tower as a method of the table: the number of epochs is chosen on validation."""

import copy
from dataclasses import dataclass, field

import torch

from benchmarks.quality.next_item.leave_one_out import LeaveOneOut, Score
from benchmarks.quality.next_item.methods import tried
from components.models.item_orders import Orders
from components.models.order_tower import OrderTower, OrderTowerConfig
from components.models.spectral import spectral_vectors
from components.models.transitions import TransitionConfig, transition_weights
from components.progress import say
from components.training.checkpoints import seed_everything
from components.training.next_item import NextItemPlan, train_order_tower


@dataclass
class Tower:
    """components.models.order_tower, its items started from transitions."""

    name: str = "behaviour tower"
    config: OrderTowerConfig = field(default_factory=OrderTowerConfig)
    plan: NextItemPlan = field(default_factory=NextItemPlan)
    transitions: TransitionConfig = field(default_factory=TransitionConfig)
    seed: int = 0
    epochs: int = 0
    curve: list[float] = field(default_factory=list)
    _kept: dict[int, OrderTower] = field(default_factory=dict)  # trained, by size of its data

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Train on train once, keep the epoch that is best on validation."""
        self.seed, self.curve = seed, []
        tower = self._started(data.train)
        states = []

        def measure(epoch: int) -> None:
            score = tower.score
            self.curve.append(tried(data, score, seed))
            states.append(copy.deepcopy(tower.state_dict()))
            say(f"{self.name}: epoch {epoch}, validation NDCG@10 {self.curve[-1]:.4f}")

        measure(0)
        train_order_tower(tower, data.train, self.plan, seed=seed, after_epoch=measure)
        self.epochs = max(range(len(self.curve)), key=self.curve.__getitem__)
        tower.load_state_dict(states[self.epochs])
        self._kept = {len(data.train.item): tower.eval()}
        return f"{self.epochs} epochs"

    def fit(self, orders: Orders) -> Score:
        """Train as many epochs as were best; the training of `choose` is not done again."""
        tower = self._kept.get(len(orders.item))
        if tower is None:
            tower = self._started(orders)
            train_order_tower(tower, orders, self.plan, seed=self.seed, stop_after=self.epochs)
        return tower.score

    def _started(self, orders: Orders) -> OrderTower:
        seed_everything(self.seed)
        tower = OrderTower(self.config, orders.counts)
        weights = transition_weights(orders, self.transitions)
        tower.start_from(*spectral_vectors(weights, self.config.dim, self.seed))
        tower.observe_repeats(orders)
        with torch.no_grad():
            say(f"{self.name}: {sum(p.numel() for p in tower.parameters()):,} parameters")
        return tower
