"""Plain forms: the main path without shortcuts, every layer of it trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from design.design import Design
from design.policies import policy_by_role
from design.precision import BINARY
from design.spaces.registry import find_space
from design.task import find_task
from design.zoo import find_network
from networks.plain import without_shortcuts
from networks.significance import body_convolutions
from networks.tracing.module import trace_module

RESNET = find_network("resnet20").design(find_task("cifar10")).architecture


def test_the_plain_form_keeps_the_main_path() -> None:
    plain = without_shortcuts(RESNET)
    assert body_convolutions(plain) == body_convolutions(RESNET)
    assert not plain.shortcuts
    assert all(len(layer.inputs) == 1 for layer in plain.layers)
    assert plain.layer("stage2.block1.add").inputs == ("stage2.block1.conv2",)
    assert plain.layer("stage2.block1.add").activation is RESNET.layer("stage2.block1.add").activation
    removed = sum(layer.macs for layer in RESNET.shortcuts)
    assert sum(layer.macs for layer in plain.layers) == sum(layer.macs for layer in RESNET.layers) - removed
    assert without_shortcuts(plain).layers == plain.layers


def test_the_plain_form_of_cells_has_no_dead_layers_and_is_its_own_plain_form() -> None:
    space, task = find_space("nasbench201"), find_task("cifar10")
    for genotype in space.sample(task, 12, np.random.default_rng(0)):
        plain = without_shortcuts(space.decode(task, genotype).architecture)
        read = {name for layer in plain.layers for name in layer.inputs}
        assert [layer.name for layer in plain.layers[:-1] if layer.name not in read] == []
        assert without_shortcuts(plain).layers == plain.layers


def test_a_shortcut_that_is_read_elsewhere_too_stays() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.body = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
            self.shortcut, self.last = nn.Conv2d(6, 6, 1), nn.Conv2d(12, 6, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.stem(x))
            beside = self.shortcut(x)
            return self.last(torch.cat([torch.relu(self.body(x)) + beside, beside], 1)).mean(dim=(2, 3))  # type: ignore[no-any-return]

    plain = without_shortcuts(trace_module(Twice(), (3, 6, 6)).architecture)
    assert [layer.name for layer in plain.weighted] == ["stem", "shortcut", "body", "last"]


def test_the_plain_network_of_the_stored_study_is_what_it_was() -> None:
    results = Path(__file__).parents[2] / "docs" / "results" / "hybrid"
    (stored,) = (json.loads(path.read_text("utf-8")) for path in results.glob("resnet20-plain_binary-0-*.json"))
    plain = without_shortcuts(RESNET)
    assert Design(architecture=plain, policy=policy_by_role(plain, body=BINARY)).digest == stored["design"]
