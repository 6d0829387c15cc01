"""Behaviour pretraining: one training through time, vectors for every cut on the way."""

import json
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from components.platform import tracking
from components.platform.errors import DataError, ModelError
from components.platform.files import atomic_folder, read_table, scratch_folder
from components.platform.progress import part, say
from components.platform.training.checkpoints import Checkpoints, fingerprint, seed_everything
from components.platform.training.loop import Fitted, Plan, best_device, fit
from components.shop_ranking.behaviour_pretraining.examples import Drawing, Examples
from components.shop_ranking.behaviour_pretraining.measure import ndcg_at_10
from components.shop_ranking.behaviour_pretraining.objective import WantedWithinHorizon
from components.shop_ranking.engine.towers.behaviour import BehaviourTower
from components.shop_ranking.engine.towers.behaviour_config import TowerConfig
from components.shop_ranking.engine.towers.checkpoints_by_cut import (
    checkpoints_by_cut,
    latest_before,
)
from components.shop_ranking.engine.towers.histories import Sessions, read_histories
from components.shop_ranking.params import Params
from components.shop_ranking.towers.behaviour import BehaviourParams

STAGE = "behaviour_pretraining"


def run(params: Params, prepared: Path, tower: Path) -> None:
    """Write `tower`: weights, tower.json and the vectors of every cut.

    Each cut's vectors come from parameters that saw nothing at or after it: the tower trains on
    the events before the first cut, writes its vectors, goes on with those up to the next.

    Raises:
        DataError: no events before the first cut.
        ModelError, RegistryError: behaviour.reuse or start_from names no behaviour tower, or one
            that was trained on what comes after the first cut.

    """
    started, chosen = time.perf_counter(), params.behaviour
    cuts = json.loads((prepared / "cuts.json").read_text())
    files = [prepared / "items.parquet", prepared / "cuts.json"]
    files += [_sequences(prepared, cut["name"]) for cut in cuts]
    items = read_table(prepared / "items.parquet", ["item_id", "title", "category", "brand"])
    users = read_table(prepared / "users.parquet", ["user_index"]).num_rows
    checkpoints = Checkpoints(STAGE, fingerprint([chosen, params.seed], files))
    seed_everything(params.seed)
    with (
        tracking.stage_run(STAGE, params, "behaviour"),
        atomic_folder(tower) as folder,
        scratch_folder() as scratch,
    ):
        reused = checkpoints_by_cut(chosen.reuse, scratch) if chosen.reuse else []
        model, since = _start(chosen, items, cuts[0]["day"])
        training = Training(model, params, checkpoints, since)
        measured: dict[str, float] = {}
        trained_until: dict[str, str] = {}
        for cut in cuts:
            user, histories = read_histories(_sequences(prepared, cut["name"]))
            if not len(histories.item):
                raise DataError(
                    f"events before the cut {cut['name']} ({cut['day']})",
                    "none",
                    "choose a later cut, fewer preparation.fit_cuts or more data",
                )
            sessions = Sessions.of(histories)
            if chosen.reuse:
                checkpoint = latest_before(reused, cut["day"], chosen.reuse)
                model = checkpoint.load().on_catalogue(items).to(best_device())
                trained_until[cut["name"]] = checkpoint.day.isoformat()
            else:
                with part(f"training before {cut['name']}"):
                    training.up_to(cut, sessions)
                trained_until[cut["name"]] = cut["day"]
            vectors_UD = np.full((users, model.width), np.nan, np.float32)
            vectors_UD[user] = model.encode(sessions)
            vectors_ID = model.encode_items()
            (folder / cut["name"]).mkdir()
            np.save(folder / cut["name"] / "user_vectors.npy", vectors_UD)
            np.save(folder / cut["name"] / "item_vectors.npy", vectors_ID)
            if cut is not cuts[-1]:
                model.save(folder / cut["name"], {})
            if cut["role"] == "validation":
                measured = ndcg_at_10(prepared, cut["name"], vectors_UD, vectors_ID)
                say(f"validation: {measured}")
        seconds = time.perf_counter() - started
        about = {
            "seconds": round(seconds, 1),
            "trained_on": chosen.reuse or f"events before {cuts[-1]['day']}",
            "started_from": chosen.start_from,
            "trained_until": trained_until,
            "metrics": measured,
            "phases": training.summary(),
        }
        model.cpu().save(folder, about)
        tracking.log_metrics({**measured, "seconds": seconds})
    checkpoints.remove()


