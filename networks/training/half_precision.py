"""Where bfloat16 pays: hardware that multiplies it, not a processor that imitates it many times slower."""

from __future__ import annotations

import torch

NATIVE = frozenset({"avx512_bf16", "amx_bf16", "avx10_2", "arm_bf16", "bf16"})
"""Capabilities of processors, as torch names them, that mean arithmetic in bfloat16."""


def bf16_is_native(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 itself.

    Without, convolutions under autocast take about twelve times as long as in float32 (measured on a processor with
    AVX2 alone; docs/log.md).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in NATIVE)
