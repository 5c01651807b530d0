"""The figure is one well-formed SVG whose lines are the readings."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from networks.training.monitor.figure import edge_figure, edge_panels
from networks.training.monitor.record import Finding, MonitorRecord, Reading, Verdict

SVG = "{http://www.w3.org/2000/svg}"


def record(number: int = 12, *, exact: bool = True, signs: bool = False) -> MonitorRecord:
    readings = tuple(
        Reading(
            step=100 * place,
            learning_rate=0.1,
            loss=2.0 / (1 + place),
            loss_deviation=0.1,
            highest_loss=3.0,
            gradient_norm=1.0,
            probe_loss=1.8 / (1 + place),
            sharpness=2.0 * 1.3**place if exact else None,
            threshold=20.0 if exact else None,
            critical_sharpness=1.5 * 1.3**place,
            critical_ratio=0.1,
            flip_ratio=0.01 * place if signs else None,
            dead_channels=0.1 if signs else None,
        )
        for place in range(number)
    )
    verdict = Verdict(finding=Finding.CATAPULT, step=500, words="The loss <jumped> & landed.")
    return MonitorRecord(
        readings=readings,
        verdicts=(verdict,),
        start=None,
        threshold="2 / 0.1",
        measures="Hessian of the training loss" if exact else "",
        critical_measures="critical sharpness",
        statistics="batch",
        pictures=128,
        chunk=64,
        steps=1200,
        overhead=0.05,
    )


def test_every_curve_is_drawn_within_the_picture() -> None:
    tree = ElementTree.fromstring(edge_figure(record(signs=True)))
    _, _, width, height = map(float, tree.attrib["viewBox"].split())
    lines = tree.findall(f"{SVG}polyline")
    named = [line.findtext(f"{SVG}title") for line in lines]
    assert sorted(named, key=str) == [
        "batches (mean)",
        "channels with one sign",
        "flipped since the last reading",
        "probe pictures",
        "sharpness",
        "threshold 2 / 0.1",
    ]
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert len(points) == 12
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    rising = next(line for line, name in zip(lines, named, strict=True) if name == "sharpness")
    heights = [float(point.split(",")[1]) for point in rising.attrib["points"].split()]
    assert heights == sorted(heights, reverse=True)
    told = [title.text or "" for title in tree.iter(f"{SVG}title")]
    assert any("The loss <jumped> & landed." in text for text in told)
    assert not tree.findall(f".//{SVG}script")


def test_without_eigenvalues_it_shows_the_critical_sharpness() -> None:
    panels = edge_panels(record(exact=False))
    assert [curve.name for curve in panels[0].curves] == ["critical sharpness", "2 / step size"]
    assert panels[0].curves[1].points[0] == (0.0, 20.0)
    assert len(panels) == 2


@pytest.mark.parametrize("share", [0.0, 0.03, 0.07, 0.1, 0.4, 0.6, 0.95, 1.0])
def test_shares_of_any_size_have_an_axis(share: float) -> None:
    told = record(3, signs=True)
    readings = tuple(replace(one, flip_ratio=share, dead_channels=share) for one in told.readings)
    tree = ElementTree.fromstring(edge_figure(replace(told, readings=readings)))
    numbers = [text.text or "" for text in tree.findall(f"{SVG}text")]
    assert "0" in numbers
    (_, _, _, height) = map(float, tree.attrib["viewBox"].split())
    assert all(0 <= float(text.attrib["y"]) <= height for text in tree.findall(f"{SVG}text"))


def test_with_nothing_to_draw_there_is_no_figure() -> None:
    assert edge_figure(record(0)) == ""
    assert edge_figure(record(1)) == ""
    bare = record(3)
    zero = tuple(replace(one, learning_rate=0.0, sharpness=None, critical_sharpness=None) for one in bare.readings)
    assert edge_figure(replace(bare, readings=zero)).count("<polyline") == 2
