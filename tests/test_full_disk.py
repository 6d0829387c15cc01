"""A disk that is full is one line in every stage, and leaves nothing half-written."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import lightgbm
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.sparse import csr_array, save_npz

from components.platform.errors import DataError, StorageError
from components.platform.files import atomic_file, atomic_folder, scratch_folder, write_json
from tests.stages import full_disk, lay_out, refused
from tests.world import TinyWorld, tiny_params

VALUES = np.random.default_rng(0).random(10_000)


def array(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, VALUES)


def scipy_matrix(path: Path) -> None:
    with path.open("wb") as stream:
        save_npz(stream, csr_array(VALUES[None]))


def trees(path: Path) -> None:
    data = lightgbm.Dataset(VALUES.reshape(-1, 5), VALUES[::5] > 0.5)
    lightgbm.train({"verbose": -1, "objective": "binary"}, data, 5).save_model(str(path))


WRITERS: dict[str, Callable[[Path], object]] = {
    "numpy": array,
    "scipy": scipy_matrix,
    "torch": lambda path: torch.save({"values": torch.from_numpy(VALUES)}, path),
    "safetensors": lambda path: save_file({"values": torch.from_numpy(VALUES)}, str(path)),
    "LightGBM": trees,
    "DuckDB": lambda path: duckdb.sql(f"COPY (SELECT random() FROM range(9999)) TO '{path}'"),
    "text": lambda path: path.write_text("long " * 1000),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_writers_refusal_is_one_line(name: str, tmp_path: Path) -> None:
    output = tmp_path / "output"
    write_json("old", output / "value")

    def in_a_folder() -> None:
        with atomic_folder(output) as folder:
            write_json("new", folder / "value")
            WRITERS[name](folder / "part.npz")

    def in_a_scratch_folder() -> None:
        with scratch_folder() as folder:
            WRITERS[name](folder / "part.npz")

    def as_a_file() -> None:
        with atomic_file(tmp_path / "alone") as path:
            WRITERS[name](path)

    for write in (in_a_folder, in_a_scratch_folder, as_a_file):
        with full_disk(1000), pytest.raises(StorageError, match="found File too large; free disk"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["output"]
    assert [path.name for path in output.iterdir()] == ["value"]
    assert (output / "value").read_text() == '"old"\n'


@pytest.mark.parametrize(
    "error", [ValueError("shapes differ"), DataError("a", "b", "c"), FileNotFoundError(2, "none")]
)
@pytest.mark.parametrize("size", [None, 5])
def test_other_errors_stay_what_they_are(error: Exception, size: int | None, tmp_path: Path):
    def fails() -> None:
        with atomic_folder(tmp_path / "output") as folder:
            if size:
                (folder / "part").write_text("." * size)
            raise error

    with pytest.raises(type(error)):
        fails()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "sections"),
    [
        ("behaviour_pretraining", {"behaviour": {"epochs": 1}}),  # its checkpoint, by torch
        ("text_pretraining", {"text": {"adapter": "frozen", "projection_steps": 0}}),  # safetensors
    ],
)
@pytest.mark.long
def test_a_tower(
    stage: str, sections: dict[str, dict[str, object]], tiny_world: TinyWorld, tmp_path: Path
) -> None:
    lay_out(tmp_path, stage, {"prepared": tiny_world.prepared})
    refused(tmp_path, stage, tiny_params(**sections), 20_000)


@pytest.mark.long
def test_fusion_training(tiny_world: TinyWorld, standins: dict[str, Path], tmp_path: Path) -> None:
    stage = "fusion_training"
    lay_out(tmp_path, stage, {"prepared": tiny_world.prepared, **standins})
    refused(tmp_path, stage, tiny_params(), 12_000)
