"""Attention over modalities: a gate per candidate decides how much each tower counts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURE_GROUPS, FEATURES
from components.shop_ranking.engine.fusion.gated_network import Batch, GatedNetwork, listwise_loss
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import SEGMENTS, normalised, quality, rows_of
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.states import TOWERS
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams

PLAIN = [  # features of no tower: a tower that drops out leaves no trace in the history token
    k for k, name in enumerate(FEATURES) if not any(name in FEATURE_GROUPS[t] for t in TOWERS)
]
OLDER_WIDTH = 32  # of networks that were registered before their file said it


class GatedAttention:
    """The gated network, trained by a listwise softmax loss with modality dropout."""

    name: ClassVar[str] = "gated-attention"

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        self.seed, self.params = seed, params.gated_attention
        self.epochs = self.params.epochs
        self.network: GatedNetwork | None = None
        self.centre = np.zeros(len(PLAIN), np.float32)
        self.scale = np.ones(len(PLAIN), np.float32)
        self.gates: list[Weight] = []

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Train; keep the number of epochs that is best on validation."""
        self._start(train)
        best = -1.0
        state: dict[str, Tensor] = {}
        for epoch in range(1, self.params.epochs + 1):
            self.train_epoch(train, epoch, self.params.learning_rate / epoch)
            reached = quality(validation, self.score(validation))
            if reached > best:
                best, self.epochs = reached, epoch
                state = {k: v.clone() for k, v in self.trained.state_dict().items()}
        self.trained.load_state_dict(state)
        self.gates = self.mean_gates(validation)

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Train anew for the chosen number of epochs."""
        self._start(train)
        for epoch in range(1, self.epochs + 1):
            self.train_epoch(train, epoch, self.params.learning_rate / epoch)
        self.gates = self.mean_gates(train[-1])

    def score(self, candidates: CandidateSet) -> Floats:
        """Return the network's scores, (rows,)."""
        return self._forward(candidates)[0]

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        """Return the gates: how much each modality weighs; `history` is all else."""
        gates = self._forward(candidates)[1]
        return {part: gates[:, k] for k, part in enumerate(("history", *TOWERS))}

    def weights(self) -> list[Weight]:
        """Mean gate of each modality; `history` is the token of all features of no tower."""
        return self.gates

    def save(self, folder: Path) -> None:
        """Write the network and how features are standardised."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.trained.state_dict(), folder / "network.pt")
        np.savez(folder / "scaling.npz", centre=self.centre, scale=self.scale)
        values = {"dims": self.trained.dims, "width": self.trained.width, "epochs": self.epochs,
                  "gates": self.gates, "features": list(FEATURES)}  # fmt: skip
        (folder / "network.json").write_text(json.dumps(values))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: the network was trained on other features than this code makes.

        """
        values = json.loads((folder / "network.json").read_text())
        if values["features"] != list(FEATURES):
            raise ModelError(
                f"a network over the features of this version in {folder}",
                f"{len(values['features'])} others",
                "train the fusion again",
            )
        fusion = cls()
        fusion.epochs, fusion.gates = values["epochs"], values["gates"]
        fusion.network = GatedNetwork(
            2 * len(PLAIN), tuple(values["dims"]), width=values.get("width", OLDER_WIDTH)
        )
        fusion.network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
        fusion.network.eval()
        with np.load(folder / "scaling.npz") as scaling:
            fusion.centre, fusion.scale = scaling["centre"], scaling["scale"]
        return fusion

    @property
    def trained(self) -> GatedNetwork:
        """The network.

        Raises:
            ModelError: nothing is fitted yet.

        """
        if self.network is None:
            raise ModelError("a fitted gated fusion", "none", "call fit first")
        return self.network

    def train_epoch(self, train: Sequence[CandidateSet], epoch: int, rate: float) -> None:
        """Pass over the shoppers of all sets, in an order drawn from seed and epoch."""
        torch.manual_seed(self.seed * 1000 + epoch)
        rng = np.random.default_rng([self.seed, epoch])
        network = self.trained.train()
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=rate, weight_decay=self.params.weight_decay
        )
        in_batch = self.params.batch_shoppers
        size = sum(max(1, len(one.users) // in_batch) for one in train)
        batches = [
            (one, rows)
            for _ in range(-(-self.params.least_steps // size))
            for one in train
            for rows in np.array_split(
                rng.permutation(len(one.users)), max(1, len(one.users) // in_batch)
            )
        ]
        for number in rng.permutation(len(batches)):
            candidates, rows = batches[number]
            batch = self._batch(candidates.take(np.sort(rows)))
            if len(batch.owner) == 0:
                continue
            loss = listwise_loss(network(batch)[0], batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()

    def mean_gates(self, candidates: CandidateSet) -> list[Weight]:
        """Return the mean gates a segment."""
        gates = self._forward(candidates)[1]
        return [
            {"segment": segment, "part": part, "weight": float(gates[rows, k].mean())}
            for segment in SEGMENTS
            if (rows := rows_of(candidates, segment)).any()
            for k, part in enumerate(("history", *TOWERS))
        ]

    def _start(self, train: Sequence[CandidateSet]) -> None:
        if not sum(len(one) for one in train):
            raise ModelError("candidates to fit on", "none", "add fit cuts")
        plain = np.concatenate([_compressed(one) for one in train])
        known = ~np.isnan(plain)
        count = np.maximum(known.sum(0), 1)
        filled = np.where(known, plain, 0)
        self.centre = filled.sum(0) / count
        variance = np.where(known, np.square(plain - self.centre), 0).sum(0) / count
        self.scale = np.sqrt(variance) + 1e-3
        torch.manual_seed(self.seed)
        dims = tuple(train[0].item_vectors[tower].shape[1] for tower in TOWERS)
        self.network = GatedNetwork(
            2 * len(PLAIN), dims, width=self.params.width, dropout=self.params.modality_dropout
        )

    @torch.no_grad()
    def _forward(self, candidates: CandidateSet) -> tuple[Floats, Floats]:
        scores, gates = [np.zeros(0, np.float32)], [np.zeros((0, 1 + len(TOWERS)), np.float32)]
        for start in range(0, len(candidates.users), 256):
            rows = np.arange(start, min(start + 256, len(candidates.users)))
            score_R, gates_RM = self.trained(self._batch(candidates.take(rows)))
            scores.append(score_R.numpy())
            gates.append(gates_RM.numpy())
        return np.concatenate(scores), np.concatenate(gates)

    def _batch(self, candidates: CandidateSet) -> Batch:
        plain = (_compressed(candidates) - self.centre) / self.scale
        missing = np.isnan(plain)
        features = np.concatenate([np.where(missing, 0, plain).clip(-6, 6), missing], 1)
        products, present = [], []
        for tower in TOWERS:
            mine = candidates.user_vectors[tower][candidates.owner]
            product = mine * candidates.item_vectors[tower][candidates.items]
            known = ~np.isnan(product).any(1)
            norm = np.sqrt(np.square(product).sum(1, keepdims=True)) + 1e-9
            products.append(torch.from_numpy(np.where(known[:, None], product / norm, 0)).float())
            present.append(known)
        scores = np.nan_to_num(normalised(candidates)[:, : len(TOWERS)])
        labels = np.zeros(len(candidates)) if candidates.labels is None else candidates.labels
        return Batch(
            features=torch.from_numpy(features.astype(np.float32)),
            products=tuple(products),
            scores=torch.from_numpy(scores).float(),
            present=torch.from_numpy(np.stack(present, 1)),
            owner=torch.from_numpy(candidates.owner),
            bought=torch.from_numpy(candidates.bought),
            labels=torch.from_numpy(labels.astype(np.float32)),
            shoppers=len(candidates.users),
        )


def _compressed(candidates: CandidateSet) -> Floats:
    """Features of no tower with their heavy tails drawn in: sign(x) log(1 + |x|)."""
    plain = candidates.features[:, PLAIN]
    return np.sign(plain) * np.log1p(np.abs(plain))
