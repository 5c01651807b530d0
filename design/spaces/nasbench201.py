"""NAS-Bench-201: one cell of six edges, stacked fifteen times (Dong and Yang, arXiv 2001.00326).

A 3x3 stem of 16 filters; three stages of five equal cells at 16, 32 and 64 channels; between them residual blocks of
two 3x3 convolutions that halve the side; batch norm, ReLU, global pool and classifier. The accuracies of the table
hold for these widths, so there are no genes for filters.

The order of the published index was drawn at random: it is data, not a rule. A cell is known by its six choices, in
the order of `OPERATIONS` and `EDGES`, and `NasBench201Space.indices` finds rows of a table of choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np

from design.architecture import Architecture
from design.design import Design, Genotype
from design.encoding import EncodedDesigns, IntArray
from design.genes import Gene, GeneSpace
from design.layer import Role
from design.policies import policy_by_role
from design.precision import Precision
from design.spaces.choices import (
    BODY_PRECISIONS,
    EDGE_PRECISIONS,
    RESIDUAL_BITS,
    SHORTCUT_PRECISIONS,
    architecture_gene,
    precision_gene,
    residual_gene,
)
from design.spaces.nasbench201_cells import CELLS, CONV_1X1, CONV_3X3, EDGES, OPERATIONS, all_cells, cell_layers
from design.spaces.nasbench201_rows import Choices, TaskRows
from design.spaces.nasbench201_skeleton import CELLS_PER_STAGE, STAGES, head, reduction, stage_shapes, stem
from design.spaces.nasbench201_text import cell_text
from design.task import Task

BODY, SHORTCUT, EDGE, RESIDUAL = 6, 9, 10, 11
"""Where the genes stand: three body precisions (one a stage) from BODY on."""
FULL_PRECISION = (0, 0, 0, 0, 0, 0)
"""The genes behind the six choices of a cell, for 32 bits everywhere."""


class NasBench201Space(GeneSpace[None]):
    """The 15,625 cells of NAS-Bench-201, with a precision for each stage, shortcuts, edge and residual stream."""

    name = "nasbench201"
    description = "NAS-Bench-201: six choices of a cell stacked fifteen times, and bits by stage"
    minimum_side = 4

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[Task, TaskRows] = {}
        self._lock = Lock()

    def layout(self, task: Task) -> tuple[tuple[Gene, ...], tuple[None, ...]]:
        """See GeneSpace."""
        del task
        edges = [architecture_gene(f"edge{start}{end}", OPERATIONS) for start, end in EDGES]
        stages = [precision_gene(f"stage{stage + 1}_precision") for stage in range(STAGES)]
        return (
            *edges,
            *stages,
            precision_gene("shortcut_precision", SHORTCUT_PRECISIONS),
            precision_gene("edge_precision", EDGE_PRECISIONS),
            residual_gene(),
        ), ()

    def canonical(self, task: Task, genotypes: IntArray) -> IntArray:
        """See Space: without convolutions in the cell the first stage has no weights."""
        found = self._checked(task, genotypes)
        ops = found[:, :BODY]
        found[:, BODY] *= ((ops == CONV_1X1) | (ops == CONV_3X3)).any(axis=1)
        return found

    def size(self, task: Task) -> int:
        """See Space."""
        without: int = (len(OPERATIONS) - 2) ** len(EDGES)
        total = super().size(task)
        return total - total // CELLS * without + total // CELLS // len(BODY_PRECISIONS) * without

    def title(self, task: Task, values: IntArray) -> str:
        """See GeneSpace: the cell as the table writes it."""
        del task
        return f"NAS-Bench-201 {cell_text([int(op) for op in values[:BODY]])}"

    def all_cells(self, precision_genes: Sequence[int]) -> IntArray:
        """Canonical genotypes of all cells at the given precision genes, 15,625 x G, for exact enumeration.

        Args:
            precision_genes: Choices of the six genes behind the operations.
        """
        tail = np.broadcast_to(np.asarray(precision_genes, dtype=np.int64), (CELLS, len(precision_genes)))
        found = np.concatenate([all_cells().ops.T, tail], axis=1)
        found[:, BODY] *= ((found[:, :BODY] == CONV_1X1) | (found[:, :BODY] == CONV_3X3)).any(axis=1)
        return found

    @staticmethod
    def cell_numbers(ops: IntArray) -> IntArray:
        """Row in `all_cells` of each cell (N x 6 choices), N; also brings rows of a published table into our order."""
        return np.asarray(ops, dtype=np.int64) @ (len(OPERATIONS) ** np.arange(len(EDGES))[::-1])

    @staticmethod
    def indices(table: IntArray, ops: IntArray) -> IntArray:
        """Row of each cell (N x 6) in a table of choices (T x 6), as in the published data; -1 if absent."""
        where: IntArray = np.full(CELLS, -1)
        where[NasBench201Space.cell_numbers(table)] = np.arange(len(table))
        return np.asarray(where[NasBench201Space.cell_numbers(ops)])

    def decode(self, task: Task, genotype: Sequence[int] | IntArray) -> Design:
        """See Space."""
        values = self.canonical(task, np.asarray(genotype)[None])[0]
        shapes = stage_shapes(task)
        layers = [stem(task)]
        before = layers[0].name
        ops = tuple(int(op) for op in values[:BODY])
        stage_of: dict[str, int] = {}
        for stage, shape in enumerate(shapes):
            start = len(layers)
            if stage:
                layers += reduction(f"stage{stage + 1}.reduction", before, shapes[stage - 1], shape[0])
                before = layers[-1].name
            for cell in range(CELLS_PER_STAGE):
                own, before = cell_layers(f"stage{stage + 1}.cell{cell + 1}", before, shape, ops)
                layers += own
            stage_of |= {layer.name: stage for layer in layers[start:]}
        layers += head(before, shapes[-1], task.classes)
        architecture = Architecture(name=self.title(task, values), input_shape=task.input_shape, layers=tuple(layers))
        body = [BODY_PRECISIONS[values[BODY + stage]] for stage in range(STAGES)]
        policy = policy_by_role(
            architecture,
            edge=EDGE_PRECISIONS[values[EDGE]],
            shortcut=SHORTCUT_PRECISIONS[values[SHORTCUT]],
            residual_bits=RESIDUAL_BITS[values[RESIDUAL]],
            overrides={
                layer.name: body[stage_of[layer.name]] for layer in architecture.weighted if layer.role is Role.BODY
            },
        )
        return Design(
            architecture=architecture,
            policy=policy,
            genotype=Genotype(space=self.name, task=task.name, values=tuple(int(v) for v in values)),
        )

    def rows(self, task: Task, genotypes: IntArray) -> EncodedDesigns:
        """See Space."""
        values = self.canonical(task, genotypes)
        choices = Choices(
            cells=self.cell_numbers(values[:, :BODY]),
            body=[_bits(BODY_PRECISIONS, values[:, BODY + stage]) for stage in range(STAGES)],
            shortcut=_bits(SHORTCUT_PRECISIONS, values[:, SHORTCUT]),
            edge=_bits(EDGE_PRECISIONS, values[:, EDGE]),
            residual=np.array(RESIDUAL_BITS)[values[:, RESIDUAL]],
        )
        with self._lock:
            if task not in self._rows:
                self._rows[task] = TaskRows(task)
            rows, row_ids, peaks = self._rows[task].encode(choices)
        return EncodedDesigns(
            rows=rows, row_ids=row_ids, peak_activation_bytes=peaks, genotypes=values, space=self.name
        )


def _bits(precisions: Sequence[Precision], values: IntArray) -> IntArray:
    """Weight and activation bits of choices, N x 2."""
    return np.array([(one.weight_bits, one.activation_bits) for one in precisions])[values]
