"""Contrastive fine-tuning on the catalogue alone: no query and no judgment is read.

What a shopper would type is made from the product itself: its kind, its maker and kind, its kind
and a word of its description (in the way of the inverse cloze task, Lee et al., ACL 2019).
"""

import numpy as np
import pyarrow as pa
import torch

from benchmarks.quality.search.reading import Shop
from components.platform.encoders.text import TextTower
from components.platform.training.checkpoints import seed_everything
from components.platform.training.loop import Plan, best_device, fit
from components.shop_ranking.text_pretraining.adapters import wrap_base
from components.shop_ranking.text_pretraining.objective import TextObjective, pair_batches
from components.shop_ranking.text_pretraining.pairs import Pairs
from components.shop_ranking.towers.text import TextParams

STEPS = 150
PARAMS = TextParams(adapter="lora", adapted_layers=3, rank=16, learning_rate=5e-4, batch_size=64)


def tuned(shop: Shop, tower: TextTower, share: float, seed: int) -> None:
    """Tune the tower's base in place; its adapter is merged."""
    seed_everything(seed)
    steps = max(int(STEPS * min(share * 10, 1.0)), 2)
    wrap_base(tower, PARAMS, steps)
    tower.to(best_device())
    objective = TextObjective(tower, PARAMS)
    trained = [p for p in objective.parameters() if p.requires_grad]
    batches = pair_batches(pseudo_queries(shop, seed), tower, PARAMS.batch_size, steps, seed)
    fit(
        objective,
        torch.optim.AdamW(trained, lr=PARAMS.learning_rate, weight_decay=0.01),
        lambda epoch: batches,
        Plan(epochs=1, lr=PARAMS.learning_rate),
        name="contrastive",
        after_step=objective.budget.allocate,
    )
    tower.merge()


def pseudo_queries(shop: Shop, seed: int) -> Pairs:
    """Pair made-up queries with titles and with titles and descriptions.

    Kinds weigh by the root of how many products they have, so that one of thousands of toners does
    not fill every batch.
    """
    rng = np.random.default_rng(seed)
    kinds, titles, texts = (
        pa.array(column) for column in (shop.fields["kind"], shop.fields["title"], shop.texts)
    )
    words = [kind.split() for kind in shop.fields["kind"]]
    short = pa.array([" ".join(own[: rng.integers(1, 3)]) for own in words])
    named = pa.array(
        [f"{b} {k}" for b, k in zip(shop.fields["brand"], short.to_pylist(), strict=True)]
    )
    left = pa.concat_arrays([kinds, short, named, short])
    right = pa.concat_arrays([texts, titles, titles, texts])
    coded = pa.concat_arrays([left, right]).dictionary_encode()
    row = coded.indices.to_numpy().astype(np.int64)
    left_row, right_row = row[: len(left)], row[len(left) :]
    weight = 1.0 / np.sqrt(np.bincount(left_row, minlength=len(coded.dictionary)))[left_row]
    return Pairs(coded.dictionary.to_pylist(), left_row, right_row, weight / weight.sum())
