"""Text tower: a Transformer encoder, mean pooling, and a projection to unit vectors."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from peft import PeftModel
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from components.platform.encoders.precision import fast_arithmetic
from components.platform.encoders.projection import Projection
from components.platform.encoders.text_base import load_text_base
from components.platform.errors import ModelError
from components.platform.files import write_json
from components.platform.progress import track

# Bounds memory whatever the length of the texts. Capacity only: changes no result.
TOKENS_A_BATCH = 2048
# More than any language's mean: the rest of a huge text is never looked at. It travels in
# encoder.json as max_characters, so that queries are read as texts were.
CHARACTERS_A_TOKEN = 20


class TextTower(nn.Module):
    """Texts to unit vectors; `base` may be wrapped by a peft adapter while it is trained.

    The folder holds encoder.json, projection.safetensors and, where the base was changed, either
    adapter/ (peft's layout) or base/ (Hugging Face's). An unchanged base is named, not copied: the
    packaged one is a requirement of serving.
    """

    def __init__(self, name: str, max_length: int, dim: int) -> None:
        """Start from the pretrained base `name`; texts are cut after `max_length` tokens."""
        super().__init__()
        base, tokenizer = load_text_base(name)
        self.name, self.max_length = name, max_length
        self.max_characters = max_length * CHARACTERS_A_TOKEN
        self.base: PreTrainedModel | PeftModel = base.eval()
        self.tokenizer: PreTrainedTokenizerBase = tokenizer
        self.projection = Projection(base.config.hidden_size, dim)

    @property
    def device(self) -> torch.device:
        """Where the tower computes."""
        return self.projection.linear.weight.device

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, special ones included, at most max_length."""
        if not texts:
            return []
        cut = [text[: self.max_characters] for text in texts]
        return list(self.tokenizer(cut, truncation=True, max_length=self.max_length)["input_ids"])

    def batch(self, tokens: Sequence[list[int]]) -> dict[str, Tensor]:
        """Pad to the longest, (N, length): input_ids and attention_mask."""
        padded = self.tokenizer.pad({"input_ids": list(tokens)}, return_tensors="pt")
        return {name: padded[name] for name in ("input_ids", "attention_mask")}

    def hidden(self, batch: dict[str, Tensor]) -> Tensor:
        """Last hidden states, (N, length, width) float32."""
        with fast_arithmetic(self.device):
            states: Tensor = self.base(**batch).last_hidden_state
        return states.float()

    def pooled(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean of the hidden states over the real tokens, unit length, (N, width)."""
        return mean_pooling(self.hidden(batch), batch["attention_mask"])

    @torch.inference_mode()
    def base_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return pooled vectors before the projection, (N, width) float32.

        Equal texts are encoded once; batches hold texts of like length.
        """
        coded = pa.array(texts, pa.string()).dictionary_encode()
        tokens = self.tokens(coded.dictionary.to_pylist())
        vectors = np.empty((len(tokens), self.projection.linear.in_features), np.float32)
        batches = list(_like_lengths([len(row) for row in tokens]))
        for rows in track(batches, "encoding texts") if len(batches) > 1 else batches:
            batch = self.batch([tokens[row] for row in rows])
            vectors[rows] = self.pooled({k: v.to(self.device) for k, v in batch.items()}).cpu()
        return vectors[coded.indices.to_numpy()]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit vectors, (N, dim) float32."""
        return self.projection.apply_to(self.base_vectors(texts))

    def save(self, folder: Path) -> None:
        """Write what `load` needs besides an unchanged base."""
        kind = "named"
        if isinstance(self.base, PeftModel):
            kind = "adapter"
            with _quiet_adalora():
                self.base.save_pretrained(str(folder / "adapter"))
        elif any(parameter.requires_grad for parameter in self.base.parameters()):
            kind = "own"
            self.base.save_pretrained(str(folder / "base"))
            self.tokenizer.save_pretrained(str(folder / "base"))
        save_model(self.projection, str(folder / "projection.safetensors"))
        encoder: dict[str, Any] = {
            "base_model": self.name,
            "base": kind,
            "max_length": self.max_length,
            "max_characters": self.max_characters,
            "dim": self.projection.linear.out_features,
        }
        write_json(encoder, folder / "encoder.json")

    @classmethod
    def load(cls, folder: Path, *, trainable: bool = False) -> Self:
        """Read a tower, its adapter merged into the base, or ready to be trained on.

        Raises:
            ModelError: the folder holds no text encoder, or its base cannot be found.

        """
        try:
            encoder = json.loads((folder / "encoder.json").read_text())
        except FileNotFoundError as error:
            raise ModelError(
                f"a trained text encoder in {folder}",
                "no encoder.json",
                "train the text tower; one of ready-made vectors or without texts has no encoder",
            ) from error
        name = str(folder / "base") if encoder["base"] == "own" else encoder["base_model"]
        tower = cls(name, encoder["max_length"], encoder["dim"])
        tower.name = encoder["base_model"]
        if encoder["base"] == "adapter":
            with _quiet_adalora():
                tower.base = PeftModel.from_pretrained(
                    tower.base, str(folder / "adapter"), is_trainable=trainable
                )
            if not trainable:
                tower.merge()
        load_model(tower.projection, str(folder / "projection.safetensors"))
        return tower.eval()

    def merge(self) -> None:
        """Add a peft adapter to the base's weights: encoding then costs what the base costs."""
        if isinstance(self.base, PeftModel):
            self.base.merge_adapter()


def mean_pooling(hidden_NLW: Tensor, mask_NL: Tensor) -> Tensor:
    """Mean over the real tokens, unit length, (N, width)."""
    weights_NL1 = mask_NL.unsqueeze(-1).to(hidden_NLW.dtype)
    return functional.normalize((hidden_NLW * weights_NL1).sum(1), dim=-1)


def _like_lengths(lengths: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield rows, longest first, in batches of at most TOKENS_A_BATCH padded tokens."""
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    start = 0
    while start < len(order):
        rows = max(TOKENS_A_BATCH // max(lengths[order[start]], 1), 1)
        yield order[start : start + rows]
        start += rows


@contextmanager
def _quiet_adalora() -> Iterator[None]:
    """Leave out what peft says of every AdaLoRA adapter: saved and loaded vectors are the same.

    It looks for ranks by a matrix' name where AdaLoRA keeps them by that of its singular values,
    and takes a matrix whose rank was cut to 0 for one that was not gathered.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The following rank_pattern keys did not match")
        warnings.filterwarnings("ignore", ".*LoRA tensor.s. have invalid shape")
        yield
