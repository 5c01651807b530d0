"""The commands `bespoke measure` and `bespoke proxies`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from design.device import DeviceKind
from optimizer.problem import DEFAULT_ENERGY_MODEL
from predictors.energy import find_energy_model
from predictors.proxies import proxies as find_proxies
from service.documents import load_device
from service.measured_files import read_measurements, suggest
from service.measured_tables import measured_document, measured_view, proxy_table
from service.proxies.operations import document as proxy_document
from service.proxies.operations import tables as published_tables
from service.terminal import show, show_json

Device = Annotated[str, typer.Argument(help="Catalogue id, id@setting, or a profile file (.json, .toml).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def measure(
    device: Device,
    file: Annotated[Path, typer.Argument(help="CSV table of measurements (docs/measurements.md).")],
    task: Annotated[str, typer.Option(help="For which networks are suggested.")] = "cifar10",
    space: Annotated[str | None, typer.Option(help="Suggest only members of this space.")] = None,
    energy_model: Annotated[str, typer.Option(help="Energy model by name.")] = DEFAULT_ENERGY_MODEL,
    as_json: Json = False,
) -> None:
    """Adapt the predictors to measurements of a device and say what that did; nothing is stored.

    Shows the errors before and after, what became of every row, and what to measure next.
    """
    profile = load_device(device)
    found = read_measurements(file, profile, find_energy_model(energy_model).name)
    following = suggest(found, profile, task, space)
    if as_json:
        show_json(measured_document(found, following))
    else:
        show(measured_view(profile.name, found, following))


def proxies(
    device: Device,
    limit_ms: Annotated[float | None, typer.Option(min=1e-9, help="Latency limit, said for each proxy.")] = None,
    kind: Annotated[DeviceKind | None, typer.Option(help="Only this kind.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Show so many.")] = 10,
    measurements: Annotated[Path | None, typer.Option(help="CSV table of measurements of the device.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of published tables (nb201.npz, fbnet.npz).")] = None,
    as_json: Json = False,
) -> None:
    """Which devices of the catalogue rank designs as this one does, whether their fronts may be reused, and why."""
    profile = load_device(device)
    own = read_measurements(measurements, profile, DEFAULT_ENERGY_MODEL).adapted if measurements else None
    found = find_proxies(
        profile,
        tables=published_tables(data),
        limit_ms=limit_ms,
        target_predictor=own.latency if own else None,
        latency_ms=own.latency_ms if own else None,
    )
    documents = [proxy_document(one) for one in found]
    documents = [one for one in documents if kind in (None, one.kind)][:count]
    if as_json:
        show_json([one.model_dump(mode="json") for one in documents])
    else:
        show(proxy_table(profile.name, documents))
