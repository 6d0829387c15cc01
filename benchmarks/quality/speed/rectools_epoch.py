"""One measured epoch of RecTools' SASRec, in an environment of its own (numpy < 2).

python rectools_epoch.py FILE.npz SETTINGS.json: FILE has item (E,) and first (U + 1,); prints the
seconds of the last of two epochs as JSON. It imports nothing of this repository.
"""

import json
import sys
import time
import warnings

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
        self.seconds.append(time.perf_counter() - self.started)


def main(file: str, settings: dict[str, int]) -> None:
    """Train two epochs and print the second's seconds."""
    torch.set_num_threads(settings["threads"])
    with np.load(file) as arrays:
        item, first = arrays["item"], arrays["first"]
    owner = np.repeat(np.arange(len(first) - 1), np.diff(first))
    place = np.arange(len(item)) - first[owner]
    days = pd.Timestamp("2000-01-01") + pd.to_timedelta(place, unit="D")
    table = pd.DataFrame({"user_id": owner, "item_id": item, "weight": 1.0, "datetime": days})

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=2, min_epochs=2, accelerator="cpu", devices=1, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            callbacks=[Clock()],
        )  # fmt: skip

    model = SASRecModel(
        n_factors=settings["dim"], n_blocks=settings["layers"], n_heads=settings["heads"],
        session_max_len=settings["longest"], batch_size=settings["batch"],
        loss="BCE", n_negatives=1, epochs=2, get_trainer_func=trainer,
    )  # fmt: skip
    model.fit(Dataset.construct(table))
    # The model trains a copy of the trainer, callbacks included.
    clock = next(one for one in model.fit_trainer.callbacks if isinstance(one, Clock))
    print(json.dumps({"seconds": clock.seconds[-1]}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], json.loads(sys.argv[2]))
