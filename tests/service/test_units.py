from __future__ import annotations

import pytest

from design.prediction import Estimate, Interval
from service import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (9.999, "10.0"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.5, "1,234"),
        (-2.5, "-2.50"),
    ],
)
def test_three_significant_figures(value: float, text: str) -> None:
    assert units.significant(value) == text


def test_sizes_are_in_kilobytes_of_1000_bytes_then_megabytes() -> None:
    assert units.kilobytes(1_000) == "1.00 kB"
    assert units.kilobytes(9_999_000) == "9,999 kB"
    assert units.kilobytes(48_100_000) == "48.1 MB"


def test_counts_and_shares() -> None:
    assert units.count(40_800_000) == "40.8 M"
    assert units.count(999) == "999"
    assert units.percent(0.9123) == "91.2 %"
    assert units.shape((3, 32, 32)) == f"3{units.TIMES}32{units.TIMES}32"


def test_intervals_and_what_limits_are_compared_with() -> None:
    interval = Interval(low=0.85, high=0.91)
    assert units.span(interval, 100) == "85.0 to 91.0"
    assert units.span(Interval(low=1.234, high=20)) == "1.23 to 20.0"
    assert units.at_risk(Estimate(value=0.9, interval=interval)) == 0.9
    assert units.at_risk(Estimate(value=0.9, interval=interval, at_risk=0.86)) == 0.86


def test_memories_of_devices_are_told_in_binary_units() -> None:
    assert [units.memory(size) for size in (320, 1024, 1536, 4 << 20, 0.5)] == [
        "320 KiB",
        "1.00 MiB",
        "1.50 MiB",
        "4.00 GiB",
        "0.500 KiB",
    ]
