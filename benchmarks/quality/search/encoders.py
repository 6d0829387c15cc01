"""What encoding a query costs on one core: PyTorch, ONNX, and ONNX in 8 bits."""

import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from components.models.item_orders import Floats
from components.models.text import TextTower, mean_pooling

REPEATS = 3

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
    # The tower's own forward pass would compute in bfloat16 where it can. The exporter puts a
    # network back into the mode it found it in: without eval() dropout would be on afterwards.
    pooled = _Pooled(tower).eval()

    def plain(query: str) -> Floats:
        batch = tower.batch(tower.tokens([query]))
        vectors: Floats = pooled(batch["input_ids"], batch["attention_mask"])[0].numpy()
        return vectors

    found = {"PyTorch, fp32": torch.inference_mode()(plain)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        whole, small = Path(folder, "encoder.onnx"), Path(folder, "encoder-int8.onnx")
        batch = tower.batch(tower.tokens(["a query of some words", "another one"]))
        torch.onnx.export(
            pooled, (batch["input_ids"], batch["attention_mask"]), str(whole),
            input_names=["input_ids", "attention_mask"], output_names=["vectors"], dynamo=False,
            dynamic_axes={name: {0: "n", 1: "length"} for name in ("input_ids", "attention_mask")},
            opset_version=17,
        )  # fmt: skip
        # Weights a channel, activations as they come (dynamic): no calibration data is needed.
        # 7 of the 8 bits are used: processors without VNNI saturate otherwise.
        quantize_dynamic(
            whole, small, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8,
            per_channel=True, reduce_range=True,
        )  # fmt: skip
        for name, path in {"ONNX, fp32": whole, "ONNX, int8": small}.items():
            found[name] = _from_onnx(path.read_bytes(), tower)
    return found


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
