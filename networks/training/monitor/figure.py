"""The edge-of-stability figure of a run: curvature against its threshold, the loss below it, signs below that.

    svg = edge_figure(monitor.record())          # or MonitorRecord.from_json(...)

One SVG element as text, without scripts and fonts of its own; inside a page its colours are the page's `--c1`, `--c2`,
`--c6`, `--sheet`, `--line` and `--soft` where those are set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from networks.training.monitor.record import Finding, MonitorRecord, Reading

WIDTH, LEFT, RIGHT, TOP, GAP, BOTTOM = 920.0, 62.0, 12.0, 26.0, 40.0, 34.0
TALL, LOW = 190.0, 110.0
COLOURS = {1: "#0a655d", 2: "#b0531c", 6: "#8b98a5"}
MARKED = {Finding.CATAPULT, Finding.SPIKE, Finding.DIVERGING}
SMALLEST = 1e-12
Points = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a panel.

    Attributes:
        points: Step and value; every value over 0 where the panel is logarithmic.
        colour: A key of `COLOURS`.
    """

    name: str
    points: Points
    colour: int
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Curves over the same steps."""

    title: str
    curves: tuple[Curve, ...]
    height: float
    logarithmic: bool


def edge_panels(record: MonitorRecord) -> tuple[Panel, ...]:
    """What the figure shows, for those who draw it themselves; panels without a curve are left out."""
    readings = record.readings
    curvature = [
        Curve(name="sharpness", points=_points(readings, "sharpness"), colour=1),
        Curve(
            name=f"threshold {record.threshold}".strip(), points=_points(readings, "threshold"), colour=2, dashed=True
        ),
    ]
    title = "Curvature (the edge is where the lines meet)"
    if not curvature[0].points:
        title = "Critical sharpness against 2 / step size"
        edge = [(float(one.step), 2 / one.learning_rate) for one in readings if one.learning_rate > 0]
        curvature = [
            Curve(name="critical sharpness", points=_points(readings, "critical_sharpness"), colour=1),
            Curve(name="2 / step size", points=edge, colour=2, dashed=True),
        ]
    losses = (
        Curve(name="batches (mean)", points=_points(readings, "loss"), colour=1),
        Curve(name="probe pictures", points=_points(readings, "probe_loss"), colour=2, dashed=True),
    )
    signs = (
        Curve(name="flipped since the last reading", points=_points(readings, "flip_ratio", False), colour=1),
        Curve(name="channels with one sign", points=_points(readings, "dead_channels", False), colour=2, dashed=True),
        Curve(name="weights without gradient", points=_points(readings, "dead_weights", False), colour=6),
    )
    panels = (
        Panel(title=title, curves=tuple(curvature), height=TALL, logarithmic=True),
        Panel(title="Loss", curves=losses, height=LOW, logarithmic=True),
        Panel(title="Binary signs, share", curves=signs, height=LOW, logarithmic=False),
    )
    return tuple(panel for panel in panels if panel.curves[0].points)


def edge_figure(record: MonitorRecord) -> str:
    """The figure as an SVG element; empty text where nothing was measured."""
    panels = edge_panels(record)
    steps = [point[0] for panel in panels for curve in panel.curves for point in curve.points]
    if not panels or max(steps) <= min(steps):
        return ""
    first, last = min(steps), max(steps)
    parts, top = [], TOP
    for panel in panels:
        parts.append(_drawn(panel, top, (first, last)))
        top += panel.height + GAP
    floor = top - GAP
    parts += _step_axis((first, last), floor)
    for verdict in record.verdicts:
        if verdict.finding in MARKED and first <= verdict.step <= last:
            at, style = _x(verdict.step, (first, last)), _stroke("soft", "#566069") + ";stroke-dasharray:2 3"
            parts.append(
                f'<line x1="{at}" x2="{at}" y1="{TOP}" y2="{floor}" style="{style}">'
                f"<title>{escape(f'{verdict.finding} at step {verdict.step}: {verdict.words}')}</title></line>"
            )
    told = f"Edge of stability over {record.steps} steps: " + ", ".join(panel.title for panel in panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {floor + BOTTOM:g}" role="img" '
        f'aria-label="{escape(told)}" style="width:100%;height:auto;display:block;background:var(--sheet,#fff);'
        f"font:12px Inter,system-ui,'DejaVu Sans',sans-serif\">{''.join(parts)}</svg>"
    )


def _points(readings: Sequence[Reading], name: str, positive: bool = True) -> Points:
    found = [(float(one.step), getattr(one, name)) for one in readings]
    return [(step, value) for step, value in found if value is not None and (value > SMALLEST or not positive)]


def _drawn(panel: Panel, top: float, steps: tuple[float, float]) -> str:
    values = [value for curve in panel.curves for _, value in curve.points]
    low, high = min(values), max(values)
    if panel.logarithmic:
        low, high = 10 ** (math.log10(low) - 0.05), 10 ** (math.log10(high) + 0.05)
    else:
        low, high = 0.0, max(high, 0.01) * 1.05
    floor = top + panel.height

    def y(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if panel.logarithmic else (value - low) / (high - low)
        return round(floor - share * panel.height, 1)

    parts = [_text(LEFT, top - 8, panel.title, "start", strong=True)]
    for tick in _log_ticks(low, high) if panel.logarithmic else _even_ticks(high):
        at = y(tick)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}" style="{_stroke("line", "#dedad0")}"/>'
        )
        parts.append(_text(LEFT - 8, at + 4, f"{tick:g}", "end"))
    legend = WIDTH - RIGHT
    for curve in reversed([one for one in panel.curves if one.points]):
        style = _stroke(f"c{curve.colour}", COLOURS[curve.colour]) + ";fill:none;stroke-width:2"
        style += ";stroke-dasharray:5 4" if curve.dashed else ""
        line = " ".join(f"{_x(step, steps)},{y(value)}" for step, value in curve.points)
        parts.append(f'<polyline points="{line}" style="{style}"><title>{escape(curve.name)}</title></polyline>')
        parts.append(_text(legend, top - 8, curve.name, "end"))
        legend -= 6.4 * len(curve.name) + 8
        parts.append(f'<line x1="{legend - 22}" x2="{legend}" y1="{top - 12}" y2="{top - 12}" style="{style}"/>')
        legend -= 36
    return "".join(parts)


def _step_axis(steps: tuple[float, float], floor: float) -> list[str]:
    first, last = steps
    rough = max((last - first) / 8, 1)
    power = 10 ** math.floor(math.log10(rough))
    distance = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    ticks = [distance * place for place in range(math.ceil(first / distance), math.floor(last / distance) + 1)]
    return [
        *(_text(_x(tick, steps), floor + 16, f"{tick:,.0f}", "middle") for tick in ticks),
        _text(WIDTH - RIGHT, floor + 30, "step", "end"),
    ]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 times them where there is room."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 3 else (1,)
    every = max(len(powers) // 6, 1) if factors == (1,) else 1
    return [
        round(factor * 10.0**power, 15)
        for power in powers
        for factor in factors
        if low <= factor * 10.0**power <= high and power % every == 0
    ]


def _even_ticks(high: float) -> list[float]:
    power = 10.0 ** math.floor(math.log10(high))
    step = next(power * factor for factor in (0.2, 0.5, 1, 2, 5) if high / (power * factor) <= 5)
    return [round(step * place, 12) for place in range(int(high / step) + 1)]


def _x(step: float, steps: tuple[float, float]) -> float:
    first, last = steps
    return round(LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)


def _text(x: float, y: float, text: str, anchor: str, *, strong: bool = False) -> str:
    style = "fill:var(--soft,#566069)" + (";font-weight:600" if strong else "")
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" style="{style}">{escape(text)}</text>'


def _stroke(name: str, colour: str) -> str:
    return f"stroke:var(--{name},{colour})"
