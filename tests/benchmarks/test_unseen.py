from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import unseen
from benchmarks.unseen_descriptors import InvalidDescriptors, profile_of_line, read_descriptors
from benchmarks.unseen_tables import InvalidTable, read
from design.device import DeviceKind
from design.errors import BespokeError
from predictors.block_features import fbnet_features
from predictors.cell_features import cell_features
from predictors.known_weights import official_cells, official_representatives

CELLS = 600


def _table(folder: Path, **more: object) -> Path:
    cells = official_cells()[:CELLS]
    features = cell_features(cells)
    latency = 2 + 0.3 * features.arithmetic + 0.2 * features.traffic
    latency[::9] = np.nan
    latency[1::9] = 0.0
    latency[2::9] = -1.0
    latency[3] = np.inf
    arrays: dict[str, object] = {"devices": np.array(["abacus"]), "latency_ms": latency[None], "ops": cells} | more
    np.savez(folder / "table.npz", **{key: value for key, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    return folder / "table.npz"


def _run(folder: Path, *arguments: str) -> dict[str, object]:
    out = folder / "result.json"
    unseen.main([*arguments, "--json", str(out)])
    found: dict[str, object] = json.loads(out.read_text())
    return found


def test_the_shipped_predictor_is_scored_by_device(tmp_path: Path) -> None:
    table = _table(tmp_path, energy_mj=np.linspace(1, 2, CELLS)[None])
    found = _run(tmp_path, "--space", "nb201", "--table", str(table), "--samples", "0,10", "--seeds", "1")
    assert found["10"]["srcc"] > 0.9  # type: ignore[index]
    assert found["10"]["devices"]["abacus"].keys() == {"srcc", "within_10", "mape_median", "coverage_90"}  # type: ignore[index]
    assert found["0"]["devices"]["abacus"]["srcc"] > 0.7  # type: ignore[index]
    assert set(found["energy"]) == {"0", "10"}  # type: ignore[call-overload]


def test_descriptors_bring_milliseconds_with_intervals(tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({"abacus": "raspberry-pi-4@tflite"}))
    arguments = ["--space", "nb201", "--table", str(_table(tmp_path)), "--samples", "0", "--descriptors", str(facts)]
    found = _run(tmp_path, *arguments)["0"]
    assert found.keys() == {"srcc", "within_10", "mape_median", "coverage_90", "coverage_90_least", "devices"}  # type: ignore[attr-defined]


def test_failed_measurements_are_no_values(tmp_path: Path) -> None:
    row = read("nb201", _table(tmp_path)).latency_ms["abacus"]
    assert not np.isfinite(row[:4]).any()
    assert np.isfinite(row[4])


def test_kinds_of_devices_come_from_descriptors_then_the_table_then_the_name(tmp_path: Path) -> None:
    facts = tmp_path / "profiles.json"
    facts.write_text(json.dumps({"abacus": {"kind": "gpu", "batch_size": 128}}))
    known = read_descriptors(facts)
    own = read("nb201", _table(tmp_path), known).profiles["abacus"]
    assert (own.kind, own.batch_size) == (DeviceKind.GPU, 128)
    stated = _table(tmp_path, device_kind=np.array(["mobile"]), device_batch=np.array([0]))
    assert read("nb201", stated).profiles["abacus"].kind is DeviceKind.CPU
    strange = _table(tmp_path, device_kind=np.array(["quantum"]))
    assert read("nb201", strange).profiles["abacus"].kind is DeviceKind.NPU
    assert read("nb201", _table(tmp_path)).profiles["abacus"].kind is DeviceKind.NPU


def test_strange_and_repeated_names_are_kept_apart(tmp_path: Path) -> None:
    row = np.load(_table(tmp_path))["latency_ms"][0]
    names = np.array(["", "a/ß \n" * 99, "same", "same"])
    found = read("nb201", _table(tmp_path, devices=names, latency_ms=np.stack([row] * 4)))
    assert list(found.latency_ms) == ["", "a/ß \n" * 99, "same", "same (2)"]


def test_one_row_needs_no_second_axis(tmp_path: Path) -> None:
    row = np.load(_table(tmp_path))["latency_ms"][0]
    arrays = {"devices": None, "device": np.array("raspberry_pi_5"), "latency_ms": None, "latency_ms_median": row}
    found = read("nb201", _table(tmp_path, **arrays))
    assert found.profiles["raspberry_pi_5"].core == "Cortex-A76"


def test_devices_with_few_values_are_passed_over_and_tables_without_any_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = np.full(CELLS, np.nan)
    row[:15] = 3.0
    arguments = ["--space", "nb201", "--samples", "0,10", "--seeds", "1", "--table"]
    with pytest.raises(SystemExit):
        unseen.main([*arguments, str(_table(tmp_path, latency_ms=row[None] * np.nan))])
    assert "enough values" in capsys.readouterr().err
    assert set(_run(tmp_path, *arguments, str(_table(tmp_path, latency_ms=row[None])))) == {"0"}


def test_block_tables_are_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ops = rng.integers(0, 9, size=(60, 22))
    latency = 1e-6 * fbnet_features(ops).arithmetic
    path = tmp_path / "fbnet.npz"
    np.savez(path, ops=ops, devices=np.array(["x"]), latency_ms=latency[None])
    found = _run(tmp_path, "--space", "fbnet", "--table", str(path), "--samples", "0,5", "--seeds", "2")
    assert found["5"]["srcc"] > 0.9  # type: ignore[index]
    depth, resolution = rng.integers(2, 5, size=(40, 5)), rng.choice([128, 224], size=40)
    kernel, expand = rng.choice([3, 5, 7], size=(40, 20)), rng.choice([3, 4, 6], size=(40, 20))
    kernel[np.arange(20)[None] % 4 >= np.repeat(depth, 4, axis=1)] = 0  # inactive slots hold anything
    latency = (resolution**2 * depth.sum(axis=1))[None] * 1e-5
    name = np.array(["y"])
    np.savez(path, latency_ms=latency, ks=kernel, expand=expand, depth=depth, resolution=resolution, devices=name)
    assert _run(tmp_path, "--space", "ofa", "--table", str(path), "--samples", "5", "--seeds", "2")["5"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"latency_ms": np.ones((1, 7))}, "shape"),
        ({"latency_ms": np.array([["a"] * CELLS])}, "numbers"),
        ({"latency_ms": None}, "latency_ms"),
        ({"ops": np.full((CELLS, 6), 9)}, "between 0 and 4"),
        ({"ops": np.zeros((CELLS, 5), dtype=int)}, "shape"),
        ({"devices": np.array([{"a": 1}], dtype=object)}, "plain arrays"),
    ],
)
def test_tables_that_cannot_be_scored_are_refused(tmp_path: Path, more: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        read("nb201", _table(tmp_path, **more))


def test_tables_in_the_official_order_need_no_choices(tmp_path: Path) -> None:
    found = read("nb201", _table(tmp_path, ops=None, latency_ms=np.ones((1, 15625))))
    assert len(found.features) == 15625
    with pytest.raises(InvalidTable, match="15625"):
        read("nb201", _table(tmp_path, ops=None))


def test_other_files_and_missing_choices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTable, match="choices"):
        read("fbnet", _table(tmp_path, ops=None))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InvalidTable, match="npz"):
        read("nb201", tmp_path / "text.npz")


