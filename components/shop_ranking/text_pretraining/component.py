"""Text pretraining: an encoder tuned on the shop's own text pairs, and everyone's text vectors."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from peft import PeftModel

from components.platform import tracking
from components.platform.encoders.text import TextTower
from components.platform.errors import ModelError
from components.platform.files import atomic_folder, read_table, scratch_folder
from components.platform.progress import part, say
from components.platform.training import processes
from components.platform.training.allocator import return_large_blocks
from components.platform.training.checkpoints import Checkpoints, fingerprint, seed_everything
from components.platform.training.loop import Plan, best_device, fit
from components.platform.training.pieces import in_pieces
from components.shop_ranking.engine.towers import content_tower
from components.shop_ranking.params import Params
from components.shop_ranking.text_pretraining.adapters import wrap_base
from components.shop_ranking.text_pretraining.objective import TextObjective, pair_batches
from components.shop_ranking.text_pretraining.pairs import Pairs, read_pairs
from components.shop_ranking.text_pretraining.projecting import fit_projection
from components.shop_ranking.towers.text import TextParams

STAGE = "text_pretraining"
TEXTS_A_PIECE = 8192  # 20 s on a thread with bfloat16; capacity only: changes no result


def run(params: Params, prepared: Path, tower: Path) -> None:
    """Write the text tower: its encoder, and vectors of items and shoppers at every cut.

    An item without text has a row of NaN. Ready-made vectors (items.text_embedding) are whitened
    and used as they are; then there is no encoder.

    Raises:
        DataError: a prepared table is absent, or ready-made vectors differ in length.
        ModelError: the base model or the tower to reuse cannot be loaded.

    """
    started = time.monotonic()
    return_large_blocks()
    seed_everything(params.seed)
    text, cut = params.text, content_tower.cut_names(prepared)[0]
    items = read_table(prepared / "items.parquet", ["text", "text_embedding"])
    known = content_tower.known_items(prepared, cut)
    ready = content_tower.ready_made(items["text_embedding"])
    rows, texts = content_tower.present_texts(items["text"])
    checkpoints = _checkpoints(params, prepared, cut)
    with tracking.stage_run(STAGE, params, "text"), atomic_folder(tower) as folder:
        if ready is not None:
            facts: dict[str, Any] = {"encoder": "none: ready-made vectors"}
            vectors_ID = content_tower.whitened(ready, known, text.dim, text.whitening)
        elif len(texts) == 0:
            say("no item has a text: the text tower has no vectors")
            facts = {"encoder": "none: no texts"}
            vectors_ID = np.full((items.num_rows, text.dim), np.nan, np.float32)
        else:
            if text.reuse is not None:
                vectors_ND, facts = _reuse(text.reuse, texts, folder, checkpoints)
            else:
                seen_N = np.isin(rows, known)
                vectors_ND, facts = _train(
                    params, prepared, cut, texts, seen_N, folder=folder, checkpoints=checkpoints
                )
            vectors_ID = content_tower.spread(vectors_ND, rows, items.num_rows)
        content_tower.write_vectors(folder, prepared, vectors_ID, text.half_life_days)
        content_tower.describe(folder, "text", vectors_ID, time.monotonic() - started, facts)
    checkpoints.remove()


def _reuse(
    source: str, texts: list[str], folder: Path, checkpoints: Checkpoints
) -> tuple[np.ndarray, dict[str, Any]]:
    """Encode with a tower trained before and keep a copy of it."""
    with scratch_folder() as scratch:
        trained = content_tower.find_tower(source, scratch)
        tower = TextTower.load(trained).to(best_device())
        content_tower.copy_encoder(trained, folder)
        facts = {"encoder": f"reused: {source}", **content_tower.trained_until(trained)}
    return tower.projection.apply_to(_encode(tower, texts, checkpoints)[0]), facts


def _train(
    params: Params,
    prepared: Path,
    cut: str,
    texts: list[str],
    seen_N: np.ndarray,
    *,
    folder: Path,
    checkpoints: Checkpoints,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Tune the encoder on pairs, encode every text once, fit the projection, save.

    Only pairs, and for the projection texts (seen_N), of the first cut take part in training.
    """
    text, day = params.text, content_tower.first_day(prepared)
    tower = _start(text, day).to(best_device())
    pairs = read_pairs(prepared, cut, text)
    facts = {"encoder": text.base_model, "trained_on": f"cuts/{cut}", "pairs": len(pairs)}
    facts |= {"trained_until": day, "started_from": text.start_from}
    with part("tuning the encoder"):
        facts |= _tune(tower, pairs, params, checkpoints)
    short = read_pairs(prepared, cut, text.model_copy(update={"view_share": 0.0}))
    encoding = time.monotonic()
    with part("encoding texts"):
        encoded_MW, count = _encode(tower, [*texts, *short.texts], checkpoints)
    items_NW, pairs_TW = encoded_MW[: len(texts)], encoded_MW[len(texts) :]
    facts["texts_per_second"] = count / (time.monotonic() - encoding)
    fit_projection(
        tower.projection,
        items_NW[seen_N],
        short,
        pairs_TW,
        params=text,
        seed=params.seed,
        checkpoints=checkpoints,
        log=tracking.curve("projection"),
    )
    tower.save(folder)
    return tower.projection.apply_to(items_NW), facts


