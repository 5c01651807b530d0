"""What a request hears whose limits nothing keeps: figures that can be kept as they are written."""

from __future__ import annotations

import re

import pytest

from design.constraints import Constraints, LimitName
from optimizer.objective import MEMORY_KB
from optimizer.problem import Violation
from service.designs.infeasible import infeasible


@pytest.mark.parametrize("limit", ["latency_ms", "min_accuracy"])
@pytest.mark.parametrize("tightest", [7.499490136593184, 0.8123456789, 0.99999999, 123456.6, 1.0, 3.3e-7, 0.5000004])
def test_the_tightest_value_can_be_kept_as_it_is_written(limit: LimitName, tightest: float) -> None:
    asked = 1.0 if limit == "min_accuracy" else 1e-9
    violation = Violation(limit=limit, allowed=1e9 if asked == 1 else asked, reached=2 * tightest, tightest=tightest)
    (fault,) = infeasible([violation], {}, Constraints.model_validate({limit: asked})).faults
    found = re.search(r"must be at (most|least) (\S+) on this device", fault.must)
    assert found is not None
    written = float(found[2])
    assert written == pytest.approx(tightest, rel=1e-5)
    assert written <= tightest if limit == "min_accuracy" else written >= tightest
    assert len(found[2].split("e")[0].replace(".", "").strip("0")) <= 6


@pytest.mark.parametrize(
    ("limit", "asked", "pointer", "label"),
    [
        ("peak_memory_kb", None, "/device/ram_kb", "RAM"),
        ("peak_memory_kb", 9.0, "/device/ram_kb", "RAM"),
        ("peak_memory_kb", 2.0, "/limits/peak_memory_kb", None),
        ("model_kb", None, "/device/flash_kb", "flash"),
    ],
)
def test_memory_of_the_device_is_no_limit_of_the_request(
    limit: LimitName, asked: float | None, pointer: str, label: str | None
) -> None:
    unit = MEMORY_KB if label else 1.0
    violation = Violation(limit=limit, allowed=2.0 * unit, reached=7.0 * unit, tightest=6.0 * unit)
    refusal = infeasible([violation], {}, Constraints.model_validate({limit: asked}))
    (fault,) = refusal.faults
    assert fault.pointer == pointer
    assert fault.got == "2"
    assert "must be at least 6 " in fault.must
    assert fault.way_out == "The nearest design reaches 7."
    own = f"the device's own {label}"
    assert (own in fault.must) == (own in refusal.detail) == (label is not None)


@pytest.mark.parametrize("own", [True, False])
def test_a_limit_that_can_be_kept_alone_is_not_told_to_be_looser(own: bool) -> None:
    unit = MEMORY_KB if own else 1.0
    violation = Violation(limit="model_kb", allowed=4.0 * unit, reached=7.0 * unit, tightest=1.92 * unit)
    (fault,) = infeasible([violation], {}, Constraints(model_kb=None if own else 4.0)).faults
    assert "must be kept together with the other limits" in fault.must
    assert "at least" not in fault.must
    assert fault.way_out == "The nearest design reaches 7. Alone 1.92 can be kept."
