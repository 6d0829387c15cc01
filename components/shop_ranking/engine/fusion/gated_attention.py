"""Attention over modalities: a gate per candidate decides how much each tower counts."""

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURES
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.fusion.gated_network import GatedNetwork, listwise_loss
from components.shop_ranking.engine.fusion.gated_rows import PLAIN, GatedRows, Scaling, scaling_of
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import SEGMENTS, quality, rows_of
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams

TOGETHER = 64  # shoppers scored at once; capacity only: changes no result but for rounding
DRAWING = Lock()  # torch draws first weights from one generator, whichever thread asks


class GatedAttention:
    """The gated network, trained by a listwise softmax loss with modality dropout."""

    name: ClassVar[str] = "gated-attention"
    needs_torch: ClassVar[bool] = True

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        self.seed, self.params = seed, params.gated_attention
        self.epochs = self.params.epochs
        self.network: GatedNetwork | None = None
        self.scaling = Scaling(
            np.zeros(len(PLAIN), np.float32),
            np.ones(len(PLAIN), np.float32),
            np.float32(self.params.feature_limit),
        )
        self.gates: list[Weight] = []

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Train until validation gets no better; keep the number of epochs that is best there.

        `patience` epochs in a row that are no better end the training.
        """
        rows = self.start(train)
        best, behind = -1.0, 0
        state: dict[str, Tensor] = {}
        for epoch in range(1, self.params.epochs + 1):
            self.train_epoch(rows, epoch, self.rate(epoch))
            reached = quality(validation, self.score(validation))
            if reached > best:
                best, behind, self.epochs = reached, 0, epoch
                state = {k: v.clone() for k, v in self.trained.state_dict().items()}
            elif (behind := behind + 1) == self.params.patience:
                break
        self.trained.load_state_dict(state)
        self.gates = self.mean_gates(validation)

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Train anew for the chosen number of epochs."""
        rows = self.start(train)
        for epoch in range(1, self.epochs + 1):
            self.train_epoch(rows, epoch, self.rate(epoch))
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
        np.savez(folder / "scaling.npz", **self.scaling._asdict())
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
        fusion.network = GatedNetwork(2 * len(PLAIN), tuple(values["dims"]), width=values["width"])
        fusion.network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
        fusion.network.eval()
        with np.load(folder / "scaling.npz") as scaling:
            fusion.scaling = Scaling(scaling["centre"], scaling["scale"], scaling["limit"][()])
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

    def start(self, train: Sequence[CandidateSet]) -> list[GatedRows]:
        """Draw a network from the seed; return the rows that it is to be trained on.

        Raises:
            ModelError: no rows to fit on.

        """
        if not sum(len(candidates) for candidates in train):
            raise ModelError("candidates to fit on", "none", "add fit cuts")
        self.scaling = scaling_of(train, self.params.feature_limit)
        dims = tuple(train[0].item_vectors[tower].shape[1] for tower in TOWERS)
        with DRAWING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = GatedNetwork(
                2 * len(PLAIN), dims, width=self.params.width, dropout=self.params.modality_dropout
            )
        return [GatedRows(candidates, self.scaling) for candidates in train]

    def rate(self, epoch: int) -> float:
        """Return the learning rate of a pass, counted from 1."""
        return self.params.learning_rate / epoch**self.params.rate_decay

    def train_epoch(self, train: Sequence[GatedRows], epoch: int, rate: float) -> None:
        """Pass over the shoppers of all sets, in an order drawn from seed and epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        network = self.trained.train()
        network.drawn.manual_seed(self.seed * 1000 + epoch)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=rate, weight_decay=self.params.weight_decay
        )
        in_batch = self.params.batch_shoppers
        counts = [len(rows.candidates.users) for rows in train]
        size = sum(max(1, count // in_batch) for count in counts)
        batches = [
            (rows, shoppers)
            for _ in range(-(-self.params.least_steps // size))
            for rows, count in zip(train, counts, strict=True)
            for shoppers in np.array_split(rng.permutation(count), max(1, count // in_batch))
        ]
        for number in rng.permutation(len(batches)):
            rows, shoppers = batches[number]
            batch = rows.batch(np.sort(shoppers))
            if len(batch.owner) == 0:
                continue
            loss = listwise_loss(network(batch)[0], batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), self.params.clip_norm)
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

    @torch.no_grad()
    def _forward(self, candidates: CandidateSet) -> tuple[Floats, Floats]:
        scores, gates = [np.zeros(0, np.float32)], [np.zeros((0, 1 + len(TOWERS)), np.float32)]
        rows = GatedRows(candidates, self.scaling)
        for start in range(0, len(candidates.users), TOGETHER):
            shoppers = np.arange(start, min(start + TOGETHER, len(candidates.users)))
            score_R, gates_RM = self.trained(rows.batch(shoppers))
            scores.append(score_R.numpy())
            gates.append(gates_RM.numpy())
        return np.concatenate(scores), np.concatenate(gates)
