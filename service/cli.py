"""The command line: `bespoke design | predict | prune | memory | measure | proxies | devices | ...`, on one library."""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from design.constraints import Constraints, Preferences
from design.device import DeviceKind
from design.devices.catalogue import catalogue
from design.errors import BespokeError
from design.spaces.registry import find_space
from design.task import TASKS, find_task
from optimizer.front import with_front
from optimizer.optimize import optimize
from optimizer.problem import DEFAULT_ENERGY_MODEL, Method, Problem
from predictors.descriptor import describe
from predictors.predict import explain
from service import serve as server
from service import tour as guide
from service.catalogue_search import find_entry
from service.catalogue_search import search as search_catalogue
from service.cli_measured import measure, proxies
from service.cli_memory import memory
from service.designs.schemas import MOST_SEED
from service.documents import complaints, load_device, load_subject
from service.fit_commands import fit_app
from service.jobs.commands import app as jobs_app
from service.keys.commands import app as keys_app
from service.measured_files import adaptation_from
from service.problems import Refusal
from service.pruning.commands import prune
from service.tables import answer_view, device_table, device_view, prediction_view
from service.terminal import show, show_json, visible
from service.worker.commands import migrate, worker

BAD_REQUEST = 2
"""Exit status of a request that cannot be met as it stands: unknown names, contradictory figures."""
INFEASIBLE = 3
"""Exit status of `bespoke design` where no design keeps every limit."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(fit_app, name="fit")

Device = Annotated[str, typer.Option(help="Catalogue id, id@setting, or a profile file (.json, .toml).")]
TaskName = Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Network = Annotated[
    str, typer.Argument(help="Network by name (resnet20, ...), a design file (.json) or an ONNX model (.onnx).")
]
Devices = Annotated[list[str], typer.Option(help="As for design; may be repeated.")]
ShapeHint = Annotated[str | None, typer.Option(help="One picture as CxHxW, where an ONNX model leaves its sides open.")]
Uniform = Annotated[int | None, typer.Option(help="Bits of an ONNX model, edges 8 or more; its own if none.")]
Host = Annotated[
    str, typer.Option(help="Address to listen on; one that other machines reach needs an API key first (bespoke keys).")
]
Url = Annotated[str | None, typer.Option(help="SQLAlchemy address; an SQLite file in bespoke-data if none.")]
NextPort = Annotated[int, typer.Option(min=1, max=65_535, help="The next free one is taken if it is in use.")]
Energy = Annotated[str, typer.Option(help="Energy model by name.")]
Measured = Annotated[
    Path | None, typer.Option("--measurements", help="CSV table of measurements of the device (docs/measurements.md).")
]
Risk = Annotated[float, typer.Option(help="Chance of breaking a limit that you accept, 1e-15 to 0.5.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bespoke {version('bespoke')}")
        raise typer.Exit


@app.callback()
def bespoke(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Made-to-measure neural networks for every edge device."""


@app.command()
def design(
    device: Device,
    task: TaskName = "cifar10",
    latency_ms: Annotated[float | None, typer.Option(help="Most time of one inference call.")] = None,
    energy_mj: Annotated[float | None, typer.Option(help="Most energy of one inference call.")] = None,
    model_kb: Annotated[float | None, typer.Option(help="Most size of the packed weights.")] = None,
    peak_memory_kb: Annotated[float | None, typer.Option(help="Most working memory of one inference.")] = None,
    training_memory_kb: Annotated[float | None, typer.Option(help="Most memory of one training step.")] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Least accuracy, a fraction.")] = None,
    risk: Risk = 0.1,
    weigh: Annotated[
        list[str] | None, typer.Option(help="Preference as name=weight: accuracy, latency, energy, size.")
    ] = None,
    space: Annotated[list[str] | None, typer.Option(help="Space to choose from; may be repeated; all if none.")] = None,
    energy_model: Energy = DEFAULT_ENERGY_MODEL,
    measurements: Measured = None,
    method: Annotated[
        Method,
        typer.Option(
            help="auto: from designs found on proxy devices; network: from networks; either searches only where that "
            "breaks a limit. search: only search. both: search beside auto."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="The same seed gives the same answer.")] = 0,
    as_json: Json = False,
) -> None:
    """Find the best design for a device, a task and limits.

    Exits with 3 where no design keeps every limit; the nearest one is shown.
    """
    limits = Constraints(
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        model_kb=model_kb,
        peak_memory_kb=peak_memory_kb,
        training_memory_kb=training_memory_kb,
        min_accuracy=min_accuracy,
        risk=risk,
    )
    profile = load_device(device)
    problem = Problem(
        device=profile,
        task=find_task(task),
        constraints=limits,
        preferences=_preferences(weigh or []),
        spaces=tuple(find_space(name).name for name in space or []),
        seed=seed,
        energy_model=energy_model,
        adaptation=adaptation_from(measurements, profile, energy_model),
        method=method,
    )
    start = time.perf_counter()
    answer = optimize(problem)
    took = f"{time.perf_counter() - start:.2f} s"
    if as_json:
        show_json(with_front(problem, answer).model_dump(mode="json"))
    else:
        show(answer_view(answer, problem.device.name, task, limits, took))
    if not answer.feasible:
        raise typer.Exit(INFEASIBLE)


