"""Terminal: how the command line prints."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType

PLAIN_WIDTH = 118
"""Columns where the output is not a terminal."""


def show(what: RenderableType) -> None:
    """Print for people."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(what, highlight=False)


def show_json(what: Any) -> None:
    """Print for programs."""
    sys.stdout.write(json.dumps(what, indent=2, ensure_ascii=False) + "\n")
