"""The 28 networks of a public layer table, as modules of our own: every layer is as published.

Convolutions, fully connected layers and attention are compared by MACs, parameters and output shape; pools, sums,
products, concatenations and resizing by what they write. Softmax is not (many users leave it to the loss), nor is what
only moves elements: the table counts crops, permutations and paddings as its runtime has them.
"""

from __future__ import annotations

import csv
import gzip
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from design.counts import count
from design.layer import Op, Role
from networks.tracing.module import trace_module
from networks.tracing.onnx_model import trace_onnx
from networks.tracing.trace import Traced
from tests.networks.tracing.exports import exported, steps
from tests.networks.tracing.known_classifiers import CLASSIFIERS
from tests.networks.tracing.known_detectors import DETECTORS
from tests.networks.tracing.known_networks import NETWORKS

ALL = NETWORKS | CLASSIFIERS | DETECTORS
WEIGHTED = ("conv", "dwconv", "groupconv", "fc", "attention", "deconv")
MACS = {"resnet50": 3_857_973_248, "shufflenet_v2": 144_907_992, "vision_transformer": 13_043_564_544}
"""Published totals (millions: 3,858, 145, 13,044)."""
KINDS = {
    Op.POOL_MAX: "pool",
    Op.POOL_AVERAGE: "pool",
    Op.ADD: "eltwise_add",
    Op.MULTIPLY: "eltwise_mul",
    Op.CONCAT: "concat",
    Op.RESIZE: "resize",
}
MORE: dict[str, Counter[tuple[str, int, int, int]]] = {
    # the stem's hard swish is written out as a hard sigmoid and a product
    "mobilenet_v3": Counter({("eltwise_mul", 16, 112, 112): 1}),
    # biases before a sum are moved behind it: constants of their own (see `published`) and a second sum
    "efficientnetv2_b0": Counter(
        {
            ("eltwise_add", 32, 56, 56): 1,
            ("eltwise_add", 48, 28, 28): 1,
            ("eltwise_add", 96, 14, 14): 2,
            ("eltwise_add", 112, 14, 14): 4,
            ("eltwise_add", 192, 7, 7): 7,
        }
    ),
    # a constant, the class token, is joined: with us that is data movement
    "vision_transformer": Counter({("concat", 768, 145, 1): 1}),
    # prior boxes, which do not depend on the picture
    "mobilenet_ssd": Counter({("concat", 7668, 2, 1): 1}),
    "squeezenet_ssd": Counter({("concat", 32120, 2, 1): 1}),
}
"""What the table has besides, as its runtime writes things in another way."""
SHORTCUTS = {"resnet18": 4, "resnet50": 4, "regnety_400m": 4, "nanodet_m": 2}
OUTPUTS = dict.fromkeys(DETECTORS, 2) | {"nanodet_m": 6, "blazeface": 1, "FastestDet": 1}


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sizes(traced: Traced) -> list[tuple[int, ...]]:
    """MACs, parameters with a bias each, and output shape of every layer with weights, sorted."""
    found = []
    for layer in traced.architecture.weighted:
        biases = layer.biases or (layer.out_channels if layer.batch_norm else 0)
        found.append((layer.macs, layer.weights + biases, *layer.out_shape))
    return sorted(found)


def table(name: str) -> list[dict[str, str]]:
    """The rows of one network."""
    folder = os.environ.get("BESPOKE_TEST_DATA")
    if not folder:
        pytest.skip("BESPOKE_TEST_DATA does not name the folder of measurement tables")
    with gzip.open(Path(folder) / "ncnn_network_layers.csv.gz", "rt") as file:
        return [row for row in csv.DictReader(file) if row["network"] == name]


def published(rows: list[dict[str, str]]) -> list[tuple[int, ...]]:
    """The same numbers as `sizes`; biases that are constants of their own go back to the convolutions without one."""
    own = [row for row in rows if row["network"] == "efficientnetv2_b0" and row["ncnn_type"] == "MemoryData"]
    apart = Counter(int(row["params"]) for row in own)
    found = []
    for row in rows:
        macs, params, *shape = (int(row[key] or 0) for key in ("macs", "params", "out_c", "out_h", "out_w"))
        if row["op"] not in WEIGHTED:
            continue
        if apart[shape[0]] and row["op"] == "conv" and macs == params * shape[1] * shape[2]:
            apart[shape[0]] -= 1
            params += shape[0]
        found.append((macs, params, *shape))
    assert not +apart
    return sorted(found)


def test_every_network_of_the_table_is_here() -> None:
    folder = os.environ.get("BESPOKE_TEST_DATA")
    if not folder:
        pytest.skip("BESPOKE_TEST_DATA does not name the folder of measurement tables")
    with gzip.open(Path(folder) / "ncnn_network_layers.csv.gz", "rt") as file:
        assert {row["network"] for row in csv.DictReader(file)} == ALL.keys()


@pytest.mark.parametrize("name", ALL)
def test_layers_of_known_networks_are_as_published(name: str) -> None:
    rows = table(name)
    make, side = ALL[name]
    with torch.device("meta"):
        module = make()
    traced = trace_module(module, (3, side, side), name=name)
    assert sizes(traced) == published(rows)
    counts = count(traced.design)
    assert counts.parameters == sum(one.numel() for one in module.parameters())
    assert counts.macs == MACS.get(name, sum(int(row["macs"]) for row in rows))
    own = Counter((KINDS[one.op], *one.out_shape) for one in traced.architecture.layers if one.op in KINDS)
    theirs = Counter(
        (row["op"], int(row["out_c"]), int(row["out_h"]), int(row["out_w"]))
        for row in rows
        if row["op"] in KINDS.values()
    )
    assert own + MORE.get(name, Counter()) == theirs
    roles = [layer.role for layer in traced.architecture.weighted]
    assert (roles[0], roles[-1]) == (Role.STEM, Role.BODY if name in DETECTORS else Role.CLASSIFIER)
    assert len(traced.architecture.shortcuts) == SHORTCUTS.get(name, 0)
    outputs = OUTPUTS.get(name, 1)
    told = (f"{outputs} outputs: all are priced, none is taken as the classifier",)
    assert traced.notes == (told if outputs > 1 else ())


@pytest.mark.parametrize("name", ["mobilenet_v3", "googlenet", "shufflenet"])
def test_exports_of_known_networks_are_the_same(name: str) -> None:
    """GoogLeNet by the new exporter: the old one writes its local norms with a condition (`If`)."""
    make, side = ALL[name]
    module = make()
    own = trace_module(module, (3, side, side))
    assert steps(trace_onnx(exported(module, side=side, dynamo=name == "googlenet"))) == steps(own)
