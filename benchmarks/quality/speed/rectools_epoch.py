"""One measured epoch of RecTools' SASRec, in an environment of its own (numpy < 2).

python rectools_epoch.py FILE.npz SETTINGS.json: FILE has item (E,) and first (U + 1,); prints the
seconds of the last of two epochs, and versions, as JSON. It imports nothing of this repository.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools.dataset import Dataset
from rectools.models import SASRecModel


class Clock(Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: object) -> None:
        """Start."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # steps are queued there: wait for the last one
        self.seconds.append(time.perf_counter() - self.started)


def main(file: str, settings: dict[str, Any]) -> None:
    """Train two epochs and print the second's seconds.

    With a share below 1 so many batches of each epoch are passed, and the seconds are scaled up.
    """
    torch.set_num_threads(settings["threads"])
    with np.load(file) as arrays:
        item, first = arrays["item"], arrays["first"]
    # RecTools leaves out who has nothing to predict.
    batches = -(-int((np.diff(first) >= 2).sum()) // settings["batch"])
    passed = max(round(settings["share"] * batches), 1)
    owner = np.repeat(np.arange(len(first) - 1), np.diff(first))
    place = np.arange(len(item)) - first[owner]
    days = pd.Timestamp("2000-01-01") + pd.to_timedelta(place, unit="D")
    table = pd.DataFrame({"user_id": owner, "item_id": item, "weight": 1.0, "datetime": days})

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=2, min_epochs=2, devices=1, logger=False,
            accelerator="gpu" if settings["device"] == "cuda" else "cpu",
            limit_train_batches=passed,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            callbacks=[Clock()],
        )  # fmt: skip

    model = SASRecModel(
        n_factors=settings["dim"], n_blocks=settings["layers"], n_heads=settings["heads"],
        session_max_len=settings["longest"], batch_size=settings["batch"],
        loss=settings["loss"], n_negatives=settings["negatives"], epochs=2,
        get_trainer_func=trainer,
    )  # fmt: skip
    model.fit(Dataset.construct(table))
    # The model trains a copy of the trainer, callbacks included.
    clock = next(
        callback for callback in model.fit_trainer.callbacks if isinstance(callback, Clock)
    )
    versions = {name: version(name) for name in ("rectools", "pytorch-lightning", "numpy", "torch")}
    print(json.dumps({"seconds": clock.seconds[-1] * batches / passed, "versions": versions}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], json.loads(sys.argv[2]))