class Training:
    """The training that goes on from cut to cut; the optimizer stays warm.

    A model trained until the day `since` goes on from there as from an earlier cut.
    """

    def __init__(
        self,
        model: BehaviourTower,
        params: Params,
        checkpoints: Checkpoints,
        since: date | None = None,
    ) -> None:
        self.model, self.params, self.checkpoints = model, params, checkpoints
        self.objective = WantedWithinHorizon(model)
        chosen = params.behaviour
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=chosen.lr, weight_decay=chosen.weight_decay
        )
        self.fitted: dict[str, Fitted] = {}
        self._day = None if since is None else np.datetime64(since.isoformat())

    def up_to(self, cut: Mapping[str, Any], sessions: Sessions) -> None:
        """Train on what was known before the cut; after the first cut mainly on what is new."""
        chosen, first, day = self.params.behaviour, self._day is None, np.datetime64(cut["day"])
        horizon = float(cut["horizon_days"])
        since = None if self._day is None else float((self._day - day).astype(int)) - horizon
        self._day = day
        self.model.observe(sessions.histories)
        examples = Examples(
            sessions,
            len(self.model.item_ids),
            cut["target_events"],
            Drawing(
                horizon_days=horizon,
                max_sessions=chosen.max_sessions,
                moment_share=chosen.moment_share,
                positives=chosen.positives,
                negatives=chosen.negatives,
                batch_sessions=chosen.batch_sessions,
                length_noise=chosen.length_noise,
            ),
            seed=self.params.seed,
            since=since,
        )
        done = sum(fitted.steps for fitted in self.fitted.values())
        epochs = chosen.epochs if first else chosen.refresh_epochs
        lr = chosen.lr if first else chosen.lr * chosen.refresh_lr_share
        self.fitted[cut["name"]] = fit(
            self.objective,
            self.optimizer,
            examples.epoch,
            Plan(epochs=epochs, lr=lr, schedule=chosen.schedule),
            name=cut["name"],
            checkpoints=self.checkpoints,
            log=lambda metrics, step: tracking.log_metrics(metrics, done + step),
        )

    def summary(self) -> dict[str, dict[str, float]]:
        """Steps, seconds, loss and throughput of each part, for tower.json."""
        return {
            name: {"steps": fitted.steps, "seconds": round(fitted.seconds, 1), **fitted.rates}
            | ({"loss": fitted.loss} if fitted.steps else {})
            for name, fitted in self.fitted.items()
        }


def _start(
    chosen: BehaviourParams, items: pa.Table, first_cut: str
) -> tuple[BehaviourTower, date | None]:
    """Return a fresh tower, or the one to start from and the day until which it was trained."""
    if chosen.start_from is None:
        return BehaviourTower(TowerConfig.of(chosen), items).to(best_device()), None
    with scratch_folder() as scratch:
        by_cut = checkpoints_by_cut(chosen.start_from, scratch)
        checkpoint = latest_before(by_cut, first_cut, chosen.start_from)
        model, wanted = checkpoint.load(), TowerConfig.of(chosen)
    if model.config != wanted:
        raise ModelError(
            f"a tower of the shape that params name ({wanted}) in {chosen.start_from}",
            f"{model.config}",
            "set behaviour.start_from to null, or behaviour to that tower's shape",
        )
    say(f"starts from {chosen.start_from}, which was trained until {checkpoint.day}")
    return model.on_catalogue(items).to(best_device()), checkpoint.day


def _sequences(prepared: Path, cut: str) -> Path:
    return prepared / "cuts" / cut / "sequences.parquet"
