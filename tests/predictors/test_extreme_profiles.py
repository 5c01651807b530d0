"""Profiles at the ends of what is legal: every figure predicted is finite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile
from design.spaces.registry import find_space
from predictors.descriptor import describe
from predictors.predict import predict
from tests.predictors.measured_cells import TASK

SCHEMA = DeviceProfile.model_json_schema()
SPACE = find_space("vgg")
DESIGNS = SPACE.rows(TASK, SPACE.sample(TASK, 3, np.random.default_rng(0)))


def bounds(properties: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """(field, legal value) at both ends of every number."""
    for name, field in properties.items():
        nested = field.get("$ref", "").rpartition("/")[2]
        if nested in ("PerArithmetic",):
            yield from ((f"{name}.{leaf}", end) for leaf, end in bounds(SCHEMA["$defs"][nested]["properties"]))
        for form in field.get("anyOf", [field]):
            if form.get("type") in ("number", "integer"):
                least = form["minimum"] if "minimum" in form else form["exclusiveMinimum"] + 1
                yield from ((name, end) for end in (least, form["maximum"]))


ENDS = list(bounds(SCHEMA["properties"]))


def test_every_number_of_a_profile_has_ends() -> None:
    assert len(ENDS) == 2 * 27
    assert {"clock_ghz", "process_nm", "peak_gmacs.fp32", "energy_pj_per_mac.binary"} <= {name for name, _ in ENDS}


@pytest.mark.parametrize("kind", list(DeviceKind))
def test_figures_are_finite_at_the_ends_of_every_field(kind: DeviceKind) -> None:
    for name, end in ENDS:
        field, _, leaf = name.partition(".")
        profile = DeviceProfile.model_validate({"name": "x", "kind": kind, field: {leaf: end} if leaf else end})
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            found = predict(DESIGNS, describe(profile), TASK)
        for figures in (found.latency_ms, found.energy_mj, found.accuracy):
            shown = np.array([figures.median, *figures.interval(), figures.limit_quantile(1 - 1e-6)])
            assert np.isfinite(shown).all(), (name, end)
