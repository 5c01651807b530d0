"""The pruning study prunes each parent once, keeps its results, and puts the figures together."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmarks.hybrid_runs
import benchmarks.pruning
import benchmarks.pruning_dead
from benchmarks.hybrid_runs import (
    Places,
    fitted_on,
    read_data,
    remove_checkpoints,
    run,
    stored_results,
    trained_weights,
)
from benchmarks.pruning_bound import bound_study
from benchmarks.pruning_costs import sensitivity_cost, speed_ups
from benchmarks.pruning_dead import surgery_errors
from benchmarks.pruning_recipe import METHODS, PARENT, Job
from benchmarks.pruning_runs import Stations, held_out, parent_of
from benchmarks.pruning_runs import run as run_pruning
from benchmarks.pruning_table import floors, leads, table
from benchmarks.pruning_topologies import TOPOLOGIES
from networks.pruning.bound import BERNSTEIN


def job(method: str, keep: float = 0.6, **changes: object) -> Job:
    given = {"network": "resnet20", "seed": 0, "learning_rate": 0.01, "epochs": 1, "parent_epochs": 1} | changes
    return Job(method=method, keep=keep, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stations(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Stations:
    """With a parent that has seen a few pictures of noise."""
    place = tmp_path_factory.mktemp("study")
    return Stations(
        Places(data=folder, results=place / "parents", cache=place / "hybrid"),
        Places(data=folder, results=place / "results", cache=place / "pruning"),
    )


def test_a_run_is_made_once_and_kept(stations: Stations) -> None:
    result = run_pruning(job("provable"), stations)
    assert stored_results(stations.own.results) == {job("provable").digest: result}
    assert result["parameters"] == pytest.approx(0.6 * 272_474, rel=0.005)
    assert result["parent_weights"] == run_pruning(job(PARENT, 1), stations)["parent_weights"]
    assert 0 <= result["test_accuracy_before"] <= 1
    assert {one["layer"] for one in result["bound"]} >= {"head.fc", "stage3.block1.shortcut"}
    assert json.dumps(result)
    before = {path: path.stat().st_mtime_ns for path in stations.own.results.iterdir()}
    assert run_pruning(job("provable"), stations) == result
    assert {path: path.stat().st_mtime_ns for path in stations.own.results.iterdir()} == before
    parent = run_pruning(job(PARENT, 1), stations)
    assert parent["kept"] == {}
    assert parent["bound"] is None
    assert parent["parameters"] == 272_474


def test_weights_of_a_finished_parent_that_are_gone_are_trained_again(stations: Stations) -> None:
    parent = job(PARENT, 1).parent
    path = trained_weights(parent, stations.parents)
    stored, content = run(parent, stations.parents), path.read_bytes()
    path.unlink()
    assert trained_weights(parent, stations.parents).read_bytes() == content
    assert run(parent, stations.parents) == stored
    kept = stations.parents.results / "weights" / f"{path.parent.name}.safetensors"
    kept.parent.mkdir()
    path.rename(kept)
    assert trained_weights(parent, stations.parents) == kept
    kept.rename(path)


def test_each_kind_of_device_goes_on_from_checkpoints_of_its_own(
    stations: Stations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_data(stations.own.data, None)
    network, _ = parent_of(job(PARENT, 1), stations)
    options = job("l1", epochs=2).options
    fitted_on("cpu", network, data, options, tmp_path, "here")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    given: dict[str, Any] = {}
    monkeypatch.setattr(benchmarks.hybrid_runs, "fit", lambda module, *rest, **options: given.update(options))
    monkeypatch.setattr(network, "to", lambda device: network)
    fitted_on("meta", network, data, options, tmp_path, "there")
    assert given["checkpoint"] == tmp_path / "checkpoint-meta.pt"
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


def test_settings_make_a_run() -> None:
    jobs = [
        job("l1"),
        job("l1", seed=1),
        job("l1", learning_rate=0.1),
        job("l1", epochs=2),
        job("l1", limit=100),
        job("l1", parent_epochs=2),
        job("l1", 0.4),
        job("random"),
    ]
    assert len({one.digest for one in jobs}) == len(jobs)


def result(method: str, keep: float, seed: int, accuracy: float) -> dict[str, object]:
    own = {"method": method, "keep": keep, "seed": seed, "test_accuracy": accuracy, "macs": 1.0, "parameters": 1.0}
    machine = {"processor": "one"} if keep == 1 else {"processor": "two", "accelerator": "three"}
    return own | {"test_accuracy_before": accuracy / 2, "bytes": 1.0, "hardware": machine}


def test_the_table_and_the_floors() -> None:
    runs = [result(PARENT, 1, seed, 0.9 + 0.01 * seed) for seed in range(2)]
    runs += [result("provable", 0.6, seed, 0.898 + 0.01 * seed) for seed in range(2)]
    others = [result(name, 0.6, seed, 0.8) for name in ("random", "uniform") for seed in range(2)]
    alone = floors(table([*runs, *others[::2]], (0.6,)), (0.6,))
    assert alone == {"within_half_a_point": True, "ahead": None}, "seeds are missing"
    missing = [run for run in runs if run["method"] == PARENT or run["seed"] == 0]
    assert floors(table(missing, (0.6,)), (0.6,))["within_half_a_point"] is None
    runs += others
    found = table(runs, (0.6,))
    assert found["provable"]["60"]["accuracy"] == pytest.approx(0.903)
    assert found["provable"]["60"]["behind_parent"] == pytest.approx(0.2)
    assert found["parent"]["accuracy_before"] == pytest.approx(0.4525)
    assert (found["provable"]["60"]["trained_on"], found["parent"]["trained_on"]) == (["three"], ["one"])
    assert "l1" not in found
    assert floors(found, (0.6,)) == {"within_half_a_point": True, "ahead": True}
    assert floors(found, (0.6, 0.4))["ahead"] is None
    better = [run | {"test_accuracy": 1.0} if run["method"] == "random" else run for run in runs]
    assert floors(table(better, (0.6,)), (0.6,))["ahead"] is False


def test_leads_are_told_on_the_same_parents() -> None:
    runs = [result("provable", 0.6, seed, 0.8 + 0.02 * seed) for seed in range(3)]
    runs += [result("random", 0.6, seed, 0.81) for seed in range(2)]
    assert leads(runs, (0.6, 0.4)).keys() == {"60"}
    found = leads(runs, (0.6,))["60"]
    assert found.keys() == {"random"}
    assert found["random"]["points"] == pytest.approx(0)
    assert found["random"]["sd"] == pytest.approx(2**0.5)
    assert (found["random"]["seeds_ahead"], found["random"]["seeds"]) == (1, 2)


def test_the_theorem_is_held_against_draws(stations: Stations) -> None:
    data = read_data(stations.own.data, None)
    network, _ = parent_of(job(PARENT, 1), stations)
    looked_at, held = list(held_out(data, 3)), list(held_out(data, 3, behind=3))
    assert sum(len(images) for images in held) == 3
    found = bound_study(network, looked_at, held, epsilons=(0.5,))
    assert found["violations"] <= 1 / 3
    assert 0 < found["tightness"] < 1
    assert 0 < found["assumption_failures"] <= 1
    assert found["delta"] == BERNSTEIN.delta
    layers = found["by_epsilon_percent"]["50"]["layers"]
    assert len(layers) == 21
    assert all(one["samples"] > 10 and one["error_largest"] >= one["error_mean"] > 0 for one in layers.values())
    cost = sensitivity_cost(network, looked_at, repeats=1)
    assert cost["sensitivity_forward_passes"] > 1


def test_dead_filters_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On three topologies; tests/networks/pruning/test_dead_channels.py has all."""
    some = {name: TOPOLOGIES[name] for name in ("resnet20 pad", "fbnet gates", "vgg small hidden")}
    monkeypatch.setattr(benchmarks.pruning_dead, "TOPOLOGIES", some)
    found = surgery_errors()
    assert found["surgery_max_error"] == max(found["surgery_errors"].values()) <= 1e-5
    single = found["surgery_errors_float32"]
    assert found["surgery_errors"].keys() == single.keys() == some.keys()
    assert found["surgery_max_error"] < found["surgery_max_error_float32"] == max(single.values()) <= 1e-5


