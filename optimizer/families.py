"""Families: every network of a small space under one policy, and of those that cost the same the most accurate.

What a network costs on a device follows from its layers, whatever order they come in, and from two figures of its own:
the activations alive at once and the memory of a training step. Where those are equal, only accuracy decides, and that
is the same on every device: of the 15,625 cells of NAS-Bench-201 some 1,700 a policy can be the best or on the front.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from design.distinct import without_doubles
from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.space import GeneKind, Space
from design.task import Task
from predictors.predictions import own_figures

CACHED_FAMILIES = 16
"""A family is all networks under one policy: 15,625 cells take about 12 MB."""
CACHED_CONTENDERS = 24
"""Contenders of a family at one risk: about a seventh of it, 2 MB."""


@lru_cache(maxsize=CACHED_FAMILIES)
def family(space: Space, task: Task, policy: tuple[int, ...]) -> EncodedDesigns:
    """All distinct networks of a space under one policy (G choices, of which those of precision genes count)."""
    choices = [
        np.arange(len(gene.choices)) if gene.kind is GeneKind.ARCHITECTURE else np.array([choice])
        for gene, choice in zip(space.genes(task), policy, strict=True)
    ]
    every = np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, len(choices))
    found = space.rows(task, without_doubles(space.canonical(task, every)))
    return EncodedDesigns(
        rows=found.rows,
        row_ids=found.row_ids.astype(np.int32),  # half the memory, kept for long
        peak_activation_bytes=found.peak_activation_bytes,
        genotypes=found.genotypes,
        space=found.space,
    )


@lru_cache(maxsize=CACHED_CONTENDERS)
def contenders(space: Space, task: Task, policy: tuple[int, ...], risk: float) -> EncodedDesigns:
    """The networks of a family that can be the best on some device under some limits, M.

    Of networks that cost the same, the most accurate at the risk and, for the front, the one of the greatest median;
    of equals the first.

    Args:
        space: Of which.
        task: For which pictures.
        policy: See `family`.
        risk: At which accuracy is compared.
    """
    whole = family(space, task, policy)  # type: ignore[arg-type]  # by identity
    accuracy, classes = own_figures(whole, task).accuracy, _cost_classes(space, task, policy)  # type: ignore[arg-type]  # by identity
    found = [_first(classes, own) for own in (accuracy.limit_quantile(risk), accuracy.median)]
    return whole.take(np.unique(np.concatenate(found))).compact()


@lru_cache(maxsize=CACHED_FAMILIES)
def _cost_classes(space: Space, task: Task, policy: tuple[int, ...]) -> IntArray:
    """For each network of a family the number of its class: those of a class cost the same on every device."""
    whole = family(space, task, policy)  # type: ignore[arg-type]  # by identity
    places = np.arange(len(whole))[:, None] * len(whole.rows) + whole.row_ids
    layers = np.bincount(places.ravel(), minlength=len(whole) * len(whole.rows)).reshape(len(whole), -1)
    layers[:, 0] = 0  # no layer
    costs = np.column_stack([layers, whole.peak_activation_bytes, own_figures(whole, task).training_memory_bytes])
    return np.unique(costs, axis=0, return_inverse=True)[1].reshape(-1)


def _first(classes: IntArray, worth: FloatArray) -> IntArray:
    """The index of the greatest worth of each class, of equals the first."""
    order = np.lexsort((-worth, classes))  # stable
    return order[np.flatnonzero(np.diff(classes[order], prepend=-1))]
