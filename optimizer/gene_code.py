"""GeneCode: genotypes of one space and task as zeros and ones, the form that networks read and write."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from design.encoding import IntArray
from design.space import Gene, GeneKind, Space
from design.task import Task
from optimizer.repair import Mask

Hot = NDArray[np.float32]


class GeneCode:
    """Where each choice of each gene stands in a vector of W zeros and ones.

    Attributes:
        space, task: Whose genotypes these are.
        sizes: Choices of each gene, G.
        offsets: Where the choices of each gene begin, G.
        width: W, all choices together.
        places: Place of each choice, G x most choices; those a gene does not have repeat its first.
        has: Whether a gene has that many choices, G x most choices.
        gene_of: The gene that each place belongs to, W.
    """

    def __init__(self, space: Space, task: Task) -> None:
        self.space, self.task = space, task
        self.genes = space.genes(task)
        self.sizes = np.array([len(gene.choices) for gene in self.genes], dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        self.width = int(self.sizes.sum())
        step = np.arange(int(self.sizes.max()))
        self.has: NDArray[np.bool_] = step < self.sizes[:, None]
        self.places: IntArray = self.offsets[:, None] + np.where(self.has, step, 0)
        self.gene_of: IntArray = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._network = np.array([gene.kind is GeneKind.ARCHITECTURE for gene in self.genes])
        self._other = np.minimum(self.sizes - 1, 1)

    def active(self, genotypes: IntArray) -> NDArray[np.bool_]:
        """Which genes of N canonical genotypes have an effect, N x G.

        Genes of the network itself always count: an absent block is one of their choices.
        """
        probed = np.where(self._network, genotypes, self._other)
        kept = self.space.canonical(self.task, probed) == probed
        return np.asarray(kept | self._network)

    def hot(self, genotypes: IntArray) -> Hot:
        """N canonical genotypes as N x W, zeros for genes without effect."""
        found = np.zeros((len(genotypes), self.width), dtype=np.float32)
        number = np.repeat(np.arange(len(genotypes)), len(self.sizes))
        found[number, (self.offsets + genotypes).ravel()] = self.active(genotypes).ravel()
        return found

    def allowed(self, mask: Mask) -> Hot:
        """1 for each choice that a device can run, W."""
        found = np.zeros(self.width, dtype=np.float32)
        for offset, choices in zip(self.offsets.tolist(), mask.choices, strict=True):
            found[offset + np.array(choices)] = 1
        return found


@lru_cache(maxsize=64)
def gene_code(space: Space, task: Task) -> GeneCode:
    """The code of a space for a task."""
    return GeneCode(space, task)


@lru_cache(maxsize=64)
def signature(space: Space, task: Task) -> str:
    """What the genes of a space are for a task: tasks of one signature share one network."""
    return signature_of(space.genes(task))


def signature_of(genes: tuple[Gene, ...]) -> str:
    """Eight hex digits of the names, kinds and choices of genes."""
    text = "\n".join(f"{gene.name}|{gene.kind}|{'|'.join(map(str, gene.choices))}" for gene in genes)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
