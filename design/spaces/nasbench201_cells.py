"""Cells of NAS-Bench-201: what each of the 15,625 does, and its stored bits and peak memory for all cells at once."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from design.activation_steps import LEARNED_BITS
from design.architecture import INPUT
from design.encoding import IntArray
from design.layer import Layer, Op
from design.layers import Shape, conv, elementwise, pool
from design.liveness import OUTPUT_BITS
from design.precision import BITS

BoolArray = NDArray[np.bool_]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""Choices of an edge, in the order of the published table."""
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from node, to node) of each gene; node 0 is the input of the cell, node 3 its output."""
CELLS: int = len(OPERATIONS) ** len(EDGES)
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)
RELU, ADD_2, ADD_3, ZERO, STEPS_2, STEPS_3 = 1, 5, 6, 7, 8, 9
KINDS = 10
"""Kinds of layers in a cell: RELU, the operations with weights or windows under their own numbers, sums of two and of
three tensors, ZERO, the same sums of tensors in learned steps."""
POSITIONS = 15
"""Where layers may stand in a cell: ReLU and operation of each edge, and the sum of each node behind its edges."""
EDGE_POSITIONS = (0, 3, 5, 8, 10, 12)
NODE_POSITIONS = {1: 2, 2: 7, 3: 14}
CODES: IntArray = np.zeros(33, dtype=np.int64)
CODES[list(BITS)] = np.arange(len(BITS))
CODE_COUNT = KINDS * len(BITS) ** 2


def into(node: int) -> list[int]:
    """Edges that end in a node."""
    return [edge for edge, (_, end) in enumerate(EDGES) if end == node]


def cell_layers(name: str, source: str, shape: Shape, ops: tuple[int, ...]) -> tuple[list[Layer], str]:
    """The layers of one cell as the published network runs them, and the name of its output.

    An edge with a convolution is ReLU, convolution, batch norm. A node is the sum of what arrives; a single arrival
    is passed on without a layer, and so are skip connections. Edges that lead nowhere run all the same, as in the
    published counts. A node at which nothing arrives but from which something is read is a tensor of zeros: a layer
    `Op.OTHER` named `zeros` that reads the input of the cell for its shape alone.

    Args:
        name: Prefix of the layers' names.
        source: The layer that the cell reads.
        shape: C x H x W of every tensor of the cell.
        ops: Choice of each edge.
    """
    layers: list[Layer] = []
    outputs = {0: source}
    used = _used(ops)
    for node in (1, 2, 3):
        arriving = []
        for edge in into(node):
            start, op = EDGES[edge][0], ops[edge]
            if op == NONE or start not in outputs:  # not among the outputs: nobody reads what it would be handed on to
                continue
            if op == SKIP:
                arriving.append(outputs[start])
                continue
            own = f"{name}.edge{start}{node}"
            if op != POOL:
                layers.append(cell_layer(RELU, f"{own}.relu", (outputs[start],), shape))
                reads = f"{own}.relu"
            else:
                reads = outputs[start]
            layers.append(cell_layer(op, f"{own}.{'pool' if op == POOL else 'conv'}", (reads,), shape))
            arriving.append(layers[-1].name)
        if len(arriving) == 1:
            outputs[node] = arriving[0]
        elif arriving or used[node]:
            kind = {0: ZERO, 2: ADD_2, 3: ADD_3}[len(arriving)]
            own = f"{name}.node{node}.{'sum' if arriving else 'zeros'}"
            layers.append(cell_layer(kind, own, tuple(arriving) or (source,), shape))
            outputs[node] = own
    return layers, outputs[3]


def cell_layer(kind: int, name: str, inputs: tuple[str, ...], shape: Shape) -> Layer:
    """One layer of a cell."""
    if kind == RELU:
        return elementwise(name, inputs, shape, op=Op.ACTIVATION)
    if kind in (CONV_1X1, CONV_3X3):
        return conv(name, inputs[0], shape, shape[0], kernel=1 if kind == CONV_1X1 else 3)
    if kind == POOL:
        return pool(name, inputs[0], shape, op=Op.POOL_AVERAGE, kernel=3, stride=1, padding=1)
    return elementwise(name, inputs, shape, op=Op.OTHER if kind == ZERO else Op.ADD)


def prototype(kind: int, shape: Shape) -> Layer:
    """A layer of that kind under any name."""
    return cell_layer(kind, "layer", (INPUT,) * {ADD_2: 2, ADD_3: 3, STEPS_2: 2, STEPS_3: 3}.get(kind, 1), shape)


def _used(ops: tuple[int, ...]) -> dict[int, bool]:
    """Whether a layer or the output of the cell reads the tensor of a node."""
    second = ops[5] != NONE
    arrivals = sum(ops[edge] != NONE for edge in into(2))
    first = ops[4] != NONE or ops[2] > SKIP or (ops[2] == SKIP and (arrivals > 1 or second))
    return {1: first, 2: second, 3: True}


class Cells:
    """Stored bits and peaks of many cells: the array twin of `design.liveness` on `cell_layers`.

    Ten tensors of a cell are told apart: 0 the input, 1 + edge what an operation writes, 6 + node what a sum or a
    tensor of zeros is written to.

    Args:
        ops: Choices of each cell, edges x N.
    """

    def __init__(self, ops: IntArray) -> None:
        self.ops = ops
        self.number = ops.shape[1]
        self._range = np.arange(self.number)
        self.convolves: BoolArray = (ops == CONV_1X1) | (ops == CONV_3X3)
        self.arrivals: IntArray = np.array([(ops[into(node)] != NONE).sum(axis=0) for node in range(4)])
        self.used = self._find_used()
        self.zeros: BoolArray = (self.arrivals == 0) & self.used
        self.roots = self._find_roots()
        self.last = self._find_last()

    def take(self, index: IntArray) -> Cells:
        """The cells at `index`, without finding out again what is read when."""
        part = object.__new__(Cells)
        part.number = len(index)
        part._range = np.arange(len(index))
        for name in ("ops", "convolves", "arrivals", "used", "zeros", "roots", "last"):
            setattr(part, name, getattr(self, name)[:, index])
        return part

    def of_output(self, bits: IntArray) -> IntArray:
        """Bits at which each output is kept, N, from those of the ten tensors."""
        return np.asarray(bits[self.roots[3], self._range])

    def stored_bits(self, activation_bits: IntArray, residual_bits: IntArray, output_bits: IntArray) -> IntArray:
        """Stored bits of each tensor (see `liveness.stored_bits`), 10 x N, from what readers need (N each).

        Those of a tensor that no layer writes mean nothing.
        """
        need: IntArray = np.zeros((4, self.number), dtype=np.int64)
        bits: IntArray = np.zeros((10, self.number), dtype=np.int64)
        need[3] = output_bits
        for node in (3, 2, 1):
            wanted = np.where(self.arrivals[node] > 1, residual_bits, need[node])
            bits[6 + node] = np.where(need[node] > 0, need[node], OUTPUT_BITS)
            written = np.where(wanted > 0, wanted, OUTPUT_BITS)
            for edge in into(node):
                op, start = self.ops[edge], EDGES[edge][0]
                bits[1 + edge] = written
                passed = np.where(self.convolves[edge], activation_bits, np.where(op == POOL, written, wanted))
                need[start] = np.maximum(need[start], passed * (op != NONE))
            need[0] = np.maximum(need[0], need[node] * self.zeros[node])
        bits[0] = need[0]
        return bits

    def codes(self, bits: IntArray, activation_bits: IntArray, residual_bits: IntArray) -> IntArray:
        """Layer at each position, N x POSITIONS: (kind, code of bits read, of bits written) in one; 0 no layer."""
        stepped = np.isin(residual_bits, LEARNED_BITS) * (STEPS_2 - ADD_2)
        codes: IntArray = np.zeros((self.number, POSITIONS), dtype=np.int64)
        tensors, active = CODES[bits], CODES[activation_bits]
        kind_step, read_step = len(BITS) ** 2, len(BITS)
        for edge, (start, _) in enumerate(EDGES):
            op, at = self.ops[edge], EDGE_POSITIONS[edge]
            source = tensors[self.roots[start], self._range]
            codes[:, at] = (RELU * kind_step + source * read_step + active) * self.convolves[edge]
            read = np.where(self.convolves[edge], active, source)
            codes[:, at + 1] = (op * kind_step + read * read_step + tensors[1 + edge]) * (op > SKIP)
        for node, at in NODE_POSITIONS.items():
            read = np.zeros(self.number, dtype=np.int64)
            for edge in into(node):
                arriving = tensors[self._arriving(edge), self._range]
                read = np.maximum(read, arriving * (self.ops[edge] != NONE))
            kind = np.where(self.arrivals[node] == 3, ADD_3, ADD_2) + stepped
            sums = (kind * kind_step + read * read_step + tensors[6 + node]) * (self.arrivals[node] > 1)
            zeros = (ZERO * kind_step + tensors[0] * read_step + tensors[6 + node]) * self.zeros[node]
            codes[:, at] = sums + zeros
        return codes

    def peak_bits(self, bits: IntArray, activation_bits: IntArray) -> IntArray:
        """Most bits alive at once (see `liveness.peak_bytes`), per element of a tensor, N."""
        total = peak = bits[0]
        kept = self.last >= 0
        for node, at in NODE_POSITIONS.items():
            for edge in into(node):
                op, start = self.ops[edge], EDGE_POSITIONS[edge]
                source = self.roots[EDGES[edge][0]]
                size, until = bits[source, self._range], self.last[source, self._range]
                relu = activation_bits * self.convolves[edge]
                frees = until == start
                peak = np.maximum(peak, total + relu * ~(frees & (size >= relu)))
                total = total + relu - size * (frees & self.convolves[edge])
                wrote = bits[1 + edge] * (op > SKIP)
                peak = np.maximum(peak, total + wrote)
                total = total + wrote * kept[1 + edge] - relu - size * ((until == start + 1) & (op == POOL))
            sums = self.arrivals[node] > 1
            wrote = bits[6 + node] * (sums | self.zeros[node])
            dying = self.last == at
            reused = sums & (dying & (bits >= wrote)).any(axis=0)
            peak = np.maximum(peak, total + wrote * ~reused)
            total = total + wrote * kept[6 + node] - (bits * dying).sum(axis=0)
        return np.asarray(peak)

    def _arriving(self, edge: int) -> IntArray:
        """The tensor that an edge brings to its end, N."""
        return np.where(self.ops[edge] == SKIP, self.roots[EDGES[edge][0]], 1 + edge)

    def _find_used(self) -> BoolArray:
        """Whether something reads a node, 4 x N (see `_used`)."""
        second = self.ops[5] != NONE
        passed = (self.ops[2] == SKIP) & ((self.arrivals[2] > 1) | second)
        first = (self.ops[4] != NONE) | (self.ops[2] > SKIP) | passed
        return np.array([np.zeros_like(second), first, second, np.ones_like(second)])

    def _find_roots(self) -> IntArray:
        """The tensor that each node stands for, 4 x N."""
        self.roots = np.zeros((4, self.number), dtype=np.int64)
        for node in (1, 2, 3):
            self.roots[node] = 6 + node
            for edge in into(node):
                alone = (self.arrivals[node] == 1) & (self.ops[edge] != NONE)
                self.roots[node] = np.where(alone, self._arriving(edge), self.roots[node])
        return self.roots

    def _find_last(self) -> IntArray:
        """Position of the last layer that reads each tensor, 10 x N; -1 nobody, POSITIONS the next cell."""
        last: IntArray = np.full((10, self.number), -1)

        def read(tensor: IntArray, where: BoolArray, position: int) -> None:
            (cells,) = np.nonzero(where)
            last[tensor[cells], cells] = position

        for node, at in NODE_POSITIONS.items():
            for edge in into(node):
                source = self.roots[EDGES[edge][0]]
                read(source, self.convolves[edge], EDGE_POSITIONS[edge])
                read(source, self.ops[edge] == POOL, EDGE_POSITIONS[edge] + 1)
            for edge in into(node):
                read(self._arriving(edge), (self.ops[edge] != NONE) & (self.arrivals[node] > 1), at)
            read(self.roots[0], self.zeros[node], at)
        read(self.roots[3], np.ones(self.number, dtype=np.bool_), POSITIONS)
        return last


@cache
def all_cells() -> Cells:
    """All 15,625 cells; the first edge changes slowest."""
    return Cells(np.array(np.unravel_index(np.arange(CELLS), (len(OPERATIONS),) * len(EDGES)), dtype=np.int64))
