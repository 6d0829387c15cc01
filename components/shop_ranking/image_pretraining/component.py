"""Image pretraining: an encoder tuned on the catalogue's pictures, and everyone's image vectors."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from components.platform import tracking
from components.platform.encoders.image import ImageTower
from components.platform.encoders.text import TextTower
from components.platform.errors import ModelError
from components.platform.files import atomic_folder, read_table, scratch_folder
from components.platform.progress import part, say
from components.platform.training.checkpoints import Checkpoints, fingerprint, seed_everything
from components.platform.training.loop import Plan, best_device, fit
from components.platform.training.pieces import in_pieces
from components.shop_ranking.engine.towers import content_tower
from components.shop_ranking.image_pretraining.objective import ImageObjective, picture_batches
from components.shop_ranking.image_pretraining.pictures import Pictures, read_pictures
from components.shop_ranking.params import Params
from components.shop_ranking.towers.image import ImageParams

STAGE = "image_pretraining"
# Whole batches, so that pieces change no vector. Capacity only: changes no result.
PICTURES_A_PIECE = 2048


def run(params: Params, prepared: Path, tower: Path) -> None:
    """Write the image tower: its encoder, and vectors of items and shoppers at every cut.

    An item without a readable picture has a row of NaN. Ready-made vectors
    (items.image_embedding) are whitened and used as they are; then there is no encoder.

    Raises:
        DataError: a prepared table is absent, or ready-made vectors differ in length.
        ModelError: a base model or the tower to reuse cannot be loaded.

    """
    started = time.monotonic()
    seed_everything(params.seed)
    image, cut = params.image, content_tower.cut_names(prepared)[0]
    items = read_table(prepared / "items.parquet", ["text", "image_embedding"])
    known = content_tower.known_items(prepared, cut)
    ready = content_tower.ready_made(items["image_embedding"])
    pictures = read_pictures(prepared)
    checkpoints = _checkpoints(params, prepared, cut)
    with tracking.stage_run(STAGE, params, "image"), atomic_folder(tower) as folder:
        if ready is not None:
            facts: dict[str, Any] = {"encoder": "none: ready-made vectors"}
            vectors_ID = content_tower.whitened(ready, known, image.dim, image.whitening)
        elif len(pictures.item) == 0:
            say("no item has a picture: the image tower has no vectors")
            facts = {"encoder": "none: no pictures"}
            vectors_ID = np.full((items.num_rows, image.dim), np.nan, np.float32)
        else:
            if image.reuse is not None:
                with scratch_folder() as scratch:
                    trained = content_tower.find_tower(image.reuse, scratch)
                    encoder = ImageTower.load(trained).to(best_device())
                    content_tower.copy_encoder(trained, folder)
                    facts = {
                        "encoder": f"reused: {image.reuse}",
                        **content_tower.trained_until(trained),
                    }
            else:
                day = content_tower.first_day(prepared)
                with part("tuning the encoder"):
                    encoder, facts = _train(
                        params, pictures.of_items(known), items, checkpoints, day=day
                    )
                facts |= {"trained_on": f"cuts/{cut}", "trained_until": day}
                encoder.save(folder)
            with part("encoding pictures"):
                vectors_ID, encoding = _encode(encoder, pictures, items.num_rows, checkpoints)
            facts |= encoding
        content_tower.write_vectors(folder, prepared, vectors_ID, image.half_life_days)
        content_tower.describe(folder, "image", vectors_ID, time.monotonic() - started, facts)
    checkpoints.remove()


def _train(
    params: Params, pictures: Pictures, items: pa.Table, checkpoints: Checkpoints, *, day: str
) -> tuple[ImageTower, dict[str, Any]]:
    """Tune the last blocks and the projections on pictures (of the first cut) and their texts."""
    image = params.image
    steps = min(image.max_steps, image.epochs * -(-len(pictures.item) // image.batch_size))
    if image.start_from:
        steps = math.ceil(steps * image.start_share)
    wanted = max(steps * image.batch_size, image.whitening_pictures)
    pictures = _sample(pictures, wanted, params.seed)
    texts_NW, text_row_N = _text_vectors(items["text"], pictures.item, params)
    tower = _start(image, texts_NW.shape[1], day)
    tower.base.freeze_below(image.trained_blocks if steps else 0)
    tower.to(best_device())
    if image.start_from is None:
        shown = pictures.take(pictures.picture[: image.whitening_pictures])
        for projection, inputs_MW in (
            (tower.projection, tower.base_vectors(shown)),
            (tower.text_projection, texts_NW),
        ):
            projection.whiten(inputs_MW[~np.isnan(inputs_MW).any(axis=1)], image.whitening)
    counts = content_tower.parameter_counts(
        base=tower.base, projection=tower.projection, text_projection=tower.text_projection
    )
    facts = {
        "encoder": image.base_model,
        "started_from": image.start_from,
        "trained_blocks": image.trained_blocks if steps else 0,
        "parameters": counts,
        "steps": steps,
    }
    if steps == 0:
        return tower, facts
    projections = [*tower.projection.parameters(), *tower.text_projection.parameters()]
    trained = [p for p in tower.base.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": projections},
        {"params": trained, "lr_scale": image.base_rate_share},
    ]
    batches = picture_batches(
        pictures, texts_NW, text_row_N,
        size=image.size, params=image, count=steps, seed=params.seed,
    )  # fmt: skip
    fitted = fit(
        ImageObjective(tower, image),
        torch.optim.AdamW(groups, lr=image.learning_rate, weight_decay=image.weight_decay),
        lambda epoch: batches,
        Plan(epochs=1, lr=image.learning_rate, schedule=image.schedule),
        name="encoder",
        checkpoints=checkpoints,
        log=tracking.curve("encoder"),
    )
    return tower, {**facts, "loss": fitted.loss, **fitted.rates}


def _start(image: ImageParams, text_width: int, day: str) -> ImageTower:
    """Return a tower on the pretrained base, or the one to start from.

    Raises:
        ModelError: that one has another shape, or was trained on what comes after `day`.

    """
    if image.start_from is None:
        return ImageTower(image.base_model, image.size, image.dim, text_width)
    with scratch_folder() as scratch:
        folder = content_tower.start_tower(image.start_from, day, scratch)
        tower, about = ImageTower.load(folder), content_tower.description(folder)
    widths = (
        tower.projection.linear.out_features,
        tower.text_projection.linear.in_features,
    )
    shape = (tower.name, tower.size, *widths, about.get("trained_blocks"))
    wanted = (image.base_model, image.size, image.dim, text_width, image.trained_blocks)
    if shape != wanted:  # blocks that are not trained are not kept
        raise ModelError(
            f"base, size, dim, width of texts and trained blocks {wanted} in {image.start_from}",
            f"{shape}",
            "set image.start_from to null, or image as that tower was trained",
        )
    return tower


def _sample(pictures: Pictures, count: int, seed: int) -> Pictures:
    """Keep at most `count` items, in random order: no more of their texts is needed."""
    rows = np.random.default_rng(seed).permutation(len(pictures.item))[:count]
    return Pictures(pictures.distinct, pictures.item[rows], pictures.picture[rows])


def _text_vectors(
    texts: pa.ChunkedArray, items_N: np.ndarray, params: Params
) -> tuple[np.ndarray, np.ndarray]:
    """Return the frozen base's vectors of items' texts, NaN without, and equal rows for equals."""
    image = params.image
    base = TextTower(image.text_base, image.text_length, image.dim).to(best_device())
    rows, present = content_tower.present_texts(texts.take(pa.array(items_N)))
    vectors_NW = content_tower.spread(base.base_vectors(present), rows, len(items_N))
    row_N = np.full(len(items_N), -1, np.int64)
    row_N[rows] = pa.array(present, pa.string()).dictionary_encode().indices.to_numpy()
    return vectors_NW, row_N


def _encode(
    tower: ImageTower, pictures: Pictures, items: int, checkpoints: Checkpoints
) -> tuple[np.ndarray, dict[str, Any]]:
    """Encode every distinct picture once."""
    started = time.monotonic()
    vectors_PD, count = in_pieces(
        lambda first, last: tower.encode(pictures.distinct[first:last].to_pylist()),
        len(pictures.distinct),
        PICTURES_A_PIECE,
        checkpoints,
        tower,
    )
    unreadable = int(np.isnan(vectors_PD).any(axis=1).sum())
    if unreadable:
        say(f"{unreadable} pictures cannot be read: their items have no image vector")
    return content_tower.spread(vectors_PD[pictures.picture], pictures.item, items), {
        "distinct_pictures": len(vectors_PD),
        "unreadable_pictures": unreadable,
        "pictures_per_second": count / (time.monotonic() - started),
    }


def _checkpoints(params: Params, prepared: Path, cut: str) -> Checkpoints:
    tables = ("items", "images", f"cuts/{cut}/item_stats")
    files = [prepared / f"{name}.parquet" for name in tables]
    return Checkpoints(STAGE, fingerprint([params.image, params.seed], files))
