"""Terminal: how the command line prints."""

from __future__ import annotations

import json
import sys
import unicodedata
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

PLAIN_WIDTH = 118
"""Columns where the output is not a terminal."""


def show(what: RenderableType) -> None:
    """Print for people."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(_Visible(what), highlight=False)


def visible(text: str) -> str:
    """The text with every sign that steers a terminal written out as an escape: names may come from anywhere."""
    return "".join(one if one == "\n" or unicodedata.category(one)[0] != "C" else _written(one) for one in text)


def _written(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")


@dataclass(frozen=True)
class _Visible:
    """Whatever is printed, without signs that steer the terminal but those of its own styles."""

    what: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.what, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def show_json(what: Any) -> None:
    """Print for programs."""
    sys.stdout.write(json.dumps(what, indent=2, ensure_ascii=False) + "\n")
