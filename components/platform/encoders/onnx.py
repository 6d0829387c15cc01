"""The content towers' encoders as ONNX, so that a server answers queries without torch."""

import json
import logging
import warnings
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from peft import PeftModel
from torch import Tensor, nn

from components.platform.encoders.image import ImageTower
from components.platform.encoders.text import TextTower, mean_pooling
from components.platform.files import scratch_folder

ONNX = "onnx"
OPSET = 17


class TextQuery(nn.Module):
    """The whole text tower, its adapter merged: tokens to unit vectors."""

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        base = tower.base
        self.base = base.merge_and_unload() if isinstance(base, PeftModel) else base
        self.projection = tower.projection

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Map (N, length) tokens and their mask to (N, dim)."""
        states = self.base(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        vectors_ND: Tensor = self.projection(mean_pooling(states.float(), attention_mask))
        return vectors_ND


class PictureQuery(nn.Module):
    """The whole image tower: pixels to unit vectors."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.base, self.projection = tower.base, tower.projection

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, size, size) uint8 to (N, dim)."""
        vectors_ND: Tensor = self.projection(self.base(pixels))
        return vectors_ND


def write_encoder(tower: Path, folder: Path) -> None:
    """Write onnx/encoder.onnx, and for text onnx/tokenizer.json, into the package `folder`.

    The text encoder is quantised to 8 bits: a quarter of the size and of the time. The image
    encoder stays as it is: convolutions gain nothing from it. A tower of ready-made vectors has no
    encoder.

    Raises:
        ModelError: the tower's own files cannot be read.

    """
    if not (tower / "encoder.json").is_file():
        return
    target = folder / ONNX
    target.mkdir(exist_ok=True)
    about = json.loads((tower / "encoder.json").read_text())
    if "max_length" in about:
        _write_text(TextTower.load(tower), target)
    else:
        picture = torch.zeros(1, 3, about["size"], about["size"], dtype=torch.uint8)
        export(PictureQuery(ImageTower.load(tower)), {"pixels": picture}, target / "encoder.onnx")


def _write_text(tower: TextTower, target: Path) -> None:
    tokens = torch.tensor(tower.tokens(["a text of several words"]))
    example = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    with scratch_folder() as scratch:
        whole = scratch / "encoder.onnx"
        export(TextQuery(tower), example, whole)
        quantise(whole, target / "encoder.onnx")
    tower.tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))


def quantise(whole: Path, target: Path) -> None:
    """Write an ONNX file with its weights in 8 bits (Jacob et al., CVPR 2018).

    Weights have a scale a channel, activations one at run time, so that no calibration data is
    needed. 7 of the 8 bits are used: processors without VNNI saturate otherwise.
    """
    logging.disable(logging.WARNING)  # it advises to optimise the graph first
    quantize_dynamic(
        whole, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
    )
    logging.disable(logging.NOTSET)


def export(network: nn.Module, example: dict[str, Tensor], path: Path) -> None:
    """Write a network as ONNX by tracing it; the number of inputs, and of their tokens, may vary.

    The network is in evaluation mode afterwards.
    """
    axes = {name: {0: "count"} for name in (*example, "vectors")}
    for name, value in example.items():
        if value.dim() == 2:
            axes[name][1] = "length"
    with warnings.catch_warnings():  # the tracing exporter takes a tenth of the other one's time
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), tuple(example.values()), str(path), dynamo=False, opset_version=OPSET,
            input_names=list(example), output_names=["vectors"], dynamic_axes=axes,
        )  # fmt: skip
