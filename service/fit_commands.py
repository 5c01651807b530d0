"""`bespoke fit`: fits what ships, from a folder of published tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from predictors.fit_predictors import fit_predictors
from predictors.storage import WEIGHTS

fit_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Fit the shipped weights from measured tables.")

Data = Annotated[Path, typer.Option(help="Folder of measured tables.", exists=True, file_okay=False)]
Out = Annotated[Path, typer.Option(help="Folder that weights and model cards are written to.", file_okay=False)]


@fit_app.callback()
def fit() -> None:
    """Fit the shipped weights from measured tables."""


@fit_app.command()
def predictors(data: Data, out: Out = WEIGHTS) -> None:
    """Reproduce all weights that predictions ship with, and their model cards."""
    fit_predictors(data, out, _say)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
