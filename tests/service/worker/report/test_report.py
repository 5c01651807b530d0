"""The report opens without network, has every figure, and says plainly where a prediction was wrong."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from design.prediction import Interval
from service.worker.report.document import Comparison, JobReport, ReadBound
from service.worker.report.figures import HEIGHT, LEFT, band, significance_plot, steps_between, training_plots
from service.worker.report.page import compared_line, report_page
from tests.service.worker.report.sample import sample

REPORT = sample()
PAGE = report_page(REPORT)
VOID = {"meta", "link", "br", "img", "input", "hr"}


class _Checked(HTMLParser):
    """Tags that close in order, and addresses that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.looked_at(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.looked_at(attrs)

    def looked_at(self, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset", "action")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_sound_file_that_loads_nothing() -> None:
    checked = _Checked()
    checked.feed(PAGE)
    assert checked.open == []
    assert checked.loads == []
    assert not re.search(r"<script|@import|url\(|https?://", PAGE)
    assert "default-src 'none'" in PAGE


def test_names_are_text_whatever_they_hold() -> None:
    assert "hybrid &lt;1 and 2 bit&gt;" in PAGE
    assert "<1 and 2 bit>" not in PAGE


def test_everything_is_on_the_page() -> None:
    for layer in REPORT.layers:
        assert f">{layer.name}<" in PAGE
    for text in (
        "skipped: no layer runs on whole numbers",
        "python run_model.py model.onnx picture.png",
        "95.2 %",
        "0.310 ms",
        "2 of 360",
        "this network was trained on 1,294 pictures for 12 epochs",
        "Memory: no limit on training memory.",
        "At the edge &lt;of&gt; stability, as is normal.",
        ">sharpness<",
        "6.0e-07",
        REPORT.job_id,
        *(one.reason.replace("<", "&lt;").replace("'", "&#39;") for one in REPORT.significance[:2]),
        *(one.field for one in REPORT.host_assumed),
    ):
        assert text in PAGE, text
    assert PAGE.count('class="plot"') == 5


def test_the_json_is_the_same_report() -> None:
    content = json.loads(REPORT.as_json())
    assert content["comparisons"][0]["measured"] == 0.952
    assert [one["inside"] for one in content["comparisons"]][1] is None
    for comparison in content["comparisons"]:
        del comparison["inside"]
    assert JobReport.model_validate(content) == REPORT


@pytest.mark.parametrize(("measured", "inside"), [(0.9, True), (0.85, True), (0.84, False), (0.97, False)])
def test_the_verdict_says_whether_the_truth_lies_inside(measured: float, inside: bool) -> None:
    interval = Interval(low=0.85, high=0.95)
    own = Comparison(
        name="accuracy", unit="fraction", predicted=0.9, interval=interval, measured=measured, how="on 10 pictures"
    )
    line = compared_line(own)
    assert own.inside is line.kept is inside
    assert line.verdict == f"{'in' if inside else 'out'}side the 90 % interval"
    marks = band(own)
    assert marks is not None
    assert (marks.low <= marks.measured <= marks.high) is inside
    assert 0 < min(marks.low, marks.measured) < max(marks.high, marks.measured) < 100


def test_figures_without_a_prediction_or_an_interval_are_shown_as_such() -> None:
    size = Comparison(name="size", unit="bytes", predicted=1000, interval=None, measured=1010, how="")
    assert compared_line(size).verdict == "+1.0 % of the count"
    assert band(size) is None
    alone = Comparison(name="latency", unit="ms", predicted=None, interval=None, measured=1, how="")
    assert compared_line(alone).verdict == "nothing was predicted"


def test_curves_stay_inside_their_picture() -> None:
    plots = [plot for training in REPORT.trainings for plot in training_plots(training)]
    curve = significance_plot(REPORT.significance)
    assert curve is not None
    for plot in [*plots, curve]:
        for line in plot.lines:
            places = [tuple(map(float, point.split(","))) for point in line.points.split()]
            assert all(LEFT <= x <= plot.width and 0 <= y <= HEIGHT for x, y in places)
        assert 2 <= len(plot.y_ticks) <= 8
        assert len(plot.x_ticks) >= 2
    assert sum(dot.filled for dot in curve.lines[1].dots) == sum(one.significant for one in REPORT.significance)
    assert significance_plot(()) is None


def test_a_training_of_one_epoch_is_drawn() -> None:
    one = REPORT.trainings[0].model_copy(update={"epochs": REPORT.trainings[0].epochs[:1], "best_epoch": 1})
    assert len(training_plots(one)) == 2
    assert training_plots(one.model_copy(update={"epochs": ()})) == ()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.2, 0.97), (0, 2.31), (1, 20), (1, 2), (3, 3), (0, 512)])
def test_ticks_are_round_and_few(low: float, high: float) -> None:
    found = steps_between(low, high)
    assert 1 <= len(found) <= 6
    assert all(low <= value <= high for value in found)


def test_what_was_cut_is_shown_with_what_it_cost_and_brought_back() -> None:
    for text in (
        "provable &lt;filter&gt; pruning, on 143 validation pictures",
        "98.7 %",
        "23.4 %",
        "97.2 %",
        "stem.conv, stage1.block1.conv2",
        'more than 34.6 % (most in <span class="mono">stage1.block1.conv1<',
    ):
        assert text in PAGE, text


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ((0.5, 1.0), 'a sum of <span class="mono">layer1</span> may have lost everything'),
        ((0.0, 0.0), None),
        ((None, None), None),
        ((0.0, 0.5), "more than 50.0 %"),
    ],
)
def test_the_loosest_bound_is_the_one_that_is_told(shares: tuple[float | None, ...], says: str | None) -> None:
    """That of the filters that were chosen: what the theorem says of random draws is no figure of theirs."""
    bounds = tuple(
        ReadBound(layer=f"layer{place}", removed_share=one, draws_epsilon=0.123) for place, one in enumerate(shares)
    )
    assert REPORT.pruning is not None
    page = report_page(REPORT.model_copy(update={"pruning": REPORT.pruning.model_copy(update={"bounds": bounds})}))
    assert ("Training on has to bring back" in page) is (says is not None)
    assert says is None or says in page
    assert "0.123" not in page


def test_a_report_of_little_is_a_page_too() -> None:
    without = {"trainings": (), "pruning": None, "significance": (), "exported": (), "host_assumed": ()}
    checked = _Checked()
    page = report_page(REPORT.model_copy(update=without))
    checked.feed(page)
    assert checked.open == []
    assert "Filters cut out" not in page
