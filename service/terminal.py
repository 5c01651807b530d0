"""Terminal: how the command line prints."""

from __future__ import annotations

import json
import sys
import unicodedata
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
PLAIN_WIDTH = 118
"""Columns where the output is not a terminal."""


def show(what: RenderableType) -> None:
    """Print for people."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(_Visible(what), highlight=False)


def visible(text: str) -> str:
    """The text with every sign that steers a terminal written out as an escape: names may come from anywhere.

    Those are control characters, halves of signs and marks that turn the direction of what follows.
    """
    return "".join(_written(one) if _steers(one) else one for one in text)


def _steers(sign: str) -> bool:
    return sign != "\n" and (unicodedata.category(sign) in ("Cc", "Cs") or sign in DIRECTIONS)


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
