"""The command `bespoke prune`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from design.constraints import Constraints
from networks.export.trained import save_trained
from networks.runtime.speed_up import speed_up
from networks.training.batches import Normalisation
from optimizer.problem import DEFAULT_ENERGY_MODEL
from predictors.descriptor import describe
from service.documents import load_device
from service.pruning.model import InvalidPruning, Limit, amount_of, load_model
from service.pruning.model import prune as pruned_model
from service.pruning.pictures import read_samples
from service.pruning.report import report as report_of
from service.pruning.report import view
from service.terminal import show, show_json

Model = Annotated[str, typer.Argument(help="ONNX model (.onnx), or a design (.json, or by name) with --weights.")]


def prune(
    model: Model,
    out: Annotated[
        Path | None,
        typer.Option(
            help="ONNX file to write; a report is written beside it (.json). Default: MODEL-pruned.onnx in this folder."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Catalogue id, id@setting, or a profile file.")] = None,
    latency_ms: Annotated[float | None, typer.Option(help="Most predicted time of one inference call.")] = None,
    energy_mj: Annotated[float | None, typer.Option(help="Most predicted energy of one inference call.")] = None,
    macs: Annotated[float | None, typer.Option(help="Most multiply-accumulates that remain.")] = None,
    parameters: Annotated[float | None, typer.Option(help="Most parameters that remain.")] = None,
    model_bytes: Annotated[float | None, typer.Option("--bytes", help="Most bytes of weights that remain.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Pictures to choose by: an .npz file or a folder of classes (docs/tracing.md).")
    ] = None,
    mean: Annotated[str | None, typer.Option(help="Of 8-bit pictures, per channel, 0 to 1: 0.49,0.48,0.45.")] = None,
    deviation: Annotated[str | None, typer.Option(help="As --mean.")] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Scale pictures of another size.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Trained weights (.safetensors) of a design.")] = None,
    weights_out: Annotated[
        Path | None, typer.Option(help="Also write the weights that remain, to train on (.safetensors).")
    ] = None,
    task: Annotated[str, typer.Option(help="Of a network given by name.")] = "cifar10",
    input_shape: Annotated[str | None, typer.Option(help="One picture as CxHxW, where a model leaves it open.")] = None,
    multiple: Annotated[
        int, typer.Option(min=1, max=64, help="Keep multiples of so many filters where the limit allows it.")
    ] = 8,
    risk: Annotated[
        float, typer.Option(help="Chance of breaking a predicted limit that you accept, 1e-15 to 0.5.")
    ] = 0.1,
    energy_model: Annotated[str, typer.Option(help="Energy model by name.")] = DEFAULT_ENERGY_MODEL,
    measured: Annotated[bool, typer.Option("--measure", help="Also time both on this machine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report.")] = False,
) -> None:
    """Remove filters of a trained model until it keeps a limit, and write the smaller model.

    With pictures, filters are chosen by their sensitivity, and the report says what every layer loses at most; without,
    by their weights.
    """
    figures = {
        "latency_ms": latency_ms,
        "energy_mj": energy_mj,
        "macs": macs,
        "parameters": parameters,
        "bytes": model_bytes,
    }
    limit = _limit(figures, Constraints(risk=risk).risk)
    source = Path(model)
    out = out or Path(f"{source.stem if source.suffix in ('.onnx', '.json') else source.name}-pruned.onnx")
    beside = out.with_suffix(".json")
    read = [Path(model), data, weights, None if device is None else Path(device)]
    _check_files([out, beside, *([weights_out] if weights_out else [])], read)
    described = None if device is None else describe(load_device(device))
    amount = amount_of(limit, described, energy_model)
    found = load_model(model, weights, input_shape, task)
    shape = found.design.architecture.input_shape
    normalisation = _normalisation(mean, deviation, shape[0])
    samples = None
    if data is not None:
        samples = read_samples(data, shape, found.metadata, normalisation, resize=resize)
    made = pruned_model(found, limit, amount, samples, multiple)
    timed = speed_up(found.network, made.network) if measured else None
    document = report_of(
        found,
        made,
        limit,
        device=described,
        energy_model=energy_model,
        samples=samples,
        measured=timed,
        out=out,
    )
    made.exported.save(out)
    _write(beside, json.dumps(document, indent=1, ensure_ascii=False))
    if weights_out is not None:
        save_trained(made.network, made.design, weights_out, task=found.metadata.get("task", task), seed=0)
    if as_json:
        show_json(document)
        return
    for note in found.notes:
        show(Text(f"Note: {note}.", style="dim"))
    show(view(document))
    show(Text(f"Written: {out} and {beside.name}."))


def _limit(figures: dict[str, float | None], risk: float) -> Limit:
    named = {name: value for name, value in figures.items() if value is not None}
    if len(named) != 1:
        raise InvalidPruning(
            "exactly one limit must be given",
            f"{len(named)}",
            "Give --latency-ms, --energy-mj, --macs, --parameters or --bytes.",
        )
    ((name, value),) = named.items()
    if not value > 0:
        raise InvalidPruning("a limit must be above 0", f"{value:g}")
    return Limit(figure=name, target=value, risk=risk)


def _check_files(written: list[Path], read: list[Path | None]) -> None:
    """Nothing that is read is written over, and everything can be written, before any work is done."""
    sources = {one.resolve() for one in read if one is not None}
    for path in written:
        if path.resolve() in sources:
            raise InvalidPruning("a file that is read must not be written over", f"{path}", "Choose another --out.")
        if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise InvalidPruning("files must be written into a folder that is there and open to you", f"{path}")
    if len({path.resolve() for path in written}) < len(written):
        raise InvalidPruning(
            "the model, its report and its weights must be different files", f"{written[0]}", "Let --out end in .onnx."
        )


def _normalisation(mean: str | None, deviation: str | None, channels: int) -> Normalisation | None:
    if mean is None and deviation is None:
        return None
    try:
        found = [tuple(float(one) for one in (text or "").split(",")) for text in (mean, deviation)]
    except ValueError:
        found = []
    if [len(one) for one in found] != [channels] * 2 or min(found[1]) <= 0:
        raise InvalidPruning(
            f"--mean and --deviation must both name {channels} numbers, deviations above 0",
            f"{mean!r} and {deviation!r}",
        )
    return Normalisation(mean=found[0], deviation=found[1])


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(path)
