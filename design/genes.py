"""Gene: one choice of a space; GeneSpace: what all spaces over vectors of genes share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np

from design.architecture import INPUT, Architecture
from design.design import Design, Genotype
from design.distinct import without_doubles
from design.encoding import IntArray
from design.errors import InvalidGenotype, TaskTooSmall
from design.layer import Layer, Op
from design.precision import Bits, Precision, PrecisionPolicy
from design.pruning import PruningPlan
from design.task import Task


class GeneKind(StrEnum):
    """What a gene decides."""

    ARCHITECTURE = "architecture"
    PRECISION = "precision"
    FILTERS = "filters"


@dataclass(frozen=True, kw_only=True)
class Gene:
    """One choice of a space.

    Attributes:
        choices: What may be chosen, as shown to people; a genotype holds indices into it. Where the choices are
            ordered (bits, widths), the order is from most to least.
        precisions: For genes of kind PRECISION that set a layer's Precision: the precision of each choice.
    """

    name: str
    kind: GeneKind
    choices: tuple[Any, ...]
    precisions: tuple[Precision, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """The layers of one slot of a chain, named locally; `input` is the output of the slot before.

    Attributes:
        layers: In order, before pruning; the last one is the slot's output. Empty: the slot passes its input on.
        precision: Weighted layer -> precision.
        kept: Layer -> filters kept, for layers that keep fewer than all.
        residual_bits: Of additions.
    """

    layers: tuple[Layer, ...]
    precision: Mapping[str, Precision]
    kept: Mapping[str, int] = field(default_factory=dict)
    residual_bits: Bits = 32


Place = TypeVar("Place")
"""What a space says about one place of its chain of blocks."""


class GeneSpace(Generic[Place]):
    """A space whose networks are chains of slots, each decided by genes; only one tensor crosses between slots."""

    name: str
    description: str
    minimum_side: int = 1

    def __init__(self) -> None:
        self._layouts: dict[Task, tuple[tuple[Gene, ...], tuple[Place, ...]]] = {}

    # What a subclass says

    def layout(self, task: Task) -> tuple[tuple[Gene, ...], tuple[Place, ...]]:
        """Genes and slots for a task; called once per task."""
        raise NotImplementedError  # pragma: no cover

    def parts(self, task: Task, values: IntArray) -> Iterable[tuple[str, Part]]:
        """Name and layers of each slot for one canonical genotype (G)."""
        raise NotImplementedError  # pragma: no cover

    def canonical(self, task: Task, genotypes: IntArray) -> IntArray:
        """See Space; a subclass with genes that can lose their effect overrides this."""
        return self._checked(task, genotypes)

    def size(self, task: Task) -> int:
        """See Space; right where every gene always has an effect."""
        total = 1
        for gene in self.genes(task):
            total *= len(gene.choices)
        return total

    def title(self, task: Task, values: IntArray) -> str:
        """What people call the network of these choices."""
        del task, values
        return self.name

    # What follows

    def genes(self, task: Task) -> tuple[Gene, ...]:
        """See Space."""
        return self._layout(task)[0]

    def slots(self, task: Task) -> tuple[Place, ...]:
        """The chain of blocks for a task."""
        return self._layout(task)[1]

    def sample(self, task: Task, count: int, rng: np.random.Generator) -> IntArray:
        """See Space: every gene uniform, then made canonical."""
        sizes = [len(gene.choices) for gene in self.genes(task)]
        return self.canonical(task, rng.integers(0, sizes, size=(count, len(sizes))))

    def neighbours(self, task: Task, genotype: IntArray) -> IntArray:
        """See Space."""
        own = self.canonical(task, np.asarray(genotype)[None])[0]
        changed = []
        for index, gene in enumerate(self.genes(task)):
            for choice in range(len(gene.choices)):
                if choice != own[index]:
                    other = own.copy()
                    other[index] = choice
                    changed.append(other)
        found = without_doubles(self.canonical(task, np.array(changed)))
        return np.asarray(found[(found != own).any(axis=1)], dtype=np.int64)

    def decode(self, task: Task, genotype: Sequence[int] | IntArray) -> Design:
        """See Space."""
        values = self.canonical(task, np.asarray(genotype)[None])[0]
        layers: list[Layer] = []
        precision: dict[str, Precision] = {}
        kept: dict[str, int] = {}
        residual_bits: Bits = 32
        before = INPUT
        for place, part in self.parts(task, values):
            names = {INPUT: before} | {layer.name: f"{place}.{layer.name}" for layer in part.layers}
            for layer in part.layers:
                inputs = tuple(names[name] for name in layer.inputs)
                layers.append(layer.model_copy(update={"name": names[layer.name], "inputs": inputs}))
            precision |= {names[name]: own for name, own in part.precision.items()}
            kept |= {names[name]: number for name, number in part.kept.items()}
            if part.layers:
                before = names[part.layers[-1].name]
            if any(layer.op is Op.ADD for layer in part.layers):
                residual_bits = part.residual_bits
        return Design(
            architecture=Architecture(
                name=self.title(task, values), input_shape=task.input_shape, layers=tuple(layers)
            ),
            policy=PrecisionPolicy(layers=precision, residual_bits=residual_bits),
            plan=PruningPlan(kept=kept),
            genotype=Genotype(space=self.name, task=task.name, values=tuple(int(v) for v in values)),
        )

    def encode(self, design: Design) -> IntArray:
        """See Space.

        Raises:
            InvalidGenotype: The design is not of this space.
        """
        if design.genotype is None or design.genotype.space != self.name:
            origin = design.genotype.space if design.genotype else "no space"
            raise InvalidGenotype(f"the design must be of the space {self.name!r}", f"one of {origin}")
        return np.array(design.genotype.values, dtype=np.int64)

    def _layout(self, task: Task) -> tuple[tuple[Gene, ...], tuple[Place, ...]]:
        if task not in self._layouts:
            side = min(task.input_height, task.input_width)
            if side < self.minimum_side:
                raise TaskTooSmall(
                    f"the space {self.name!r} must have pictures of at least {self.minimum_side} x {self.minimum_side}",
                    f"{task.input_height} x {task.input_width} of the task {task.name!r}",
                    "Choose another space.",
                )
            self._layouts[task] = self.layout(task)
        return self._layouts[task]

    def _checked(self, task: Task, genotypes: IntArray) -> IntArray:
        """N x G as integers within range."""
        sizes = np.array([len(gene.choices) for gene in self.genes(task)])
        found = np.asarray(genotypes)
        if found.ndim != 2 or found.shape[1] != len(sizes) or not np.issubdtype(found.dtype, np.integer):
            raise InvalidGenotype(
                f"genotypes of {self.name!r} must be integers of shape N x {len(sizes)}",
                f"{found.dtype} of shape {found.shape}",
            )
        if found.min(initial=0) < 0 or (found.max(axis=0, initial=0) >= sizes).any():
            row, gene = np.argwhere((found < 0) | (found >= sizes))[0]
            raise InvalidGenotype(
                f"gene {self.genes(task)[gene].name!r} must be from 0 to {sizes[gene] - 1}", str(found[row, gene])
            )
        return found.astype(np.int64)
