"""TemplateSpace: spaces whose networks are chains of templates."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from design.chains import Chain
from design.encoding import EncodedDesigns, IntArray
from design.genes import Gene, GeneKind, GeneSpace, Part
from design.populations import of_blocks
from design.precision import Bits
from design.pruning import filters_kept
from design.task import Task
from design.template import Template, TemplateSlot


class TemplateSpace(GeneSpace[TemplateSlot]):
    """A space whose slots are templates: `rows` works on whole populations (see `Chain`).

    Only one tensor crosses from slot to slot, so the peak of a network is the largest peak of its slots.
    """

    def __init__(self) -> None:
        super().__init__()
        self._chains: dict[Task, Chain] = {}
        self._lock = Lock()

    def parts(self, task: Task, values: IntArray) -> Iterator[tuple[str, Part]]:
        """See GeneSpace."""
        genes = self.genes(task)
        for slot in self.slots(task):
            template = slot.build(tuple(int(values[gene]) for gene in slot.genes))
            yield slot.name, _part(template, genes, values)

    def rows(self, task: Task, genotypes: IntArray) -> EncodedDesigns:
        """See Space."""
        values = self.canonical(task, genotypes)
        with self._lock:
            if task not in self._chains:
                self._chains[task] = Chain(self.slots(task), self.genes(task), task.input_channels)
            rows, blocks, peaks = self._chains[task].encode(values)
        return of_blocks(rows, blocks, peaks, values, self.name)


def _part(template: Template, genes: tuple[Gene, ...], values: IntArray) -> Part:
    """The layers of a template with the bits and filters of one genotype (G)."""
    precision = {name: genes[gene].precisions[values[gene]] for name, gene in template.precision.items()}
    kept = {}
    for layer in template.layers:
        if layer.name in template.kept:
            gene = template.kept[layer.name]
            assert genes[gene].kind is GeneKind.FILTERS
            number = filters_kept(layer.out_channels, genes[gene].choices[values[gene]])
            if number < layer.out_channels:
                kept[layer.name] = number
    bits: Bits = 32 if template.residual is None else genes[template.residual].choices[values[template.residual]]
    return Part(layers=template.layers, precision=precision, kept=kept, residual_bits=bits)
