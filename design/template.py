"""Template: the layers of a slot with the genes that set their bits and filters, instead of the bits and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from design.layer import Layer

REMEMBERED = 512
"""Templates of each slot."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """The layers of one slot, named locally; `input` is the output of the slot before.

    Attributes:
        layers: In order, before pruning; the last one is the slot's output. Empty: the slot passes its input on.
        precision: Each weighted layer -> the gene (its index) that sets its precision.
        kept: Layer -> the gene that sets the share of its filters kept; other layers keep all their filters.
        residual: The gene that sets the bits of additions.
    """

    layers: tuple[Layer, ...] = ()
    precision: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    residual: int | None = None


@dataclass(frozen=True, kw_only=True)
class TemplateSlot:
    """One place of a space's chain of blocks.

    Attributes:
        genes: Indices of the ARCHITECTURE genes that the layers depend on.
        build: Their values (in that order) -> the template, made once for those asked about lately.
    """

    name: str
    genes: tuple[int, ...]
    build: Callable[[tuple[int, ...]], Template]

    def __post_init__(self) -> None:
        object.__setattr__(self, "build", lru_cache(maxsize=REMEMBERED)(self.build))
