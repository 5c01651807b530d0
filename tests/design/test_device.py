"""Device profiles and the contradictions they refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from design.device import ARITHMETIC_BITS, ARITHMETICS, DeviceKind, DeviceProfile, PerArithmetic

BOARD = {"name": "board", "kind": "cpu", "cores": 4, "clock_ghz": 1.5, "simd_bits": 128}


def test_only_name_and_kind_are_needed() -> None:
    profile = DeviceProfile(name="unknown", kind=DeviceKind.MCU)
    assert profile.model_dump(exclude_none=True).keys() == {"name", "kind", "peak_gmacs", "energy_pj_per_mac"}


def test_round_trip() -> None:
    profile = DeviceProfile.model_validate({**BOARD, "peak_gmacs": {"fp32": 24, "int8": 96}, "tdp_w": 6, "idle_w": 2})
    assert DeviceProfile.model_validate_json(profile.model_dump_json()) == profile


def test_every_arithmetic_has_bits_and_a_field() -> None:
    assert ARITHMETIC_BITS.keys() == set(ARITHMETICS) == set(PerArithmetic.model_fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clock_ghz", float("nan")),
        ("clock_ghz", -1),
        ("cores", 0),
        ("ram_kb", float("inf")),
        ("kind", "toaster"),
        ("colour", "red"),
        ("name", ""),
        ("clock_ghz", 1e-304),
        ("clock_ghz", True),
        ("clock_ghz", "1_0"),
        ("cores", True),
        ("cores", "4"),
        ("threads", True),
        ("simd_bits", False),
        ("batch_size", "1"),
        ("fp16_arithmetic", "yes"),
        ("fp16_arithmetic", 1),
        ("pooling_on_mac_array", "no"),
        ("launch_overhead_us", False),
        ("last_level_cache_kb", 1e-300),
        ("ram_kb", 1e-300),
        ("memory_bandwidth_gbps", 1e-306),
        ("fp32_macs_per_cycle", 1e-306),
        ("peak_gmacs", {"fp32": 1e-306}),
        ("peak_gmacs", {"int8": True}),
        ("energy_pj_per_mac", {"int8": "1"}),
        ("process_nm", 5e-324),
        ("process_nm", 1e5),
        ("tdp_w", 5e-324),
        ("active_w", 5e-324),
        ("idle_w", True),
        ("supported_bits", [[True, True]]),
        ("supported_bits", [["8", "8"]]),
        ("supported_bits", [[3, 8]]),
        ("supported_bits", []),
        ("peak_gmacs", {"fp64": 1}),
    ],
)
def test_refuses_absurd_figures(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        DeviceProfile.model_validate(BOARD | {field: value})


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"peak_gmacs": {"fp32": 2401}}, "peak_gmacs.fp32 must be at most"),
        ({"tdp_w": 5, "idle_w": 6}, "idle_w must be at most tdp_w = 5"),
        ({"ram_kb": 10, "last_level_cache_kb": 1001}, "must not exceed ram_kb = 10 a hundredfold"),
    ],
)
def test_refuses_contradictions(figures: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DeviceProfile.model_validate(BOARD | figures)


def test_a_peak_within_reason_is_accepted() -> None:
    assert DeviceProfile.model_validate(BOARD | {"peak_gmacs": {"fp32": 2399}}).peak_gmacs.fp32 == 2399


@pytest.mark.parametrize(
    ("field", "text", "must"),
    [("cores", "true", "valid integer"), ("clock_ghz", '"2"', "valid number"), ("fp16_arithmetic", '"yes"', "boolean")],
)
def test_what_is_no_number_in_json_is_said_to_be_none(field: str, text: str, must: str) -> None:
    with pytest.raises(ValidationError, match=must):
        DeviceProfile.model_validate_json(f'{{"name": "x", "kind": "cpu", "{field}": {text}}}')


def test_whole_numbers_may_be_written_with_a_point() -> None:
    found = DeviceProfile.model_validate_json('{"name": "x", "kind": "cpu", "cores": 4.0, "clock_ghz": 2}')
    assert (found.cores, found.clock_ghz) == (4, 2.0)
