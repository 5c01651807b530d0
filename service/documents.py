"""Documents: device profiles and designs read from files that the user names on the command line."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from design.design import Design
from design.device import DeviceProfile
from design.devices.catalogue import find_device
from design.errors import BespokeError
from design.task import Task, find_task
from design.zoo import NETWORKS, find_network
from networks.tracing.onnx_model import trace_onnx
from service.faults import genuine

MAX_BYTES = 16_000_000
MAX_MODEL_BYTES = 1 << 31
_SUFFIXES = (".json", ".toml")
_MODEL_SUFFIX = ".onnx"
DEFAULT_TASK = "cifar10"
Model = TypeVar("Model", bound=BaseModel)


class InvalidDocument(BespokeError):
    """A file that cannot be read as what it should hold."""


def complaints(error: ValidationError) -> list[str]:
    """What is wrong with a document, one sentence for each fault: where, what must hold, what came."""
    found = []
    for fault in genuine([dict(one) for one in error.errors(include_url=False)]):
        cause = fault.get("ctx", {}).get("error")
        where = "/".join(str(part) for part in fault["loc"])
        came = (
            "" if isinstance(cause, BespokeError) or fault["type"] == "missing" else f", but got {fault['input']!r:.80}"
        )
        said = str(cause) if isinstance(cause, BespokeError) else f"{fault['msg']}{came}"
        found.append(f"{where}: {said}" if where else said)
    return found


def is_file_name(text: str) -> bool:
    """Whether an argument names a file rather than something we know by name."""
    return text.lower().endswith(_SUFFIXES)


def read_document(path: Path) -> dict[str, Any]:
    """The table in a JSON or TOML file.

    Raises:
        InvalidDocument: No such file, too large, or not valid.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidDocument(f"{path} must be at most {MAX_BYTES:,} bytes", f"{path.stat().st_size:,}")
        text = path.read_text("utf-8-sig")
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDocument(f"{path} must be a readable text file", str(error)) from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidDocument(f"{path} must be valid {path.suffix[1:].upper()}", str(error)) from error
    if not isinstance(content, dict):
        raise InvalidDocument(f"{path} must hold one object", type(content).__name__)
    return content


def _parse(model: type[Model], content: dict[str, Any], path: Path) -> Model:
    try:
        # JSON mode: a list stands for a tuple
        return model.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise InvalidDocument(f"{path} must be a valid {model.__name__}", "; ".join(complaints(error))) from error


def load_device(address: str) -> DeviceProfile:
    """The device at `id`, `id@setting`, or in a profile file (`.json`, `.toml`).

    Raises:
        UnknownName: Not in the catalogue.
        InvalidDocument: The file does not hold a device profile.
    """
    if not is_file_name(address):
        return find_device(address)
    path = Path(address)
    return _parse(DeviceProfile, read_document(path), path)


def load_design(address: str, task: Task) -> Design:
    """A named network for a task, or the design in a JSON file (an answer of `bespoke design --json` will do).

    Raises:
        UnknownName: No such network.
        InvalidDocument: The file does not hold a design.
    """
    path = Path(address)
    if not is_file_name(address):
        if address not in NETWORKS and path.exists():
            raise InvalidDocument(
                "a design must be in a file ending in .json or .toml, a model in one ending in .onnx",
                f"the {'folder' if path.is_dir() else 'file'} {address!r}",
                "Name such a file, or one of the known networks.",
            )
        return find_network(address).design(task)
    content = read_document(path)
    return _parse(Design, content.get("design", content), path)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a prediction is asked for.

    Attributes:
        task: None: an ONNX model of whose task nothing was said.
        notes: What reading a model left out or approximated; None: it is no model file.
    """

    design: Design
    task: Task | None
    notes: tuple[str, ...] | None = None


def load_subject(address: str, task: str | None, input_shape: str | None, bits: int | None) -> Subject:
    """A named network, the design in a JSON file, or the ONNX model in a file.

    Args:
        address: Name or file.
        task: Name of the task; None: the usual one, or none for a model.
        input_shape: One picture as CxHxW, for models that leave their sides open.
        bits: Of a model's layers; None: its own.

    Raises:
        BespokeError: Not known, not readable, or a task that does not fit.
    """
    if not address.lower().endswith(_MODEL_SUFFIX):
        for name, given in (("--input-shape", input_shape), ("--bits", bits)):
            if given is not None:
                raise InvalidDocument(f"{name} must come with an ONNX model (.onnx)", repr(address))
        target = find_task(task or DEFAULT_TASK)
        return Subject(design=load_design(address, target), task=target)
    path = Path(address)
    hint = None if input_shape is None else sides_of(input_shape)
    traced = trace_onnx(read_model(path), name=path.stem, input_shape=hint).at_bits(bits)
    target_of_model = None if task is None else find_task(task)
    if target_of_model is not None:
        found = (traced.architecture.input_shape, traced.architecture.layers[-1].out_channels)
        wanted = (target_of_model.input_shape, target_of_model.classes)
        if found != wanted:
            raise InvalidDocument(
                f"the task must have pictures and classes as the model: {found[0]} and {found[1]}",
                f"{wanted[0]} and {wanted[1]}",
                "Leave --task out.",
            )
    return Subject(design=traced.design, task=target_of_model, notes=traced.notes)


def sides_of(text: str) -> tuple[int, ...]:
    """The dimensions in CxHxW.

    Raises:
        InvalidDocument: Written otherwise.
    """
    if re.fullmatch(r"[0-9]{1,8}(x[0-9]{1,8}){0,3}", text) is None:
        raise InvalidDocument("--input-shape must be CxHxW, for example 3x224x224", repr(text))
    return tuple(int(side) for side in text.split("x"))


def read_model(path: Path) -> bytes:
    """The content of a model file.

    Raises:
        InvalidDocument: Not there, or too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise InvalidDocument(f"{path} must have at most {MAX_MODEL_BYTES:,} bytes", f"{size:,}")
        return path.read_bytes()
    except OSError as error:
        raise InvalidDocument(f"{path} must be a readable file", str(error)) from error
