"""What encoding a query costs on one core: PyTorch, ONNX, and ONNX in 8 bits."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from components.platform.encoders.onnx import export, quantise
from components.platform.encoders.text import TextTower, mean_pooling
from components.shop_ranking.engine.towers.item_orders import Floats

REPEATS = 3
SMALL = "ONNX, int8"

Encode = Callable[[str], Floats]  # a query -> (width,)


class _Pooled(nn.Module):
    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.base = tower.base

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.base(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return mean_pooling(states, attention_mask)


def query_encoders(tower: TextTower) -> dict[str, Encode]:
    """Return encoders of one query at a time by name, on one thread each."""
    tower = tower.cpu().eval()
    pooled = _Pooled(tower).eval()  # the tower's own would compute in bfloat16 where it can

    def plain(query: str) -> Floats:
        batch = tower.batch(tower.tokens([query]))
        vectors: Floats = pooled(batch["input_ids"], batch["attention_mask"])[0].numpy()
        return vectors

    encoders = {"PyTorch, fp32": torch.inference_mode()(plain)}
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder, "encoder.onnx"), Path(folder, "encoder-int8.onnx")
        export(pooled, tower.batch(tower.tokens(["a query of some words"])), whole)
        quantise(whole, small)
        for name, path in {"ONNX, fp32": whole, SMALL: small}.items():
            encoders[name] = _from_onnx(path.read_bytes(), tower)
    return encoders


def _from_onnx(model: bytes, tower: TextTower) -> Encode:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def encode(query: str) -> Floats:
        ids = np.array(tower.tokens([query]), np.int64)
        vectors: Floats = session.run(
            None, {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )[0][0]
        return vectors

    return encode


def timed(encode: Encode, queries: Sequence[str]) -> tuple[Floats, float]:
    """Return the vectors of queries (Q, width), and the median milliseconds of one."""
    encode(queries[0])
    spent, vectors = [], []
    for _ in range(REPEATS):
        vectors = []
        for query in queries:
            started = time.perf_counter()
            vectors.append(encode(query))
            spent.append(time.perf_counter() - started)
    return np.stack(vectors), 1000 * float(np.median(spent))
