import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from components.platform.training.checkpoints import Checkpoints
from components.platform.training.pieces import in_pieces

KILLED = """
import os, signal, torch, numpy as np
from components.platform.training.checkpoints import Checkpoints
from components.platform.training.pieces import in_pieces
def encode(first, last):
    if first == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.arange(first, last, dtype=np.float32)[:, None]
in_pieces(encode, 11, 4, Checkpoints("stage", "same"), torch.nn.Identity())
"""


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Encoder:
    """Encodes a row as its number; remembers which pieces it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, first: int, last: int) -> np.ndarray:
        self.asked.append((first, last))
        return np.arange(first, last, dtype=np.float32)[:, None]


@pytest.mark.long
def test_after_kill_9_no_piece_is_encoded_twice() -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], env=os.environ.copy(), check=False)
    assert done.returncode == -signal.SIGKILL
    encode = Encoder()
    vectors, encoded = in_pieces(encode, 11, 4, Checkpoints("stage", "same"), nn.Identity())
    np.testing.assert_array_equal(vectors[:, 0], np.arange(11))
    assert encode.asked == [(8, 11)]
    assert encoded == 3


def test_pieces_of_another_training_are_not_taken() -> None:
    in_pieces(Encoder(), 11, 4, Checkpoints("stage", "one"), nn.Identity())
    encode = Encoder()
    in_pieces(encode, 11, 4, Checkpoints("stage", "other"), nn.Identity())
    assert encode.asked == [(0, 4), (4, 8), (8, 11)]


def test_pieces_of_an_encoder_with_other_weights_are_not_taken() -> None:
    first = nn.Linear(1, 1)
    in_pieces(Encoder(), 11, 4, Checkpoints("stage", "same"), first)
    same, other = Encoder(), Encoder()
    assert in_pieces(same, 11, 4, Checkpoints("stage", "same"), first)[1] == 0
    assert same.asked == []
    assert in_pieces(other, 11, 4, Checkpoints("stage", "same"), nn.Linear(1, 1))[1] == 11
    assert other.asked == [(0, 4), (4, 8), (8, 11)]


def test_pieces_of_another_size_are_not_taken() -> None:
    in_pieces(Encoder(), 11, 4, Checkpoints("stage", "same"), nn.Identity())
    encode = Encoder()
    vectors, _ = in_pieces(encode, 11, 8, Checkpoints("stage", "same"), nn.Identity())
    np.testing.assert_array_equal(vectors[:, 0], np.arange(11))


def test_a_single_piece_leaves_no_checkpoint(run_folder: Path) -> None:
    encode = Encoder()
    assert len(in_pieces(encode, 4, 4, Checkpoints("stage", "one"), nn.Identity())[0]) == 4
    assert encode.asked == [(0, 4)]
    assert list(run_folder.iterdir()) == []
