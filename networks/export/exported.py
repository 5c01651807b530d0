"""Exported: an ONNX model that was written here, and what must be known of it to check it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from networks.errors import InvalidArtefact
from networks.export.grid import Grid

FORM, KERNELS = "form", "kernels"
"""Keys of the model's metadata."""


class Form(StrEnum):
    """What the layers of few bits are computed with.

    EXACT: floats that take the quantized values, as in training: the same logits as the module.
    INTEGER: whole numbers where the layer has weights of 8 bits or fewer and reads 2 to 8 bits (QDQ, unsigned
        activations), for speed; some outputs are rounded once more (`networks.export.integer`). Others as EXACT.
    """

    EXACT = "exact"
    INTEGER = "integer"


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """What the layers of an exported network are computed with.

    Attributes:
        form: See Form.
        integer: Names of the layers that are to run on whole numbers.
        grids: Layer -> levels that its kernel writes.
        values: Layer -> the value that its kernel writes, where `grids` has it.
        units: Integer layer -> the largest unit that its biases are rounded to.
    """

    form: Form
    integer: tuple[str, ...] = ()
    grids: Mapping[str, Grid] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, float] = field(default_factory=dict)

    def as_text(self) -> dict[str, str]:
        """As metadata of the model."""
        grids = {name: asdict(grid) for name, grid in self.grids.items()}
        told = {"integer": self.integer, "grids": grids, "values": dict(self.values), "units": dict(self.units)}
        return {FORM: self.form.value, KERNELS: json.dumps(told, separators=(",", ":"))}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported network."""

    model: onnx.ModelProto
    kernels: Kernels

    @property
    def content(self) -> bytes:
        """The file."""
        return bytes(self.model.SerializeToString(deterministic=True))

    def save(self, path: Path) -> None:
        """Write the file whole: under another name first."""
        part = path.with_name(path.name + ".part")
        part.write_bytes(self.content)
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Exported:
        """Read a file that `save` has written.

        Raises:
            InvalidArtefact: It is not there, damaged, or not written by this program.
        """
        try:
            return cls.of(path.read_bytes(), path.name)
        except OSError as error:
            raise InvalidArtefact("an exported network must be a file that can be read", str(path.name)) from error

    @classmethod
    def of(cls, content: bytes, name: str = "the file") -> Exported:
        """The model that `content` holds (see `read`)."""
        model = onnx.ModelProto()
        try:
            model.ParseFromString(content)
            onnx.checker.check_model(model)
            text = {entry.key: entry.value for entry in model.metadata_props}
            told: dict[str, Any] = json.loads(text[KERNELS])
            kernels = Kernels(
                form=Form(text[FORM]),
                integer=tuple(told["integer"]),
                grids={key: Grid(**value) for key, value in told["grids"].items()},
                values=dict(told["values"]),
                units=dict(told["units"]),
            )
        except (DecodeError, onnx.checker.ValidationError, KeyError, TypeError, ValueError) as error:
            said = str(error).strip().splitlines()
            raise InvalidArtefact(
                f"{name} must be an ONNX model that was exported here, whole",
                f"{type(error).__name__}: {said[0][:200] if said else ''}",
                "Export the network again.",
            ) from error
        return cls(model=model, kernels=kernels)
