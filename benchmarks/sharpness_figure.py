"""The figure of the sharpness benchmark: sharpness over its threshold along every run, and the losses."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.figures import BLUE, GREY, ORANGE, styled
from benchmarks.sharpness_descent import CROSSED, RULES, Course

NAMES = {"gd": "descent", "polyak": "Polyak, momentum 0.9", "nesterov": "Nesterov, momentum 0.9"}
COLOURS = (BLUE, ORANGE, GREY)


def draw(courses: Sequence[Course]) -> Figure:
    """A column a rule; above the ratio with the edge at 1, below the loss."""
    figure, panels = styled(10.0, 5.0, 2, len(RULES))
    for column, rule in enumerate(RULES):
        upper, lower = panels[0][column], panels[1][column]
        upper.axhspan(CROSSED, 1.15, color="#eeeeee", zorder=0)
        upper.axhline(1.0, color="#333333", linewidth=0.8, linestyle="--")
        own = [course for course in courses if course.run.rule == rule]
        for colour, course in zip(COLOURS, own, strict=False):
            label = f"threshold {course.run.threshold:g}, step size {course.run.rate:.3g}"
            if course.crossing is None:
                label += " (never crossed)"
            upper.plot(course.at, course.ratios, color=colour, linewidth=1.0, label=label)
            lower.plot(course.at, course.losses, color=colour, linewidth=1.0)
        upper.set(title=NAMES[rule], ylim=(0, None))
        lower.set(yscale="log", xlabel="step")
        if own:
            upper.legend(loc="lower right", fontsize=7)
    panels[0][0].set_ylabel("sharpness / threshold")
    panels[1][0].set_ylabel("loss")
    return figure
