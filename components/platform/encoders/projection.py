"""The last layer of a content tower: an affine map to unit vectors.

Pretrained encoders put all vectors into a narrow cone, where the mean of a shopper's items is
close to everything. Whitening undoes that (Su et al. 2021, "Whitening sentence representations").
It is done inside the tower, so that items, queries and shoppers share one space and the score is a
plain dot product.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.platform.errors import ModelError
from components.platform.params import WhiteningParams


class Projection(nn.Module):
    """Unit vectors normalize(W x + b), (N, width) -> (N, dim)."""

    def __init__(self, width: int, dim: int) -> None:
        """Map to at most as many dimensions as there are.

        Raises:
            ModelError: dim is larger.

        """
        super().__init__()
        if dim > width:
            raise ModelError(
                f"vectors of at most {width} dimensions, as the encoder's", f"{dim}", "lower dim"
            )
        self.linear = nn.Linear(width, dim)

    def forward(self, inputs_NW: Tensor) -> Tensor:
        """Project and normalise."""
        return functional.normalize(self.linear(inputs_NW), dim=-1)

    @torch.no_grad()
    def whiten(self, inputs_NW: np.ndarray, params: WhiteningParams) -> None:
        """Set W to the leading principal axes of the inputs, evened out, and centre.

        The outputs have mean zero and mean length one before they are normalised. Without any
        input the map stays as it was.
        """
        if len(inputs_NW) == 0:
            return
        mean_W = inputs_NW.mean(0, dtype=np.float64)
        centred_NW = (inputs_NW - mean_W).astype(np.float32)
        covariance_WW = centred_NW.T @ centred_NW / len(inputs_NW)
        values_W, axes_WW = np.linalg.eigh(covariance_WW.astype(np.float64))
        kept = slice(None, -self.linear.out_features - 1, -1)  # the largest, in descending order
        level = max(values_W.mean(), np.finfo(np.float32).tiny)
        shrunk = params.shrinkage * level
        evened = (1 - params.shrinkage) * np.maximum(values_W[kept], 0) + shrunk
        weight_DW = (axes_WW[:, kept] * (evened / level) ** (-params.power / 2)).T
        weight_DW /= max(_mean_length(centred_NW @ weight_DW.T), 1e-12)
        self.linear.weight.copy_(torch.from_numpy(weight_DW))
        self.linear.bias.copy_(torch.from_numpy(-weight_DW @ mean_W))

    @torch.no_grad()
    def centre(self, inputs_NW: np.ndarray) -> None:
        """Shift so that the outputs have mean zero before they are normalised."""
        if len(inputs_NW) == 0:
            return
        mean_W = torch.from_numpy(inputs_NW.mean(0, dtype=np.float64).astype(np.float32))
        self.linear.bias.copy_(-(self.linear.weight @ mean_W))

    @torch.inference_mode()
    def apply_to(self, inputs_NW: np.ndarray) -> np.ndarray:
        """Project a matrix, (N, width) float32 -> (N, dim) float32."""
        device = self.linear.weight.device
        return self(torch.from_numpy(inputs_NW).to(device)).cpu().numpy()


def _mean_length(vectors_ND: np.ndarray) -> float:
    return float(np.linalg.norm(vectors_ND, axis=1).mean())