def _start(text: TextParams, day: str) -> TextTower:
    """Return a tower on the pretrained base, or the one to start from.

    Raises:
        ModelError: that one was trained in another way, or on what comes after `day`.

    """
    if text.start_from is None:
        return TextTower(text.base_model, text.max_length, text.dim)
    with scratch_folder() as scratch:
        folder = content_tower.start_tower(text.start_from, day, scratch)
        tower = TextTower.load(folder, trainable=True)
    kind = "lora" if isinstance(tower.base, PeftModel) else "none or frozen"
    shape = (tower.name, tower.max_length, tower.projection.linear.out_features, kind)
    wanted = (text.base_model, text.max_length, text.dim, text.adapter)
    if shape[:3] != wanted[:3] or text.adapter not in kind or text.adapter == "adalora":
        raise ModelError(
            f"base, max_length, dim and adapter {wanted} in {text.start_from}",
            f"{shape}",
            "set text.start_from to null, or text as that tower was trained (adalora: lora)",
        )
    return tower


def _tune(
    tower: TextTower, pairs: Pairs, params: Params, checkpoints: Checkpoints
) -> dict[str, Any]:
    """Train the base or its adapters; bounded by epochs and max_steps."""
    text = params.text
    steps = min(text.max_steps, text.epochs * -(-len(pairs) // text.batch_size))
    steps = 0 if text.adapter == "frozen" else steps
    if text.start_from:
        steps = math.ceil(steps * text.start_share)
    wrap_base(tower, text, -(-steps // processes.size()))
    counts = content_tower.parameter_counts(base=tower.base, projection=tower.projection)
    if steps == 0:
        return {"steps": 0, "parameters": counts}
    objective = TextObjective(tower, text)
    trained = [p for p in objective.parameters() if p.requires_grad]
    batches = pair_batches(pairs, tower, text.batch_size, steps, params.seed)
    fitted = fit(
        objective,
        torch.optim.AdamW(trained, lr=text.learning_rate, weight_decay=text.weight_decay),
        lambda epoch: batches,
        Plan(epochs=1, lr=text.learning_rate, schedule=text.schedule),
        name="encoder",
        checkpoints=checkpoints,
        log=tracking.curve("encoder"),
        after_step=objective.budget.allocate,
    )
    tower.merge()  # encoding then costs what the base costs
    return {"steps": fitted.steps, "loss": fitted.loss, **fitted.rates, "parameters": counts}


def _encode(tower: TextTower, texts: list[str], checkpoints: Checkpoints) -> tuple[np.ndarray, int]:
    """Return the base's vectors, (N, width) float32, and how many texts were encoded now.

    Every distinct text is encoded once.
    """
    coded = pa.array(texts, pa.string()).dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    vectors_DW, count = in_pieces(
        lambda first, last: tower.base_vectors(distinct[first:last]),
        len(distinct),
        TEXTS_A_PIECE,
        checkpoints,
        tower.base,
    )
    return vectors_DW[coded.indices.to_numpy()], count


def _checkpoints(params: Params, prepared: Path, cut: str) -> Checkpoints:
    tables = (
        "items",
        f"cuts/{cut}/item_stats",
        f"cuts/{cut}/item_pairs",
        f"cuts/{cut}/query_items",
    )
    files = [prepared / f"{name}.parquet" for name in tables]
    return Checkpoints(STAGE, fingerprint([params.text, params.seed], files))
