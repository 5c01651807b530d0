"""`rows` of templates against its slow twin, on graphs that no shipped space has."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from design.encoding import EncodedDesigns, IntArray, encode_designs
from design.genes import Gene
from design.layer import Activation, Layer, Op, Role
from design.layers import Shape, conv, elementwise, flatten, fully_connected, global_pool, pool
from design.spaces.choices import (
    BODY_PRECISIONS,
    EDGE_PRECISIONS,
    architecture_gene,
    filters_gene,
    precision_gene,
    residual_gene,
)
from design.task import Task, find_task
from design.template import Template, TemplateSlot
from design.templates import TemplateSpace

KIND, EDGE, BODY, OTHER, RESIDUAL, WIDE, NARROW = range(7)
KINDS = ("absent", "residual", "gated", "forked", "depthwise", "grouped", "pooled")
SHAPE: Shape = (8, 8, 8)


def _concat(name: str, sources: tuple[str, ...], shape: Shape) -> Layer:
    return Layer(
        name=name,
        op=Op.CONCAT,
        inputs=sources,
        in_channels=shape[0],
        in_height=shape[1],
        in_width=shape[2],
        out_channels=shape[0],
        out_height=shape[1],
        out_width=shape[2],
    )


def _middle(choices: tuple[int, ...]) -> Template:
    """A slot that keeps C x H x W (8, 8, 8) and its channels."""
    kind = KINDS[choices[0]]
    a = conv("a", "input", SHAPE, 16, activation=Activation.RELU)
    b = conv("b", "a", (16, 8, 8), 8)
    precision, kept = {"a": BODY, "b": OTHER}, {"a": WIDE, "b": NARROW}
    if kind == "absent":
        return Template()
    if kind == "residual":
        layers: tuple[Layer, ...] = (a, b, elementwise("s", ("b", "input"), SHAPE))
    elif kind == "gated":
        squeeze = global_pool("squeeze", "b", SHAPE)
        excite = conv("excite", "squeeze", (8, 1, 1), 8, kernel=1, bias=True, batch_norm=False)
        layers = (a, b, squeeze, excite, elementwise("m", ("b", "excite"), SHAPE, op=Op.MULTIPLY))
        precision, kept = precision | {"excite": BODY}, kept | {"excite": NARROW}
    elif kind == "forked":
        left = conv("left", "input", SHAPE, 12)
        both = _concat("both", ("a", "left"), (28, 8, 8))
        layers = (a, left, both, conv("b", "both", (28, 8, 8), 8, kernel=1))
        precision["left"] = OTHER
    elif kind == "depthwise":
        d = conv("d", "a", (16, 8, 8), 16, groups=16)
        layers = (a, d, conv("b", "d", (16, 8, 8), 8, kernel=1))
        precision["d"] = OTHER
    elif kind == "grouped":
        whole = conv("a", "input", SHAPE, 16)
        grouped = conv("d", "a", (16, 8, 8), 16, groups=4)
        layers = (whole, grouped, conv("b", "d", (16, 8, 8), 8, kernel=1))
        precision["d"], kept = OTHER, {"b": NARROW}
    else:
        layers = (pool("p", "input", SHAPE, kernel=3, stride=1, padding=1), conv("b", "p", SHAPE, 8))
        precision, kept = {"b": OTHER}, {"b": NARROW}
    return Template(layers=layers, precision=precision, kept=kept, residual=RESIDUAL)


def _stem(task: Task, choices: tuple[int, ...]) -> Template:
    del choices
    stem = conv("conv", "input", task.input_shape, 8, role=Role.STEM, activation=Activation.RELU)
    return Template(layers=(stem,), precision={"conv": EDGE}, kept={"conv": NARROW})


def _head(task: Task, choices: tuple[int, ...]) -> Template:
    del choices
    layers = (
        pool("pool", "input", SHAPE, kernel=4, stride=4),
        flatten("flat", "pool", (8, 2, 2)),
        fully_connected("fc", "flat", 32, task.classes, role=Role.CLASSIFIER),
    )
    return Template(layers=layers, precision={"fc": EDGE})


class Toy(TemplateSpace):
    """One slot of every kind between stem and head, each kind twice in a row."""

    name = "toy"
    description = "graphs for tests"
    minimum_side = 8

    def layout(self, task: Task) -> tuple[tuple[Gene, ...], tuple[TemplateSlot, ...]]:
        genes = (
            architecture_gene("kind", KINDS),
            precision_gene("edge", EDGE_PRECISIONS),
            precision_gene("body", BODY_PRECISIONS),
            precision_gene("other", BODY_PRECISIONS),
            residual_gene(),
            filters_gene("wide"),
            filters_gene("narrow"),
        )
        slots = (
            TemplateSlot(name="stem", genes=(), build=partial(_stem, task)),
            TemplateSlot(name="one", genes=(KIND,), build=_middle),
            TemplateSlot(name="two", genes=(KIND,), build=_middle),
            TemplateSlot(name="head", genes=(), build=partial(_head, task)),
        )
        return genes, slots


def layers_of(encoded: EncodedDesigns, index: int) -> IntArray:
    """Rows of one design without absent layers, in order."""
    rows = encoded.rows[encoded.row_ids[index]]
    found: IntArray = rows[rows[:, 0] > 0]
    return found


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_rows_equal_the_slow_twin(kind: int) -> None:
    space, task = Toy(), find_task("digits")
    genotypes = space.sample(task, 40, np.random.default_rng(kind))
    genotypes[:, KIND] = kind
    fast = space.rows(task, genotypes)
    slow = encode_designs([space.decode(task, genotype) for genotype in genotypes])
    assert fast.peak_activation_bytes.tolist() == slow.peak_activation_bytes.tolist()
    for index in range(len(genotypes)):
        assert layers_of(fast, index).tolist() == layers_of(slow, index).tolist()


def test_rows_of_a_mixed_population_do_not_depend_on_what_came_before() -> None:
    task = find_task("digits")
    used = Toy()
    genotypes = used.sample(task, 60, np.random.default_rng(0))
    used.rows(task, used.sample(task, 200, np.random.default_rng(1)))
    first, second = used.rows(task, genotypes), Toy().rows(task, genotypes)
    for index in range(len(genotypes)):
        assert layers_of(first, index).tolist() == layers_of(second, index).tolist()
    assert len(np.unique(first.rows, axis=0)) == len(first.rows)
    assert set(np.unique(first.row_ids)) | {0} == set(range(len(first.rows)))


def test_no_genotypes_give_no_designs() -> None:
    space, task = Toy(), find_task("digits")
    assert len(space.rows(task, np.zeros((0, 7), dtype=np.int64))) == 0