def test_a_quick_study_recomputes_everything_in_a_folder_of_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmarks.pruning, "QUICK_PARENT_EPOCHS", 1)
    monkeypatch.setattr(benchmarks.pruning, "surgery_errors", dict)
    monkeypatch.setattr(benchmarks.pruning, "PICTURES", 3)
    monkeypatch.setattr(benchmarks.pruning, "sensitivity_cost", partial(sensitivity_cost, repeats=1))
    monkeypatch.setattr(benchmarks.pruning, "speed_ups", partial(speed_ups, seconds=0.1, repeats=1))
    places = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    benchmarks.pruning.main(["--data", str(folder), "--quick", "--jobs", "1", "--json", "-", *places])
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["quick"]
    assert found["missing_runs"] == 0
    assert all(found[method]["60"]["seeds"] == [0] for method in METHODS)
    assert found["speed_up"]["whole"]["measured_speed_up"] == 1
    assert found["speed_up"]["60"]["predicted_speed_up"] > 1
    assert found["bound"]["draws"] == 7  # of ten held out, three were looked at
    assert found["sensitivity_forward_passes"] > 1
    assert "resnet20 provable at 0.6, seed 0, rate 0.01: epoch 1 of 1" in printed.err
    assert not list(tmp_path.iterdir())


def test_what_is_stored_is_reported_without_training(
    folder: Path, stations: Stations, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmarks.pruning, "surgery_errors", dict)
    own = ["--results", str(stations.own.results), "--cache", str(stations.own.cache.parent)]
    own += ["--parents", str(stations.parents.results), "--runs-only"]
    benchmarks.pruning.main(["--data", str(folder), "--stored", "--json", "-", *own])
    printed = capsys.readouterr()
    assert "not chosen yet" in printed.err
    assert json.loads(printed.out)["missing_runs"] == 0
    other = ["--parent-epochs", "77", "--stored", "--json", "-"]
    benchmarks.pruning.main(["--data", str(folder), *other, *own[:-1]])
    printed = capsys.readouterr()
    assert "the first parent's weights are not there" in printed.err
    assert json.loads(printed.out)["parent_epochs"] == {"resnet20": 77, "vgg_small_quarter": 77}
    for wrong in (["--epochs", "9"], ["--parent-epochs", "0"], ["--device", "nowhere"]):
        with pytest.raises(SystemExit):
            benchmarks.pruning.main(["--data", str(folder), *wrong])
    assert torch.get_num_threads() == 1
