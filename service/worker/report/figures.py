"""Figures: curves and intervals as the points of pictures that the page draws, without a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.worker.report.document import Comparison, SignificantLayer, Training

HALF, WHOLE, HEIGHT = 455.0, 920.0, 220.0
"""Widths of a picture beside another and alone, and the height of both, about a pixel a unit."""
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 10.0, 34.0
TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A place on an axis and what it says."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A marked point; `filled` where it stands out."""

    x: float
    y: float
    filled: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve: SVG points, its colour (1 to 6) and name."""

    name: str
    colour: int
    points: str
    dots: tuple[Dot, ...] = ()
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture of curves."""

    title: str
    description: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_name: str
    width: float
    mark: float | None = None
    height: float = HEIGHT
    left: float = LEFT
    floor: float = HEIGHT - BOTTOM


@dataclass(frozen=True, kw_only=True)
class Band:
    """An interval and a measured value on one line, in percent of its length."""

    low: float
    high: float
    median: float
    measured: float


def steps_between(low: float, high: float, most: int = TICKS) -> list[float]:
    """Round values from `low` to `high`, at most `most` + 1, at distances of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(step * place, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


class _Axes:
    """Places of values in the picture."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], width: float) -> None:
        self.x_range, self.y_range, self.width = x, y, width

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(LEFT + (value - low) / ((high - low) or 1) * (self.width - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(HEIGHT - BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM), 1)

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, ys, strict=True))

    def y_ticks(self, percent: bool = False) -> tuple[Tick, ...]:
        return tuple(
            Tick(at=self.y(value), text=f"{100 * value:g} %" if percent else f"{value:g}")
            for value in steps_between(*self.y_range)
        )


def training_plots(training: Training) -> tuple[Plot, ...]:
    """Loss and accuracy over the epochs; the epoch that was kept is marked."""
    epochs = training.epochs
    if not epochs:
        return ()
    xs = [float(number) for number in range(1, len(epochs) + 1)]
    found = []
    for title, pairs, percent in (
        ("loss", [("training", [e.loss for e in epochs]), ("validation", [e.validation_loss for e in epochs])], False),
        (
            "accuracy",
            [
                ("training (augmented)", [e.accuracy for e in epochs]),
                ("validation", [e.validation_accuracy for e in epochs]),
            ],
            True,
        ),
    ):
        values = [value for _, own in pairs for value in own]
        low, high = (min(values), max(values)) if percent else (0.0, max(values))
        ends = steps_between(low, high)
        distance = ends[1] - ends[0] if len(ends) > 1 else 0.1
        bottom, top = max(0.0, ends[0] - distance), min(1.0, high + distance) if percent else high
        axes = _Axes((1, max(xs[-1], 2)), (bottom, top), HALF)
        kept = training.best_epoch
        lines = tuple(
            Line(
                name=name,
                colour=place,
                points=axes.points(xs, own),
                dots=(Dot(x=axes.x(kept), y=axes.y(own[kept - 1]), filled=True, title=f"{name}: {own[kept - 1]:.4g}"),),
                dashed=place == 1,
            )
            for place, (name, own) in enumerate(pairs, 1)
        )
        found.append(
            Plot(
                title=title,
                description=f"{title.capitalize()} of {training.name} over {len(epochs)} epochs.",
                lines=lines,
                x_ticks=tuple(
                    Tick(at=axes.x(value), text=f"{value:g}")
                    for value in steps_between(1, max(xs[-1], 2))
                    if value == int(value)
                ),
                y_ticks=axes.y_ticks(percent),
                x_name="epoch",
                width=HALF,
                mark=axes.x(kept),
            )
        )
    return tuple(found)


def significance_plot(layers: Sequence[SignificantLayer]) -> Plot | None:
    """Components that each layer needs, and its channels; significant layers are filled."""
    if not layers:
        return None
    xs = [float(place) for place in range(1, len(layers) + 1)]
    most = max(layer.channels for layer in layers)
    axes = _Axes((1, max(xs[-1], 2)), (0, most), WHOLE)
    components = [float(layer.components) for layer in layers]
    dots = tuple(
        Dot(x=axes.x(x), y=axes.y(value), filled=layer.significant, title=f"{layer.name}: {layer.reason}")
        for x, value, layer in zip(xs, components, layers, strict=True)
    )
    channels = axes.points(xs, [float(layer.channels) for layer in layers])
    return Plot(
        title="significance",
        description="Principal components that hold most of the variance of each layer, and its channels.",
        lines=(
            Line(name="channels", colour=6, points=channels, dashed=True),
            Line(name="components needed", colour=1, points=axes.points(xs, components), dots=dots),
        ),
        x_ticks=tuple(
            Tick(at=axes.x(value), text=f"{value:g}") for value in steps_between(1, max(xs[-1], 2)) if value % 1 == 0
        ),
        y_ticks=axes.y_ticks(),
        x_name="layer, input to output",
        width=WHOLE,
    )


def band(comparison: Comparison) -> Band | None:
    """The interval with both values; None without one."""
    interval, predicted = comparison.interval, comparison.predicted
    if interval is None or predicted is None:
        return None
    marks = [interval.low, interval.high, predicted, comparison.measured]
    low, high = min(marks), max(marks)
    margin = 0.08 * (high - low) or 1.0

    def place(value: float) -> float:
        return round(100 * (value - low + margin) / (high - low + 2 * margin), 2)

    return Band(
        low=place(interval.low),
        high=place(interval.high),
        median=place(predicted),
        measured=place(comparison.measured),
    )
