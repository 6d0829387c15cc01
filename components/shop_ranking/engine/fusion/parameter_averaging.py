"""Parameter averaging: theta_f = sum alpha_i theta_i over fine-tunes of one common start.

A greedy soup (Wortsman et al., ICML 2022): members join in the order of their own validation
quality, and stay where the average is no worse with them.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.fusion.gated_attention import GatedAttention
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import quality
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams

State = Mapping[str, Tensor]


def average(members: Sequence[State], alphas: Sequence[float], starts: Sequence[str]) -> State:
    """Return sum alpha_i theta_i.

    Args:
        members: the parameters of each network.
        alphas: one weight a member, their sum is 1.
        starts: a digest of the parameters that each member was fine-tuned from.

    Raises:
        ModelError: members differ in architecture (names or shapes) or in their start: averages of
            networks that never shared a start mean nothing, as their units do not correspond.

    """
    if not members or abs(sum(alphas) - 1) > 1e-6 or not len(members) == len(alphas) == len(starts):
        raise ModelError(
            "one weight and one start a member, weights that sum to 1",
            f"{len(members)} members, weights {list(alphas)}, {len(starts)} starts",
            "give each member its weight",
        )
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in members]
    for number, shape in enumerate(shapes[1:], 1):
        if shape != shapes[0]:
            differing = next(
                name
                for name in sorted({*shape, *shapes[0]})
                if shape.get(name) != shapes[0].get(name)
            )
            raise ModelError(
                "networks of one architecture to average",
                f"{differing} is {shapes[0].get(differing)} in member 0 and "
                f"{shape.get(differing)} in member {number}",
                "fuse them by another method, such as stacking",
            )
    if len(set(starts)) > 1:
        raise ModelError(
            "networks fine-tuned from one common start",
            f"{len(set(starts))} different starts",
            "fine-tune them from one start, or fuse them by another method, such as stacking",
        )
    return {
        name: torch.stack([a * state[name] for a, state in zip(alphas, members, strict=True)]).sum(
            0
        )
        for name in members[0]
    }


class ParameterAveraging:
    """A soup of fine-tunes of the gated network.

    The fine-tunes differ in their rate and in the order of their batches.
    """

    name: ClassVar[str] = "parameter-averaging"
    needs_torch: ClassVar[bool] = True

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        self.gated, self.params = GatedAttention(seed, params), params.parameter_averaging
        self.members = len(self.params.rate_factors)
        self.chosen: list[int] = list(range(self.members))

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Train the start, fine-tune it, and choose members greedily on validation."""
        members, start = self._members(train, list(range(self.members)))

        def mix(chosen: list[int]) -> None:
            alphas = [1 / len(chosen)] * len(chosen)
            self.gated.trained.load_state_dict(
                average([members[k] for k in chosen], alphas, [start] * len(chosen))
            )

        def reached(chosen: list[int]) -> float:
            mix(chosen)
            return quality(validation, self.gated.score(validation))

        alone = [reached([k]) for k in range(len(members))]
        order = sorted(range(len(members)), key=lambda k: -alone[k])
        self.chosen, best = [order[0]], alone[order[0]]
        for k in order[1:]:
            if (value := reached([*self.chosen, k])) >= best:
                self.chosen, best = [*self.chosen, k], value
        mix(self.chosen)
        self.gated.gates = self.gated.mean_gates(validation)

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Train the start and the chosen members anew and average them."""
        members, start = self._members(train, self.chosen)
        alphas = [1 / len(members)] * len(members)
        self.gated.trained.load_state_dict(average(members, alphas, [start] * len(members)))
        self.gated.gates = self.gated.mean_gates(train[-1])

    def score(self, candidates: CandidateSet) -> Floats:
        """Return the averaged network's scores, (rows,)."""
        return self.gated.score(candidates)

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        """Return the averaged network's gates."""
        return self.gated.contributions(candidates)

    def weights(self) -> list[Weight]:
        """The members' alphas, then the averaged network's mean gates."""
        return [
            {
                "segment": "soup",
                "part": f"fine-tune {k + 1}",
                "weight": 1 / len(self.chosen) if k in self.chosen else 0.0,
            }
            for k in range(self.members)
        ] + self.gated.weights()

    def save(self, folder: Path) -> None:
        """Write the averaged network."""
        self.gated.save(folder)
        (folder / "soup.json").write_text(
            json.dumps({"chosen": self.chosen, "members": self.members})
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        fusion = cls()
        fusion.gated = GatedAttention.load(folder)
        soup = json.loads((folder / "soup.json").read_text())
        fusion.chosen, fusion.members = soup["chosen"], soup.get("members", fusion.members)
        return fusion

    def _members(self, train: Sequence[CandidateSet], which: list[int]) -> tuple[list[State], str]:
        """Return the fine-tunes of `which` and the name of their start."""
        self.gated.epochs = self.params.start_epochs
        rows = self.gated.start(train)
        whole = self.gated.params.learning_rate
        for epoch in range(1, self.gated.epochs + 1):
            self.gated.train_epoch(rows, epoch, self.gated.rate(epoch))
        start = copy.deepcopy(self.gated.trained.state_dict())
        members: list[State] = []
        for k in which:
            self.gated.trained.load_state_dict(start)
            self.gated.train_epoch(rows, 100 + k, whole * self.params.rate_factors[k])
            members.append(copy.deepcopy(self.gated.trained.state_dict()))
        return members, digest(start)


def digest(state: State) -> str:
    """Return a short name of some parameters: equal for equal values."""
    import hashlib

    whole = hashlib.sha256()
    for name in sorted(state):
        whole.update(name.encode() + state[name].detach().cpu().numpy().tobytes())
    return whole.hexdigest()[:16]
