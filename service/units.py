"""Units: how figures are written for people, on the pages and in the terminal alike."""

from __future__ import annotations

import math

from design.prediction import Estimate, Interval

TIMES = "\N{MULTIPLICATION SIGN}"
AT_LEAST, AT_MOST = "\N{GREATER-THAN OR EQUAL TO}", "\N{LESS-THAN OR EQUAL TO}"
DASH = "\N{EN DASH}"
"""Stands where a figure does not exist or is not known."""

KILOBYTE = 1_000.0
"""Bytes; limits and figures of memory are in kilobytes of 1,000 bytes."""


def significant(value: float, digits: int = 3) -> str:
    """Rounded to `digits` significant figures, thousands apart: `0.0123`, `12.3`, `1,234`."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    rounded = float(f"{value:.{digits}g}")
    places = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{places}f}"


def milliseconds(value: float) -> str:
    """`12.3 ms`."""
    return f"{significant(value)} ms"


def millijoules(value: float) -> str:
    """`4.56 mJ`."""
    return f"{significant(value)} mJ"


def kilobytes(size_bytes: float) -> str:
    """Bytes as `148 kB`, from ten megabytes on as `48.1 MB`."""
    if size_bytes >= 10 * KILOBYTE**2:
        return f"{significant(size_bytes / KILOBYTE**2)} MB"
    return f"{significant(size_bytes / KILOBYTE)} kB"


def percent(fraction: float) -> str:
    """A fraction as `91.2 %`."""
    return f"{100 * fraction:.1f} %"


def count(value: float) -> str:
    """A large count as `40.8 M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{significant(value / size)} {letter}"
    return f"{value:g}"


def memory(kilobytes_1024: float) -> str:
    """A memory of a device as `4 GiB` or `320 KiB`, from kilobytes of 1,024 bytes."""
    for size, unit in ((1 << 20, "GiB"), (1 << 10, "MiB")):
        if kilobytes_1024 >= size:
            return f"{significant(kilobytes_1024 / size)} {unit}"
    return f"{significant(kilobytes_1024)} KiB"


def span(interval: Interval, scale: float = 1.0) -> str:
    """Both ends of an interval without their unit: `10.1 to 15.2`; `scale` 100 for percent."""
    if scale != 1.0:
        return f"{scale * interval.low:.1f} to {scale * interval.high:.1f}"
    return f"{significant(interval.low)} to {significant(interval.high)}"


def at_risk(estimate: Estimate) -> float:
    """What a limit is compared with: the value at the accepted risk, the median where no risk was given."""
    return estimate.value if estimate.at_risk is None else estimate.at_risk


def shape(size: tuple[int, int, int]) -> str:
    """C x H x W with multiplication signs between."""
    return TIMES.join(str(side) for side in size)
