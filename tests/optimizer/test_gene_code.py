"""Genotypes as zeros and ones: exact, and silent about genes without effect."""

from __future__ import annotations

import numpy as np
import pytest

from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.gene_code import GeneCode, gene_code, signature
from optimizer.repair import mask_of, open_mask


def code_of(space: str, task: str = "cifar10") -> GeneCode:
    return gene_code(SPACES[space], find_task(task))  # type: ignore[arg-type]


@pytest.mark.parametrize("space", SPACES)
def test_active_genes_are_those_that_change_the_design(space: str) -> None:
    """The slow twin tries every choice of every gene."""
    code, rng = code_of(space), np.random.default_rng(0)
    genotype = code.space.canonical(code.task, open_mask(code.genes).sample(1, rng))[0]
    active = code.active(genotype[None])[0]
    for gene, size in enumerate(code.sizes.tolist()):
        tried = np.repeat(genotype[None], size, axis=0)
        tried[:, gene] = np.arange(size)
        distinct = len(np.unique(code.space.canonical(code.task, tried), axis=0))
        if not active[gene]:
            assert distinct == 1, code.genes[gene].name
        elif not code._network[gene]:
            assert distinct == size, code.genes[gene].name


@pytest.mark.parametrize("space", SPACES)
def test_hot_has_one_place_for_each_active_gene(space: str) -> None:
    code, rng = code_of(space), np.random.default_rng(1)
    genotypes = code.space.canonical(code.task, open_mask(code.genes).sample(20, rng))
    hot, active = code.hot(genotypes), code.active(genotypes)
    assert hot.shape == (20, code.width)
    assert set(np.unique(hot)) <= {0.0, 1.0}
    for gene in range(len(code.sizes)):
        own = hot[:, code.gene_of == gene]
        assert (own.sum(axis=1) == active[:, gene]).all()
        chosen = active[:, gene]
        assert (own[chosen].argmax(axis=1) == genotypes[chosen, gene]).all()


def test_allowed_follows_the_mask() -> None:
    code = code_of("resnet")
    mask = mask_of(code.genes, ((8, 8), (1, 1)))
    assert mask is not None
    allowed = code.allowed(mask)
    for gene, choices in enumerate(mask.choices):
        assert tuple(np.flatnonzero(allowed[code.gene_of == gene])) == choices


def test_signature_tells_layouts_apart_and_joins_equal_ones() -> None:
    space = SPACES["resnet"]
    known = {name: signature(space, find_task(name)) for name in ("cifar10", "mnist", "digits", "imagenet")}  # type: ignore[arg-type]
    assert known["cifar10"] == known["mnist"]
    assert len(set(known.values())) == 3
