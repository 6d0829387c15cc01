"""Number format of a network's forward pass."""

from functools import cache

import torch


@cache
def has_bfloat16(device_type: str) -> bool:
    """Whether the device multiplies in bfloat16 by instruction.

    On such a processor a Transformer runs about three times as fast (docs/benchmarks.md); without
    the instructions bfloat16 is emulated and slower than float32.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def fast_arithmetic(device: torch.device) -> torch.autocast:
    """Return a context that computes matrix products in bfloat16 where that is faster.

    Weights, sums and losses stay float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device.type))
