"""The command line that all benchmarks share: arguments in, one JSON object last on standard output."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the command line said.

    Attributes:
        data: Folder of measurement tables.
        quick: End within ten minutes on two cores.
        seeds: Repetitions.
        json: Where the JSON object goes; `-` is standard output.
    """

    data: Path
    quick: bool
    seeds: int
    json: str


def base_parser(description: str, *, seeds: int = 1) -> argparse.ArgumentParser:
    """The arguments that every benchmark has; `seeds` is the default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of measurement tables")
    parser.add_argument("--quick", action="store_true", help="end within ten minutes on two cores")
    parser.add_argument("--seeds", type=int, default=seeds, metavar="N", help=f"repetitions (default {seeds})")
    parser.add_argument("--json", default="-", metavar="FILE", help="where the JSON object goes (default: - , stdout)")
    return parser


def parse(description: str, arguments: Sequence[str] | None = None, *, seeds: int = 1) -> Arguments:
    """Read the command line (None: that of the process)."""
    parser = base_parser(description, seeds=seeds)
    return checked(parser, parser.parse_args(arguments))


def checked(parser: argparse.ArgumentParser, found: argparse.Namespace) -> Arguments:
    """The arguments that every benchmark has; the parser ends the process over wrong ones."""
    if not found.data.is_dir():
        parser.error(f"--data must be a folder, but got {found.data}")
    if found.seeds < 1:
        parser.error(f"--seeds must be at least 1, but got {found.seeds}")
    return Arguments(data=found.data, quick=found.quick, seeds=found.seeds, json=found.json)


def say(line: str) -> None:
    """A line for people: tables and progress go to standard error."""
    sys.stderr.write(line + "\n")


def write(result: dict[str, Any], to: str) -> None:
    """One JSON object on one line, to a file or (`-`) standard output."""
    text = json.dumps(result, allow_nan=False) + "\n"
    if to == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        Path(to).write_text(text, encoding="utf-8")


def main(
    description: str,
    measure: Callable[[Arguments], dict[str, Any]],
    arguments: Sequence[str] | None = None,
    *,
    seeds: int = 1,
) -> None:
    """Parse, measure, write."""
    parsed = parse(description, arguments, seeds=seeds)
    write(measure(parsed), parsed.json)
