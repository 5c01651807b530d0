"""The hybrid study trains each design once, keeps its result, and puts the figures together."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
import torch

import benchmarks.hybrid
from benchmarks.hybrid_figure import draw
from benchmarks.hybrid_recipe import ALIKE, Job
from benchmarks.hybrid_runs import Places, alone, read_data, run, stored_results
from benchmarks.hybrid_table import table
from benchmarks.hybrid_throughput import throughput
from benchmarks.hybrid_variants import (
    NETWORKS,
    PLAIN,
    RESNET20,
    VARIANTS,
    VGG_SMALL,
    architecture_of,
    control_layers,
    design_of,
)
from design.counts import count
from design.layer import Role
from design.precision import BINARY, FULL, precision
from networks.build import build

PUBLISHED = tuple(f"stage{stage}.block1.conv{number}" for stage in (2, 3) for number in (1, 2))


def job(variant: str, **changes: object) -> Job:
    return Job(network="resnet20", variant=variant, seed=0, epochs=1, **changes)  # type: ignore[arg-type]


def test_a_run_is_trained_once_and_kept(folder: Path, tmp_path: Path) -> None:
    places = Places(data=folder, results=tmp_path / "results", cache=tmp_path / "cache")
    result = run(job(PLAIN), places)
    files = list(places.results.iterdir())
    assert json.loads(files[0].read_text()) == result
    assert 0 <= result["test_accuracy"] <= 1
    curve = result["components"]
    assert len(curve["names"]) == len(curve["0.99"]) == 18
    assert curve["channels"] == [16] * 6 + [32] * 6 + [64] * 6
    assert all(0 < own <= channels for own, channels in zip(curve["0.99"], curve["channels"], strict=True))
    assert result["hardware"]["torch"] == torch.__version__
    assert set(result["settings"]) > {"epochs", "seed", "learning_rate"}
    before = files[0].stat().st_mtime_ns
    assert run(job(PLAIN), places) == result
    assert [one.stat().st_mtime_ns for one in places.results.iterdir()] == [before]
    assert {one.name for one in places.cache.rglob("*") if one.is_file()} == {"lock", "weights.safetensors"}
    assert list(stored_results(places.results)) == [job(PLAIN).digest(design_of("resnet20", PLAIN))]


def test_a_second_process_waits_and_takes_the_result(folder: Path, tmp_path: Path) -> None:
    places = Places(data=folder, results=tmp_path, cache=tmp_path / "cache")
    digest = job("binary").digest(design_of("resnet20", "binary"))
    found: list[object] = []
    waiting = Thread(target=lambda: found.append(run(job("binary"), places)))
    with alone(places.cache / digest[:16]):
        waiting.start()
        waiting.join(timeout=0.3)
        assert waiting.is_alive()
        (tmp_path / "one.json").write_text(json.dumps({"format": 1, "digest": digest}))
    waiting.join(timeout=30)
    assert found == [{"format": 1, "digest": digest}]


def test_settings_and_design_make_a_run() -> None:
    binary = design_of("resnet20", "binary")
    digests = {
        job("binary").digest(binary),
        job("binary", limit=100).digest(binary),
        job("uniform_2").digest(design_of("resnet20", "uniform_2")),
        Job(network="resnet20", variant="binary", seed=1, epochs=1).digest(binary),
        Job(network="resnet20", variant="binary", seed=0, epochs=2).digest(binary),
    }
    assert len(digests) == 5


def test_variants_differ_in_bits_alone() -> None:
    """Blocks of few bits have a shortcut around each convolution; full precision is a plain ResNet."""
    for variant in NETWORKS["resnet20"].variants:
        network = build(design_of("resnet20", variant, PUBLISHED), options=ALIKE)
        own = [unit.step.layer.name for unit in network.units() if unit.step.beside]
        assert len(own) == (0 if variant == "full_precision" else 9), variant
    assert job("binary").settings.keys() < job("pca_k2").settings.keys()


@pytest.mark.parametrize("network", NETWORKS)
def test_variants_have_the_bits_they_say(network: str) -> None:
    for variant in (*NETWORKS[network].variants, PLAIN):
        significant = PUBLISHED if network == "resnet20" else ("stage2.conv1", "stage3.conv1")
        design = design_of(network, variant, significant)
        for layer in design.architecture.weighted:
            own = design.policy.layers[layer.name]
            if layer.role in (Role.STEM, Role.CLASSIFIER) or variant == "full_precision":
                assert own == FULL
            elif variant.startswith("uniform"):
                assert own == precision(2 if variant == "uniform_2" else 4)
            elif layer.role is Role.SHORTCUT and variant == "fp_shortcuts":
                assert own == FULL
            elif variant in ("binary", "fp_shortcuts", PLAIN):
                assert own == BINARY
    assert NETWORKS[network].variants[:5] == VARIANTS[:5]


def test_vgg_is_plain_and_has_shortcuts_in_one_variant() -> None:
    name = VGG_SMALL.name
    assert design_of(name, PLAIN).digest == design_of(name, "binary").digest
    assert not architecture_of(name).shortcuts
    assert len(architecture_of(name, "fp_shortcuts").shortcuts) == 2


def test_the_control_has_as_many_weights_at_two_bits() -> None:
    architecture = architecture_of("resnet20")
    assert set(control_layers(architecture, PUBLISHED)) == set(PUBLISHED)
    other = ("stage3.block2.conv1", "stage3.block2.conv2")
    chosen = control_layers(architecture, other)
    sizes = [sum(layer.weights for layer in architecture.weighted if layer.name in names) for names in (chosen, other)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)
    assert all(name.split(".")[0] in ("stage2", "stage3") for name in chosen)
    assert chosen != other


def result(variant: str, seed: int, accuracy: float, network: str = "resnet20") -> dict[str, object]:
    own = {"network": network, "variant": variant, "seed": seed, "test_accuracy": accuracy}
    return own | {"validation_accuracy": accuracy, "seconds": 1.0}


def test_the_table() -> None:
    runs = [
        *(result("full_precision", seed, accuracy) for seed, accuracy in enumerate((0.88, 0.90))),
        result("binary", 0, 0.79),
        result("pca_k2", 0, 0.84),
        result("binary", 0, 0.1, network="vgg_small_quarter"),
    ]
    rows = table("resnet20", RESNET20.variants, runs, PUBLISHED)
    assert list(rows) == ["full_precision", "binary", "pca_k2"]
    assert rows["full_precision"]["accuracy"] == pytest.approx(0.89)
    assert rows["full_precision"]["accuracy_sd"] == pytest.approx(0.01 * 2**0.5)
    assert rows["binary"]["accuracy_sd"] is None
    assert rows["pca_k2"]["gap_recovered"] == pytest.approx(0.5)
    assert (rows["binary"]["gap_recovered"], rows["full_precision"]["gap_recovered"]) == (0, 1)
    assert rows["full_precision"]["memory_compression"] == rows["full_precision"]["energy_ratio"] == 1
    counted = [count(design_of("resnet20", name)).model_bytes for name in ("full_precision", "binary")]
    assert rows["binary"]["memory_compression"] == pytest.approx(counted[0] / counted[1], rel=0.01)
    assert rows["binary"]["energy_ratio_macs_alone"] == pytest.approx(30.2, rel=0.02)
    assert 1 < rows["binary"]["energy_ratio"] < rows["binary"]["energy_ratio_macs_alone"]


def test_the_figure_is_the_same_every_time(tmp_path: Path) -> None:
    runs = [result(variant, seed, 0.8 + 0.01 * seed) for variant in VARIANTS for seed in range(2)]
    rows = table("resnet20", VARIANTS, runs, PUBLISHED)
    texts = []
    for name in ("one.svg", "two.svg"):
        draw(rows, "title", tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert "principal components" in texts[0]


def test_throughput_is_a_ratio_in_one_run(folder: Path) -> None:
    found = throughput(read_data(folder, None), network="resnet20", pictures=32, repeats=1)
    assert found["ratio"] == pytest.approx(found["plain_pictures_per_s"] / found["pictures_per_s"])
    assert found["pictures_per_s"] > 0


def test_a_quick_study_recomputes_everything_in_a_folder_of_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = replace(RESNET20, variants=("full_precision", "binary", "pca_k2"))
    monkeypatch.setattr(benchmarks.hybrid, "RESNET20", few)
    monkeypatch.setattr(benchmarks.hybrid, "QUICK_EPOCHS", 1)
    monkeypatch.setattr(benchmarks.hybrid, "throughput", partial(throughput, pictures=32, repeats=1))
    places = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    benchmarks.hybrid.main(["--data", str(folder), "--quick", "--jobs", "1", "--json", "-", *places])
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["quick"]
    assert found["missing_runs"] == 0
    assert set(found["gap_recovered"]) == set(few.variants)
    assert found["pca_k2"]["seeds"] == [0]
    assert found["throughput_ratio"] > 0
    shown = found["significance"]
    for share in ("", "_999"):
        curve = shown[f"components{share}"]
        assert len(curve) == len(shown[f"components_with_shortcuts{share}"]) == 18
        steep = [
            name for name, own, before in zip(shown["layers"][1:], curve[1:], curve, strict=False) if own - before >= 2
        ]
        assert shown[f"significant{share}"] == steep
    assert shown["share"] == 0.99
    assert all(own <= other for own, other in zip(shown["components"], shown["components_999"], strict=True))
    assert "resnet20 pca_k2 seed 0: epoch 1 of 1" in printed.err or found["significance"]["significant"] == []
    assert not list(tmp_path.iterdir())


def test_what_is_stored_is_reported_without_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmarks.hybrid, "throughput", partial(throughput, pictures=32, repeats=1))
    places = Places(data=folder, results=tmp_path / "results", cache=tmp_path / "cache")
    run(job("full_precision"), places)
    own = ["--results", str(places.results), "--cache", str(places.cache)]
    benchmarks.hybrid.main(
        ["--data", str(folder), "--stored", "--epochs", "1", "--json", str(tmp_path / "all.json"), *own]
    )
    found = json.loads((tmp_path / "all.json").read_text())
    assert found["full_precision"]["seeds"] == [0]
    assert "binary" not in found
    assert "pca_k2" not in found
    assert found["missing_runs"] == 20
    assert found["vgg_small_quarter"]["missing_runs"] == 5
    assert found["published_binary_resnet20"]
    assert (places.results / "resnet20_1_epochs.svg").exists(), "that of the study is not overwritten"
    assert "not trained yet" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--jobs", "0"], ["--device", "nowhere"]])
def test_what_cannot_be_trained_is_refused(
    wrong: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        benchmarks.hybrid.main(["--data", str(folder), "--json", "-", "--results", str(tmp_path / "results"), *wrong])
    assert f"{wrong[0]} must be" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
