from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import unseen
from benchmarks.unseen_descriptors import Descriptors
from benchmarks.unseen_ncnn import read_machines
from benchmarks.unseen_tables import InvalidTable
from predictors.ncnn_networks import shipped_networks

COLUMNS = "device,num_threads,powersave,gpu_device,base_model,int8,min_ms"


def _write(folder: Path, *lines: str) -> Path:
    path = folder / "timings.csv"
    path.write_text("\n".join([COLUMNS, *lines]) + "\n")
    return path


def _timings(threads: int = 1, device: str = "Abacus") -> list[str]:
    names, designs = shipped_networks()
    macs = designs.total(designs.rows[:, 11])
    return [f"{device},{threads},0,-1,{names[i][0]},False,{macs[i] / 5e6 / threads}" for i in range(0, len(names), 2)]


def test_machines_never_seen_are_scored(tmp_path: Path) -> None:
    facts, out = tmp_path / "facts.json", tmp_path / "out.json"
    facts.write_text(json.dumps({"Abacus": {"kind": "cpu", "core": "Cortex-A72", "clock_ghz": 1.5}}))
    path = _write(tmp_path, *_timings(), *_timings(device="Unknown"))
    base = ["--space", "ncnn", "--table", str(path), "--samples", "0,3", "--seeds", "2", "--json", str(out)]
    unseen.main([*base, "--descriptors", str(facts)])
    found = json.loads(out.read_text())
    assert found["3"]["srcc"] > 0.9
    assert set(found["0"]["devices"]["Abacus"]) == {"srcc", "within_10", "mape_median", "coverage_90"}
    assert set(found["0"]["devices"]["Unknown"]) == {"srcc"}


def test_lines_that_say_nothing_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = _timings()
    strange = [
        "Abacus,1,0,0,alexnet,False,3",
        "Abacus,1,0,-1,net_of_mine,False,3",
        "Abacus,1,0,-1,alexnet,False,0",
        "Abacus,1,0,-1,alexnet,False,",
        "Abacus,1,0,-1,alexnet,False,fast",
        "Abacus,1,0,-1,alexnet,False,nan",
    ]
    path = _write(tmp_path, *good, *strange)
    machine = read_machines(path, Descriptors(), shipped_networks()[0])["Abacus"]
    assert len(machine.networks) == len(good)
    said = capsys.readouterr().err
    assert "GPU" in said
    assert "net_of_mine" in said
    assert "4 lines without a time" in said


def test_repeats_count_by_the_fastest_and_settings_apart(tmp_path: Path) -> None:
    path = _write(tmp_path, *_timings(), *_timings(4), "Abacus,1,0,-1,alexnet,False,0.001")
    machines = read_machines(path, Descriptors(), shipped_networks()[0])
    assert set(machines) == {"Abacus [1 threads]", "Abacus [4 threads]"}
    assert machines["Abacus [1 threads]"].latency_ms.min() == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lines"),
        ("device,base_model\nx,alexnet\n", "min_ms"),
        ("base_model,min_ms\nalexnet,3\n", "device"),
        (COLUMNS + "\nx,1,0,-1,alexnet,False,0\n", "timings"),
    ],
)
def test_tables_that_cannot_be_scored_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InvalidTable, match=message):
        read_machines(path, Descriptors(), shipped_networks()[0])


def test_shipped_networks_have_their_published_size() -> None:
    names, designs = shipped_networks()
    macs = dict(zip(names, designs.total(designs.rows[:, 11]) / 1e6, strict=True))
    assert macs["vgg16", False] == pytest.approx(15_470, rel=1e-3)
    assert macs["mobilenet_v2", True] == pytest.approx(314, rel=1e-2)
    assert np.all(designs.rows >= 0)
