"""The command `bespoke memory`: what one training step takes, and the largest batch that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from design.design import Design
from design.encoding import EncodedDesigns, encode_designs
from design.errors import BespokeError
from design.policies import policy_by_role
from design.precision import BINARY, precision
from design.training_memory import (
    LIFETIMES,
    LOW_MEMORY,
    PUBLISHED,
    STANDARD,
    TRAINING_BATCH_SIZE,
    TrainingMethod,
    TrainingOptim,
    Variable,
    largest_batch,
    training_bytes,
    variable_bytes,
)
from service.documents import load_device, load_subject
from service.tables import new_table
from service.terminal import show, show_json
from service.units import kilobytes

METHODS: dict[str, TrainingMethod] = {"standard": STANDARD, "low_memory": LOW_MEMORY, "published": PUBLISHED}
"""Standard training, low-memory training as it is done here, and as the paper counts it."""


def memory(
    network: Annotated[
        str, typer.Argument(help="Network by name (binarynet, ...), a design file (.json) or an ONNX model (.onnx).")
    ],
    task: Annotated[str | None, typer.Option(help="As for predict.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=1 << 20, help="Pictures in a step.")] = TRAINING_BATCH_SIZE,
    optim: Annotated[TrainingOptim, typer.Option(help="What steps the weights.")] = TrainingOptim.ADAM,
    binary: Annotated[
        bool, typer.Option("--binary", help="Count it with binary layers; the first and the last keep 8 bits.")
    ] = False,
    limit_mb: Annotated[float | None, typer.Option(min=1e-6, help="Memory for training, in 10^6 bytes.")] = None,
    device: Annotated[str | None, typer.Option(help="Take the memory of this device for the limit.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count the memory of a training step, variable by variable, standard and low-memory; nothing is measured.

    With a limit it also says the largest batch that fits.
    """
    subject = load_subject(network, task, None, None)
    design = _binary(subject.design) if binary else subject.design
    encoded = encode_designs([design])
    limit_bytes = _limit(limit_mb, device)
    found = {name: _counted(encoded, batch, method, optim, limit_bytes) for name, method in METHODS.items()}
    if as_json:
        show_json({"network": network, "batch_size": batch, "optim": optim.value, "limit_bytes": limit_bytes} | found)
        return
    show(_table(f"{Path(network).name}: one training step of {batch} pictures, {optim.value}", found, limit_bytes))


def _binary(design: Design) -> Design:
    """The same network with binary layers between edges of 8 bits."""
    policy = policy_by_role(design.architecture, body=BINARY, edge=precision(8))
    return Design(architecture=design.architecture, policy=policy, plan=design.plan)


def _limit(limit_mb: float | None, device: str | None) -> float | None:
    if device is None:
        return None if limit_mb is None else 1e6 * limit_mb
    profile = load_device(device)
    if limit_mb is not None:
        raise BespokeError("the limit must be given once", "--limit-mb and --device", "Leave one of them out.")
    if profile.ram_kb is None:
        raise BespokeError(
            f"the profile of {profile.name} must state ram_kb", "nothing", "Give the memory as --limit-mb."
        )
    return 1024 * profile.ram_kb


def _counted(
    encoded: EncodedDesigns, batch: int, method: TrainingMethod, optim: TrainingOptim, limit_bytes: float | None
) -> dict[str, Any]:
    parts = variable_bytes(encoded, batch_size=batch, method=method, optim=optim)
    found: dict[str, Any] = {
        "bytes": int(training_bytes(encoded, batch_size=batch, method=method, optim=optim)[0]),
        "variables": {name.value: int(size[0]) for name, size in parts.items()},
    }
    if limit_bytes is not None:
        found["largest_batch"] = int(largest_batch(encoded, limit_bytes, method=method, optim=optim)[0])
    return found


def _table(title: str, found: dict[str, dict[str, Any]], limit_bytes: float | None) -> Table:
    table = new_table(title, "variable", "alive", "standard", "low-memory", "as published", left=2)
    for variable in Variable:
        sizes = [kilobytes(one["variables"][variable.value]) for one in found.values()]
        table.add_row(Text(variable.value), LIFETIMES[variable].value, *sizes)
    table.add_row(Text("all", style="bold"), "", *(kilobytes(one["bytes"]) for one in found.values()))
    if limit_bytes is not None:
        batches = (f"{one['largest_batch']:,}" for one in found.values())
        table.add_row(Text(f"largest batch in {kilobytes(limit_bytes)}"), "", *batches)
    return table
