"""A smaller network is measured beside the one it came from."""

from __future__ import annotations

from design.architecture import Architecture
from design.design import Design
from design.layers import conv, fully_connected, global_pool
from design.policies import full_precision
from networks.pruning.selection import Selection
from networks.pruning.surgery import cut
from networks.runtime.measure import MeasureOptions
from networks.runtime.speed_up import speed_up
from tests.networks.export.worn import worn


def test_what_is_cut_is_faster() -> None:
    stem = conv("stem", "input", (3, 32, 32), 16)
    body = conv("body", "stem", stem.out_shape, 128)
    more = conv("more", "body", body.out_shape, 128)
    layers = (stem, body, more, global_pool("pool", "more", more.out_shape), fully_connected("fc", "pool", 128, 4))
    architecture = Architecture(name="wide", input_shape=(3, 32, 32), layers=layers)
    design = Design(architecture=architecture, policy=full_precision(architecture))
    network = worn(design)
    small, _ = cut(network, design, Selection(kept={"body": tuple(range(8)), "more": tuple(range(8))}))
    found = speed_up(network, small, MeasureOptions(warm_ups=1, repeats=8, seconds=0.5), rounds=1)
    assert found.factor > 2
    assert found.before.latency_ms > found.after.latency_ms > 0