@pytest.mark.parametrize(
    "text", ["{", "3", '{"a": 3}', '{"a": {"kind": "gpu", "speed": 1}}', '{"a": "no-such-device"}']
)
def test_descriptors_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(text)
    with pytest.raises(BespokeError):
        read_descriptors(path)


def test_descriptors_may_be_lines_of_the_device_table(tmp_path: Path) -> None:
    path = tmp_path / "devices.csv"
    path.write_text(
        "device,class,cpu_core,freq_ghz,cores,isa,simd_bits,int8_dot,fp16_arith,fp32_mac_per_cycle,dram_gbps\n"
        "Board,sbc,Cortex-A76+Cortex-A55,2.4+1.8,4+4,arm neon,128,sdot,1,8,17.1\n"
        "Blank,sbc,,,,,,,,,\n"
    )
    found = read_descriptors(path)
    board = found.find("Board", threads=2)
    assert board is not None
    assert (board.clock_ghz, board.threads, board.fp16_arithmetic) == (2.4, 2, True)
    assert profile_of_line(found.lines["Board"], little=True).clock_ghz == 1.8
    blank = found.find("Blank")
    assert blank is not None
    assert blank.clock_ghz is None
    path.write_text("name\nx\n")
    with pytest.raises(InvalidDescriptors, match="device"):
        read_descriptors(path)


def test_copies_of_twins_are_neither_measured_nor_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = np.random.default_rng(0).uniform(1, 2, size=15625)
    found = read("nb201", _table(tmp_path, ops=None, latency_ms=own[official_representatives()][None]))
    assert found.copies == 15625 - 6466
    assert np.isfinite(found.latency_ms["abacus"]).sum() == 6466
    assert "copies" in capsys.readouterr().err
