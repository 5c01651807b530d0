"""bfloat16 is used where the hardware has it, and nowhere else unless asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from networks.training.fit import fit
from networks.training.half_precision import bf16_is_native
from networks.training.options import FitOptions
from tests.networks.training.tiny import digits, tiny_net

SHORT = FitOptions(epochs=1, batch_size=64, warmup_epochs=0)


def capabilities(monkeypatch: pytest.MonkeyPatch, **found: bool | str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)


@pytest.mark.parametrize(
    ("found", "native"),
    [
        ({"avx2": True, "avx512_bf16": False, "cpu_name": "one"}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"arm_bf16": True}, True),
        ({}, False),
    ],
)
def test_what_a_processor_has_decides(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, bool | str], native: bool
) -> None:
    capabilities(monkeypatch, **found)
    assert bf16_is_native(torch.device("cpu")) is native


def test_other_devices_compute_in_float32() -> None:
    assert not bf16_is_native(torch.device("meta"))


@pytest.mark.parametrize(
    ("asked", "native", "used"), [(None, True, True), (None, False, False), (True, False, True), (False, True, False)]
)
def test_training_follows_the_option_else_the_hardware(
    monkeypatch: pytest.MonkeyPatch, asked: bool | None, native: bool, used: bool
) -> None:
    capabilities(monkeypatch, avx512_bf16=native)
    module = tiny_net()
    seen: set[torch.dtype] = set()
    convolution = next(own for own in module.modules() if isinstance(own, nn.Conv2d))

    def look(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen.add(output.dtype)

    convolution.register_forward_hook(look)
    fit(module, digits(), replace(SHORT, bf16=asked))
    assert (torch.bfloat16 in seen) is used
