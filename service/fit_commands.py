"""`bespoke fit`: fits what ships, from a folder of published tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from design.spaces.registry import find_space
from optimizer.fit_library import fit_libraries
from optimizer.fit_optimizer import fit_optimizer
from optimizer.neural_weights import WEIGHTS as OPTIMIZER_WEIGHTS
from predictors.fit_predictors import fit_predictors
from predictors.storage import WEIGHTS

fit_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Fit the shipped weights from measured tables.")

Data = Annotated[Path, typer.Option(help="Folder of measured tables.", exists=True, file_okay=False)]
OptimizerOut = Annotated[Path, typer.Option(help="Folder that files and their cards are written to.")]
Out = Annotated[Path, typer.Option(help="Folder that weights and model cards are written to.", file_okay=False)]


@fit_app.callback()
def fit() -> None:
    """Fit the shipped weights from measured tables."""


@fit_app.command()
def predictors(data: Data, out: Out = WEIGHTS) -> None:
    """Reproduce all weights that predictions ship with, and their model cards."""
    fit_predictors(data, out, _say)


@fit_app.command()
def optimizer(
    out: OptimizerOut = OPTIMIZER_WEIGHTS,
    only: Annotated[str | None, typer.Option(help="One space alone.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Networks fitted at a time, one thread each.")] = 2,
) -> None:
    """Fit the networks of the amortised optimizer to answers of the shipped libraries, and write their model cards."""
    if only is not None:
        find_space(only)
    fit_optimizer(out, _say, only=only, processes=processes)


@fit_app.command()
def libraries(
    out: OptimizerOut = OPTIMIZER_WEIGHTS,
    only: Annotated[str | None, typer.Option(help="One space alone.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Libraries made at a time, one thread each.")] = 2,
) -> None:
    """Search proxy devices anew for the libraries that answers come from; the networks (`optimizer`) rest on them."""
    if only is not None:
        find_space(only)
    fit_libraries(out, _say, only=only, processes=processes)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
