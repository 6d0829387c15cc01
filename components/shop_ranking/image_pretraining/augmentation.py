"""Random views of pictures, the whole batch in one pass of torch."""

import torch
from torch import Tensor
from torch.nn import functional

from components.shop_ranking.towers.image import ImageParams


def augmented(pixels_N3SS: Tensor, generator: torch.Generator, params: ImageParams) -> Tensor:
    """Crop, mirror, and change light at random, (N, 3, S, S) float32 of 0 to 255.

    SimCLR's views (Chen et al. 2020) without its changes of hue: a red shirt is another product
    than a blue one.
    """
    change = params.light_change
    count, device = len(pixels_N3SS), pixels_N3SS.device

    def uniform(low: float, high: float) -> Tensor:
        return (torch.rand(count, generator=generator) * (high - low) + low).to(device)

    side = uniform(params.smallest_crop, 1.0)
    mirror = (uniform(0, 1) < params.mirrored_share).float() * 2 - 1
    shift_x, shift_y = uniform(-1, 1) * (1 - side), uniform(-1, 1) * (1 - side)
    zero = torch.zeros_like(side)
    matrix_N23 = torch.stack([side * mirror, zero, shift_x, zero, side, shift_y], 1).view(-1, 2, 3)
    grid = functional.affine_grid(matrix_N23, list(pixels_N3SS.shape), align_corners=False)
    views = functional.grid_sample(
        pixels_N3SS.float(), grid, padding_mode="border", align_corners=False
    )
    contrast = uniform(1 - change, 1 + change).view(-1, 1, 1, 1)
    light = uniform(-change, change).view(-1, 1, 1, 1) * 255
    mean = views.mean((1, 2, 3), keepdim=True)
    return ((views - mean) * contrast + mean + light).clamp(0, 255)
