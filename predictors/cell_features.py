"""Features of NAS-Bench-201 cells for latency: raw, reachable and live operation counts, paths, choices per edge."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np

from design.encoding import FloatArray, IntArray
from predictors.amounts import cell_amounts
from predictors.experts import SpaceFeatures
from predictors.standard import RelativeSum, Standard

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from node, to node), in the order of the six choices; node 0 is the cell's input, node 3 its output."""
NODES = 4
_UNREACHED = -1e9
_PATH_WORK = np.array([0.0, 0.05, 0.2, 1.0, 0.3])
"""Rough work of each operation on a path, in units of a 3x3 convolution."""
_MACS = np.array([0.0, 0.0, 1.0, 9.0, 0.0])
_TENSORS = np.array([0.0, 1.0, 2.0, 2.0, 2.0])


def cell_features(operations: IntArray) -> SpaceFeatures:
    """Features of N cells.

    Dead edges count in the raw counts: most runtimes of the published tables run them. `pruned` is for the others.

    Args:
        operations: N x 6 indices into (none, skip, 1x1, 3x3, pool).
    """
    operations = np.asarray(operations, dtype=np.int64)
    live = _liveness(operations != NONE)[1]
    return replace(_features(operations), pruned=_features(np.where(live, operations, NONE)))


def _features(operations: IntArray) -> SpaceFeatures:
    groups, structure, work = _raw(operations)
    standards, structure_standard, work_standard = _standards()
    return SpaceFeatures(
        groups={name: standards[name].scaled(group) for name, group in groups.items()},
        flat=np.hstack([standards[name].plain(group) for name, group in groups.items()]),
        structure=structure_standard.plain(structure),
        work=work_standard.of(work),
        terms=_terms(operations),
        amounts=_amounts(operations),
    )


@cache
def _standards() -> tuple[dict[str, Standard], Standard, RelativeSum]:
    """Means and deviations over all 15,625 cells."""
    groups, structure, work = _raw(np.array(list(product(range(5), repeat=6)), dtype=np.int64))
    return {name: Standard.of(group) for name, group in groups.items()}, Standard.of(structure), RelativeSum.learn(work)


def _raw(operations: IntArray) -> tuple[dict[str, FloatArray], FloatArray, FloatArray]:
    """Groups, structure and work before standardisation."""
    present = operations != NONE
    reached, live, connected = _liveness(present)
    additions = _additions(present)
    choices = (operations[:, :, None] == np.arange(5)).astype(np.float64)
    live_choices = choices[:, :, 1:] * live[:, :, None]
    paths = np.stack(
        [
            _longest(live, weight)
            for weight in (
                (operations >= CONV_1X1).astype(np.float64),
                ((operations == CONV_1X1) | (operations == CONV_3X3)).astype(np.float64),
                _PATH_WORK[operations],
            )
        ],
        axis=1,
    )
    flag = connected[:, None].astype(np.float64)
    groups = {
        "counts": np.column_stack([_counts(operations, present), additions]),
        "live": np.column_stack([_counts(operations, live), _additions(live), flag]),
        "reachable": _counts(operations, reached),
        "paths": paths,
        "choices": np.hstack([choices.reshape(len(choices), -1), live_choices.reshape(len(choices), -1)]),
    }
    pairs = [
        (kind[:, left, :, None] * kind[:, right, None, :]).reshape(len(choices), -1)
        for kind in (choices, live_choices)
        for left in range(6)
        for right in range(left + 1, 6)
    ]
    work = np.column_stack([_MACS[operations].sum(1), _TENSORS[operations].sum(1) + additions, present.sum(1)])
    return groups, np.hstack([*groups.values(), *pairs]), work


def _terms(operations: IntArray) -> FloatArray:
    """1x1 work, 3x3 work, pools; weights; traffic; launches, N x 6."""
    operations = np.asarray(operations, dtype=np.int64)
    of = [(operations == one).sum(axis=1) * cost for one, cost in ((CONV_1X1, 1.0), (CONV_3X3, 9.0), (POOL, 1.0))]
    traffic = _TENSORS[operations].sum(axis=1) + 1.0
    return np.column_stack(
        [*of, _MACS[operations].sum(axis=1) + 1.0, traffic, (operations > SKIP).sum(axis=1) + 1.0]
    ).astype(np.float64)


def _amounts(operations: IntArray) -> FloatArray:
    """Physical amounts of networks of these cells."""
    small, large, pools = ((operations == one).sum(axis=1) for one in (CONV_1X1, CONV_3X3, POOL))
    return cell_amounts(small, large, pools, _additions(operations != NONE))


def _counts(operations: IntArray, mask: FloatArray) -> FloatArray:
    """How many edges under the mask hold each operation but none, N x 4."""
    return np.stack([((operations == one) & mask).sum(axis=1) for one in range(1, 5)], axis=1).astype(np.float64)


def _additions(mask: FloatArray) -> FloatArray:
    """Additions at the nodes, N."""
    incoming = np.stack([mask[:, [end == node for _, end in EDGES]].sum(axis=1) for node in range(1, NODES)], axis=1)
    return np.asarray(np.maximum(incoming - 1, 0).sum(axis=1), dtype=np.float64)


def _liveness(present: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Edges reached from the input, edges on a path to the output (N x 6 each), cells that connect both (N)."""
    forward = np.zeros((len(present), NODES), dtype=bool)
    backward = np.zeros((len(present), NODES), dtype=bool)
    forward[:, 0] = backward[:, NODES - 1] = True
    for edge, (start, end) in sorted(enumerate(EDGES), key=lambda item: item[1][1]):
        forward[:, end] |= forward[:, start] & present[:, edge]
    for edge, (start, end) in sorted(enumerate(EDGES), key=lambda item: -item[1][0]):
        backward[:, start] |= backward[:, end] & present[:, edge]
    reached = np.stack([forward[:, start] & present[:, edge] for edge, (start, _) in enumerate(EDGES)], axis=1)
    live = reached & np.stack([backward[:, end] for _, end in EDGES], axis=1)
    return reached, live, forward[:, NODES - 1]


def _longest(live: FloatArray, weight: FloatArray) -> FloatArray:
    """Weight of the heaviest live path from input to output, 0 where there is none, N."""
    best = np.full((len(live), NODES), _UNREACHED)
    best[:, 0] = 0.0
    for edge, (start, end) in sorted(enumerate(EDGES), key=lambda item: item[1][1]):
        through = np.where(live[:, edge], best[:, start] + weight[:, edge], _UNREACHED)
        best[:, end] = np.maximum(best[:, end], through)
    return np.asarray(np.where(best[:, NODES - 1] > _UNREACHED / 2, best[:, NODES - 1], 0.0))