def _preferences(weights: list[str]) -> Preferences:
    """Preferences from `name=weight` arguments; only those named count. What is no number is refused as text."""
    if not weights:
        return Preferences()
    stated: dict[str, Any] = {"accuracy": 0.0}
    for text in weights:
        name, _, value = text.partition("=")
        try:
            stated[name] = float(value)
        except ValueError:
            stated[name] = value
    return Preferences.model_validate(stated)


@app.command()
def predict(
    network: Network,
    device: Devices,
    task: Annotated[
        str | None, typer.Option(help="As for design; cifar10 if none. Of an ONNX model: what it was trained for.")
    ] = None,
    input_shape: ShapeHint = None,
    bits: Uniform = None,
    risk: Risk = 0.1,
    energy_model: Energy = DEFAULT_ENERGY_MODEL,
    measurements: Measured = None,
    as_json: Json = False,
) -> None:
    """Predict what a network or an ONNX model will cost on one device or several."""
    limits = Constraints(risk=risk)
    subject = load_subject(network, task, input_shape, bits)
    profiles = [load_device(address) for address in device]
    if measurements is not None and len(profiles) > 1:
        raise BespokeError("measurements must be of one device", f"{len(profiles)} devices", "Ask for one at a time.")
    made = [
        explain(
            subject.design,
            describe(profile),
            subject.task,
            energy_model=energy_model,
            risk=limits.risk,
            adaptation=adaptation_from(measurements, profile, energy_model),
        )
        for profile in profiles
    ]
    if as_json:
        notes = {} if subject.notes is None else {"notes": list(subject.notes)}
        found = [one.model_dump(mode="json") | notes for one in made]
        show_json(found[0] if len(found) == 1 else found)
        return
    for note in subject.notes or ():
        show(Text(f"Note: {note}.", style="dim"))
    for profile, one in zip(profiles, made, strict=True):
        purpose = f" for {subject.task.name}" if subject.task else ""
        show(Text(f"{Path(network).name}{purpose} on {profile.name}\n", style="bold"))
        show(prediction_view(one, limits))


app.command()(measure)
app.command()(memory)
app.command()(prune)
app.command()(worker)
app.command()(migrate)
app.add_typer(keys_app, name="keys")
app.add_typer(jobs_app, name="jobs")
app.command()(proxies)


@app.command()
def devices(
    device_id: Annotated[str | None, typer.Argument(help="Show this device; list all if none.")] = None,
    kind: Annotated[DeviceKind | None, typer.Option(help="Only this kind.")] = None,
    search: Annotated[str, typer.Option(help="Only devices whose id, name, chip or core contains this.")] = "",
    as_json: Json = False,
) -> None:
    """List the device catalogue, or show one device with the source of every figure."""
    if device_id is not None:
        device = find_entry(device_id)
        if as_json:
            show_json(device.model_dump(mode="json"))
        else:
            show(device_view(device))
        return
    wanted = search_catalogue(kind, search)
    if as_json:
        show_json([device.model_dump(mode="json") for device in wanted])
    else:
        show(device_table(wanted))
        show(Text(f"{len(wanted)} of {len(catalogue())} devices", style="dim"))


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535)] = 8080,
    database_url: Url = None,
) -> None:
    """Migrate the database, then serve the REST interface and the dashboard until Ctrl-C."""
    server.serve(host=host, port=port, database_url=database_url, say=lambda text: show(Text(text)))


@app.command()
def tour(
    port: NextPort = 8080,
    database_url: Url = None,
    once: Annotated[bool, typer.Option("--once", help="Exit after printing.")] = False,
) -> None:
    """Start the service, have a Raspberry Pi 4 design made through it, show it, and keep serving."""
    guide.tour(port=port, database_url=database_url, once=once, show=show)


def main() -> None:
    """Run the command line; a request that cannot be met is one message and exit status 2, not a traceback."""
    try:
        app()
    except BespokeError as error:
        _complain([str(error)])
    except ValidationError as error:
        _complain(complaints(error))
    except Refusal as refusal:
        _complain([refusal.detail])


def _complain(sentences: list[str]) -> None:
    for sentence in sentences:
        sys.stderr.write(f"bespoke: {visible(sentence)}\n")
    raise SystemExit(BAD_REQUEST)


if __name__ == "__main__":
    main()
