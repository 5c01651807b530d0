"""Which filters remain: checked against the architecture before anything is cut."""

from __future__ import annotations

import numpy as np
import pytest

from design.architecture import Architecture
from design.design import Design
from design.layer import Op
from design.layers import conv, elementwise, flatten, fully_connected
from design.policies import full_precision
from networks.errors import InvalidSelection
from networks.pruning.selection import Selection, kept_channels


def residual() -> Architecture:
    """Stem of 4 filters, an addition, a depthwise convolution, a concatenation, flattened 2 x 2."""
    stem = conv("stem", "input", (3, 2, 2), 4)
    body = conv("body", "stem", stem.out_shape, 4)
    total = elementwise("sum", ("stem", "body"), stem.out_shape)
    depthwise = conv("depthwise", "sum", total.out_shape, 4, groups=4)
    side = conv("side", "sum", total.out_shape, 3)
    both = depthwise.model_copy(
        update={"name": "both", "op": Op.CONCAT, "inputs": ("depthwise", "side"), "in_channels": 7, "out_channels": 7}
    )
    both = both.model_copy(update={"groups": 1, "batch_norm": False, "kernel_height": 1, "kernel_width": 1})
    flat = flatten("flat", "both", (7, 2, 2))
    return Architecture(
        name="residual",
        input_shape=(3, 2, 2),
        layers=(stem, body, total, depthwise, side, both, flat, fully_connected("classes", "flat", 28, 5)),
    )


def test_indexes_of_concatenated_and_flattened_tensors() -> None:
    found = kept_channels(residual(), Selection(kept={"stem": (1, 3), "body": (1, 3), "side": (0, 2)}))
    assert found.of("depthwise").tolist() == [1, 3]
    assert found.of("both").tolist() == [1, 3, 4, 6]
    flat = np.arange(28).reshape(7, 4)[[1, 3, 4, 6]].reshape(-1)
    assert found.of("flat").tolist() == flat.tolist()
    assert found.of("input").tolist() == [0, 1, 2]
    assert found.changes("both")
    assert not found.changes("classes")


def test_the_plan_fits_the_design() -> None:
    architecture = residual()
    selection = Selection(kept={"stem": (1, 3), "body": (1, 3), "side": (0, 2)})
    design = Design(architecture=architecture, policy=full_precision(architecture), plan=selection.plan())
    found = kept_channels(architecture, selection)
    assert {layer.name: layer.out_channels for layer in design.pruned.layers} == {
        layer.name: len(found.of(layer.name)) for layer in architecture.layers
    }


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ({"nobody": (0,)}, "filters of their own"),
        ({"both": (0,)}, "filters of their own"),
        ({"side": ()}, "at least one"),
        ({"side": (1, 1)}, "ascending"),
        ({"side": (2, 1)}, "ascending"),
        ({"side": (0, 3)}, "from 0 to 2"),
        ({"side": (-1, 0)}, "from 0 to 2"),
        ({"classes": (0, 1)}, "must keep all its 5"),
        ({"input": (0, 1)}, "must keep all its 3"),
        ({"stem": (1, 3)}, "nothing for body"),
        ({"stem": (1, 3), "body": (0, 3)}, "same filters as 'stem'"),
        ({"stem": (1, 3), "body": (1, 3), "depthwise": (1, 2)}, "same filters as 'stem'"),
    ],
)
def test_what_does_not_fit(kept: dict[str, tuple[int, ...]], says: str) -> None:
    with pytest.raises(InvalidSelection, match=says):
        kept_channels(residual(), Selection(kept=kept))
