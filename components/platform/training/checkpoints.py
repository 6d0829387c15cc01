"""Checkpoints of a training, so that a killed stage goes on where it was.

They lie outside the stage's output folder, which DVC deletes before every run of the stage:
`.checkpoints/<stage>/<name>.pt`, relative to the run's folder. A checkpoint belongs to one
fingerprint of params and data; another training never picks it up.
"""

import hashlib
import pickle
import random
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from components.platform.files import atomic_file
from components.platform.progress import say
from components.platform.settings import writes

FOLDER = Path(".checkpoints")
SECONDS_BETWEEN = 20.0  # Capacity only: changes no result.


def fingerprint(values: Iterable[BaseModel | int | str], files: Iterable[Path]) -> str:
    """Digest of everything a training depends on: params (or plain values) and input files."""
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        text = value.model_dump_json() if isinstance(value, BaseModel) else repr(value)
        digest.update(text.encode() + b"\0")
    for file in files:
        digest.update(file.name.encode() + b"\0" + hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()


class Checkpoints:
    """The checkpoints of one stage: one file a training, the newest replaces the older.

    A stage of several trainings keeps the last checkpoint of those that are done, so that a resumed
    stage skips them; `remove` ends it all when the stage has written its output.
    """

    def __init__(
        self, stage: str, fingerprint: str, every_seconds: float = SECONDS_BETWEEN
    ) -> None:
        self.folder = FOLDER / stage
        self.fingerprint = fingerprint
        self.every_seconds = every_seconds
        self._saved_at = time.monotonic()

    def due(self) -> bool:
        """Whether the interval since the last checkpoint is over."""
        return time.monotonic() - self._saved_at >= self.every_seconds

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Write the checkpoint `name` atomically: a kill leaves the former one or the new one.

        `state` holds tensors and plain values. The states of the random generators go with it.

        Raises:
            StorageError: the disk refuses the write.

        """
        whole = {**state, "fingerprint": self.fingerprint, "random": _random_states()}
        with atomic_file(self._path(name)) as temporary, temporary.open("wb") as stream:
            torch.save(whole, stream)
        self._saved_at = time.monotonic()

    def load(self, name: str) -> dict[str, Any] | None:
        """Return the checkpoint `name` and set the random generators as they were then.

        None when there is none, or it is of other params or data, or it cannot be read.
        """
        path = self._path(name)
        if not path.exists():
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            say(f"checkpoint {path} cannot be read ({error}): training starts again")
            return None
        if state["fingerprint"] != self.fingerprint:
            say(f"checkpoint {path} is of other params or data: training starts again")
            return None
        _set_random_states(state["random"])
        return dict(state)

    def remove(self) -> None:
        """Delete every checkpoint of the stage: its output is written."""
        if writes():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.pt"


def seed_everything(seed: int) -> None:
    """Seed the generators whose states the checkpoints carry."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _random_states() -> dict[str, Any]:
    version, values, gauss = random.getstate()
    legacy: Any = np.random.get_state()
    kind, keys, position, has_gauss, cached = legacy
    return {
        "python": (version, list(values), gauss),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_states(states: dict[str, Any]) -> None:
    version, values, gauss = states["python"]
    random.setstate((version, tuple(values), gauss))
    kind, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
