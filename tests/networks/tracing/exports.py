"""Exports of modules, and what of two traces must be the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from design.layer import Activation, Op, Role
from networks.tracing.trace import Traced


def exported(module: nn.Module, *, side: int = 32, optimize: bool = True, dynamo: bool = True) -> bytes:
    picture = torch.zeros(1, 3, side, side)
    if dynamo:
        program = torch.onnx.export(module.eval(), (picture,), dynamo=True, optimize=optimize, verbose=False)
        assert program is not None
        return bytes(program.model_proto.SerializeToString())
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        torch.onnx.export(module.eval(), (picture,), file.name, dynamo=False, opset_version=17)
        return Path(file.name).read_bytes()


def steps(traced: Traced) -> list[tuple[Op, tuple[int, int, int], Activation, Role, int, int]]:
    return [
        (one.op, one.out_shape, one.activation, one.role, one.macs, one.weights) for one in traced.architecture.layers
    ]
