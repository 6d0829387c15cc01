"""The content towers' encoders without torch: ONNX, on one core."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from components.platform.encoders.picture_decoding import decode
from components.platform.errors import DataError, ModelError

Floats = npt.NDArray[np.float32]
ONNX = Path("onnx")
QUERIES = 20_000  # queries whose vectors are kept. Capacity only: changes no result.


class TextEncoder:
    """Queries to the text tower's unit vectors."""

    def __init__(self, tower: Path) -> None:
        """Load the encoder that the tower's package carries.

        Raises:
            ModelError: it carries none that can be read.

        """
        self.session = _session(tower)
        settings = json.loads((tower / "encoder.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(tower / ONNX / "tokenizer.json"))
        self.tokenizer.enable_truncation(settings["max_length"])
        self.tokenizer.no_padding()
        self.max_characters = settings.get("max_characters")  # absent in older packages: no limit
        self.encode = lru_cache(QUERIES)(self.compute)

    def compute(self, query: str) -> Floats:
        """Return the unit vector of a query, (D,)."""
        tokens = self.tokenizer.encode(query[: self.max_characters]).ids
        ids = np.array([tokens], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        vector_D: Floats = self.session.run(None, inputs)[0][0]
        return vector_D


class ImageEncoder:
    """Pictures to the image tower's unit vectors."""

    def __init__(self, tower: Path) -> None:
        """Load the encoder that the tower's package carries.

        Raises:
            ModelError: it carries none that can be read.

        """
        self.session = _session(tower)
        self.size = int(json.loads((tower / "encoder.json").read_text())["size"])

    def encode(self, picture: bytes) -> Floats:
        """Return the unit vector of a PNG or JPEG, (D,).

        Raises:
            DataError: the bytes are no picture.

        """
        pixels = decode(picture, self.size)
        if pixels is None:
            raise DataError("a PNG or JPEG picture", "another file", "send a picture")
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        vector_D: Floats = self.session.run(None, {"pixels": batch})[0][0]
        return vector_D


def has_encoder(tower: Path) -> bool:
    """Return whether the package of a tower carries an encoder; one of ready-made vectors not."""
    return (tower / ONNX / "encoder.onnx").is_file()


def _session(tower: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = tower / ONNX / "encoder.onnx"
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises types of its own, one a status code
        raise ModelError(
            f"an ONNX encoder at {path}", " ".join(str(error).split())[:200], "register it again"
        ) from error
