"""Library: designs known to be good on proxy devices, offered to every other device.

The first approach of Lu, Yang and Ren (arXiv 2009.00278): where devices rank networks alike, what is best on one within
any limits is best on another within other limits. Here proxies of every kind and set of precisions were searched under
many limits once (`optimizer.fit_library`); a device judges all of what was found by its own predictors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from design.distinct import distinct_rows
from design.encoding import EncodedDesigns, IntArray
from design.errors import BespokeError
from design.precision import Bits
from design.space import Space
from design.task import Task
from optimizer.gene_code import signature
from optimizer.neural_weights import WEIGHTS
from optimizer.repair import mask_in
from predictors.storage import InvalidWeights, Weights, load_weights, save_weights

KIND = "design_library"
VERSION = "1"
CACHED = 64
"""Libraries that stay expanded, each for a space, a task and a set of precisions; a few megabytes each."""
SupportedBits = tuple[tuple[Bits, Bits], ...]


class NoLibrary(BespokeError):
    """No library was made for the spaces and task asked for."""


def library_file(space: Space, task: Task, folder: Path = WEIGHTS) -> Path:
    """Where the library of a space for a task lies, if there is one."""
    return folder / f"library-{space.name}-{signature(space, task)}.safetensors"  # type: ignore[arg-type]  # by identity


def save_library(genotypes: IntArray, path: Path, facts: dict[str, str]) -> None:
    """Write N x G genotypes."""
    tensors = {"genotypes": torch.from_numpy(genotypes.astype(np.uint8))}
    save_weights(Weights(kind=KIND, version=VERSION, tensors=tensors, facts=facts), path)


@lru_cache(maxsize=64)
def library(space: Space, task: Task) -> IntArray | None:
    """Genotypes of the shipped library, N x G, canonical, farthest apart first; None where none was made.

    Raises:
        InvalidWeights: The file is damaged, or of other genes.
    """
    path = library_file(space, task)
    if not path.is_file():
        return None
    found = load_weights(path, kind=KIND, version=VERSION).tensors["genotypes"].numpy().astype(np.int64)
    sizes = np.array([len(gene.choices) for gene in space.genes(task)])
    if found.ndim != 2 or found.shape[1] != len(sizes) or (found >= sizes).any():
        raise InvalidWeights(
            f"{path.name} must hold genotypes of {len(sizes)} genes",
            str(tuple(found.shape)),
            "Make it again with `bespoke fit libraries`, or restore the shipped file.",
        )
    return found


def adapted(space: Space, task: Task, supported_bits: SupportedBits, count: int) -> IntArray:
    """The first `count` designs of the library with every precision that a device lacks replaced by the nearest it has.

    Args:
        space: Of which; it must have a library.
        task: For which pictures.
        supported_bits: Of the device, which must be able to run the space.
        count: At most so many; the first hundred span what all do, more coarsely.

    Returns:
        N x G, distinct and canonical, in the order of the library.
    """
    distinct, (own,) = adapted_to_each(space, task, [supported_bits], count)
    return np.asarray(distinct[own])


def adapted_to_each(
    space: Space, task: Task, precisions: Sequence[SupportedBits], count: int
) -> tuple[IntArray, list[IntArray]]:
    """`adapted` to several sets of precisions: all distinct designs, in order of size, and which of them are whose."""
    known = library(space, task)  # type: ignore[arg-type]  # by identity
    assert known is not None
    known = known[:count]
    masks = [mask_in(space, task, bits) for bits in precisions]  # type: ignore[arg-type]  # by identity
    tables = np.stack([mask.table for mask in masks if mask is not None])
    assert len(tables) == len(precisions)
    places = known + np.arange(known.shape[1]) * tables.shape[2]
    every = tables.reshape(len(tables), -1).take(places, axis=1).reshape(-1, known.shape[1])
    first, masked = distinct_rows(every)
    canonical = space.canonical(task, every[first])
    first, number = distinct_rows(canonical)
    own = [one[np.sort(np.unique(one, return_index=True)[1])] for one in number[masked].reshape(len(tables), -1)]
    return canonical[first], own


@lru_cache(maxsize=CACHED)
def offered(space: Space, task: Task, supported_bits: SupportedBits, count: int) -> EncodedDesigns:
    """The same, encoded."""
    return space.rows(task, adapted(space, task, supported_bits, count))
