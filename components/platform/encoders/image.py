"""Image tower: a pretrained encoder and a projection to unit vectors."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from components.platform.encoders.image_base import load_image_base
from components.platform.encoders.image_pictures import prefetched
from components.platform.encoders.precision import fast_arithmetic
from components.platform.encoders.projection import Projection
from components.platform.errors import ModelError
from components.platform.files import write_json
from components.platform.progress import track

PICTURES_A_BATCH = 64  # Capacity only: changes no result.


class ImageTower(nn.Module):
    """Pictures to unit vectors, and texts' base vectors to the same space.

    The folder holds encoder.json and encoder.safetensors: the projections and the trained blocks.
    The frozen blocks are those of the named base.
    """

    def __init__(self, name: str, size: int, dim: int, text_width: int) -> None:
        """Start from the pretrained base `name`; text_width is that of the text base's vectors."""
        super().__init__()
        self.name, self.size = name, size
        self.base = load_image_base(name, size)
        self.projection = Projection(self.base.width, dim)
        self.text_projection = Projection(text_width, dim)

    @property
    def device(self) -> torch.device:
        """Where the tower computes."""
        return self.projection.linear.weight.device

    def features(self, pixels_N3SS: Tensor) -> Tensor:
        """Features of the base for pixels 0 to 255, unit length, (N, width) float32."""
        with fast_arithmetic(self.device):
            states: Tensor = self.base(pixels_N3SS)
        return states.float()

    @torch.inference_mode()
    def base_vectors(self, pictures: Sequence[bytes]) -> np.ndarray:
        """Return features before the projection, (N, width) float32; NaN where unreadable.

        Equal pictures are encoded once.
        """
        coded = pa.array(pictures, pa.large_binary()).dictionary_encode()
        distinct = coded.dictionary
        vectors = np.full((len(distinct), self.base.width), np.nan, np.float32)
        starts = range(0, len(distinct), PICTURES_A_BATCH)
        batches = (distinct[at : at + PICTURES_A_BATCH].to_pylist() for at in starts)
        decoded = prefetched(batches, self.size)
        shown = track(decoded, "encoding pictures", len(starts)) if len(starts) > 1 else decoded
        for at, (pixels, readable) in zip(starts, shown, strict=True):
            if len(pixels):
                rows = at + np.flatnonzero(readable)
                vectors[rows] = self.features(pixels.to(self.device)).cpu().numpy()
        return vectors[coded.indices.to_numpy()]

    def encode(self, pictures: Sequence[bytes]) -> np.ndarray:
        """Return unit vectors, (N, dim) float32; NaN where a picture is unreadable."""
        return self.projection.apply_to(self.base_vectors(pictures))

    def save(self, folder: Path) -> None:
        """Write what `load` needs besides the base's frozen blocks."""
        frozen = {name for name, p in self.base.named_parameters() if not p.requires_grad}
        state = {
            name: value.contiguous()
            for name, value in self.state_dict().items()
            if name.removeprefix("base.") not in frozen
        }
        save_file(state, str(folder / "encoder.safetensors"))
        encoder = {
            "base_model": self.name,
            "size": self.size,
            "dim": self.projection.linear.out_features,
            "text_width": self.text_projection.linear.in_features,
        }
        write_json(encoder, folder / "encoder.json")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a tower.

        Raises:
            ModelError: the folder holds no image encoder, or its base cannot be found.

        """
        try:
            encoder = json.loads((folder / "encoder.json").read_text())
        except FileNotFoundError as error:
            raise ModelError(
                f"a trained image encoder in {folder}",
                "no encoder.json",
                "train the image tower; one of ready-made vectors or without pictures has no "
                "encoder",
            ) from error
        tower = cls(encoder["base_model"], encoder["size"], encoder["dim"], encoder["text_width"])
        tower.load_state_dict(load_file(str(folder / "encoder.safetensors")), strict=False)
        return tower.eval()
