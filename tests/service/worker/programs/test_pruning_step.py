"""A design that keeps fewer filters is trained with all of them, cut and trained on, or it is said why not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from networks.packing import pack, unpack
from networks.pad import Pad
from networks.pruning.fulfil import fulfil
from networks.pruning.sample_size import delta_of
from networks.pruning.scores import Sensitivity
from networks.training.evaluation import evaluate
from service.worker.precisions import pruned_layers
from service.worker.programs import pruning
from service.worker.programs.pruning import PICTURES
from service.worker.programs.recipe import recipe
from service.worker.programs.reporting import report_of
from service.worker.programs.subject import CHOICE, FULL_PRECISION, Subject
from service.worker.programs.trained import checkpoint_of
from service.worker.reasons import filters_stay
from tests.service.worker.digits import design, job_of, pruned_design
from tests.service.worker.programs.steps_here import Steps

Json = dict[str, Any]
OPTIONS = {"epochs": 4, "seed": 1}
ALONE = {"full_precision_first": False}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small pictures are trained on one thread: what a test sets is put back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """A whole job whose design keeps fewer filters."""
    steps = Steps(job_of(pruned_design(), str(tmp_path_factory.mktemp("work")), options=OPTIONS))
    steps.run(until="report")
    return steps


def _digests(steps: Steps) -> dict[str, str]:
    files = Path(steps.job["work_folder"]).glob("*.safetensors")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_each_group_keeps_as_many_filters_as_the_design_says_the_most_sensitive_ones(pruned: Steps) -> None:
    found, subject = pruned.job["results"]["prune"], Subject(pruned.job)
    counts = {name: len(group["kept"]) for group in found["groups"] for name in group["layers"]}
    assert counts == dict(subject.design.plan.kept)
    assert {name: group["of"] for group in found["groups"] for name in group["layers"]} == {
        "stem": 8,
        "inner": 12,
        "outer": 12,
        "point": 12,
    }
    pictures = lambda: subject.images(subject.data.validation, PICTURES)  # noqa: E731
    chosen = fulfil(subject.unpruned(), subject.design.plan, Sensitivity(batches=pictures))
    assert {name: tuple(group["kept"]) for group in found["groups"] for name in group["layers"]} == dict(
        chosen.selection.kept
    )
    assert found["pictures"] == len(subject.data.validation) < PICTURES
    assert found["pictures_delta"] == delta_of(chosen.found, found["pictures"]) < 1
    assert {one["layer"] for one in found["bounds"]} == {"inner", "outer", "point", "classifier"}
    assert all(0 < one["removed_share"] <= 1 and one["epsilon"] > 0 for one in found["bounds"])


def test_accuracy_falls_with_the_cut_and_comes_back(pruned: Steps) -> None:
    train, found = pruned.job["results"]["train"], pruned.job["results"]["prune"]
    assert found["before"] == pytest.approx(train["validation_accuracy"], abs=0.02)
    assert found["cut"] < found["before"]
    assert found["validation_accuracy"] > found["cut"]
    assert len(train["epochs"]) + len(found["epochs"]) == OPTIONS["epochs"]
    assert found["monitor"]["steps"] > 0


def test_what_is_shipped_has_the_size_of_the_design_and_a_shortcut_of_its_own_order(pruned: Steps) -> None:
    subject = Subject(pruned.job)
    network = subject.trained()
    assert network.architecture.layers == subject.design.pruned.layers
    own = network.unit("shortcut").operation
    assert isinstance(own, Pad)
    assert own.source is not None
    assert sorted(own.channel_sources) == [*[-1] * 6, 0, 1, 2, 3]
    again = unpack(pack(network, subject.design), subject.design)
    images = next(subject.images(subject.data.validation, 10))
    with torch.inference_mode():
        assert torch.equal(network(images), again(images))
    files = pruned.job["results"]["verify"]["files"]
    assert [file["form"] for file in files] == ["exact", "integer"]
    assert all(file["layer_error"] < 1e-4 for file in files)
    assert subject.full_precision().architecture.layers == subject.design.pruned.layers
    assert subject.unpruned().architecture.layers == subject.design.architecture.layers


def test_the_report_shows_what_was_cut(pruned: Steps) -> None:
    folder = Path(pruned.job["work_folder"])
    page, content = (folder / "report.html").read_text(), json.loads((folder / "report.json").read_text())
    found = pruned.job["results"]["prune"]
    told = content["pruning"]
    assert (told["before"], told["cut"], told["after"]) == (found["before"], found["cut"], found["validation_accuracy"])
    assert told["groups"] == found["groups"]
    for accuracy in (told["before"], told["cut"], told["after"]):
        assert f"{100 * accuracy:.1f} %" in page
    assert "arXiv 1911.07412" in page
    assert ">outer<" in page
    assert "In full precision, with all filters" in page
    assert [one["name"] for one in content["trainings"]] == [
        "in full precision, with all filters",
        "in full precision, with the filters that were kept",
        "at the design&#39;s bits".replace("&#39;", "'"),
    ]
    step = next(one for one in content["steps"] if one["name"] == "prune")
    assert step["skipped"] is None
    assert step["seconds"] > 0
    summary = pruned.job["results"]["report"]["pruning"]
    names = ("method", "before", "cut", "after", "accuracy_pictures", "accuracy_on_others")
    assert summary == {name: told[name] for name in names}
    assert (told["accuracy_pictures"], told["accuracy_on_others"]) == (found["pictures"], False)
    assert "with the pictures that filters were chosen by" in page


def test_accuracies_are_counted_on_pictures_that_chose_no_filter_where_enough_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "PICTURES", 60)
    steps = Steps(job_of(pruned_design(bits=False), str(tmp_path), options={"epochs": 2}))
    found, subject = steps.run(until="prune"), Subject(steps.job)
    looked_at, others = pruning.parts(subject)
    whole = subject.data.validation
    assert found["pictures"] == len(looked_at) == 60
    assert found["accuracy_pictures"] == len(others) == len(whole) - 60
    assert found["accuracy_on_others"]
    rows = [{one.numpy().tobytes() for one in part.images} for part in (looked_at, others, whole)]
    assert rows[0] | rows[1] == rows[2]
    assert not rows[0] & rows[1]
    networks = {"before": subject.unpruned(), "cut": subject.cut(), "after": subject.full_precision()}
    for name, network in networks.items():
        assert found[name] == evaluate(network, subject.batches(others)).accuracy
    steps.run(until="report")
    page = (tmp_path / "report.html").read_text()
    assert f"Counted on the {len(others)} validation pictures that no filter was chosen by" in page
    for name in ("accuracy_pictures", "accuracy_on_others", "after"):
        del steps.job["results"]["prune"][name]  # as earlier versions left it
    told = report_of(subject, made_at="").pruning
    assert told is not None
    assert (told.accuracy_pictures, told.accuracy_on_others) == (None, False)
    assert told.after == found["validation_accuracy"]
    monkeypatch.setattr(pruning, "PICTURES", 100)
    assert [len(part) for part in pruning.parts(subject)] == [100, len(whole)]


def test_the_step_goes_on_from_its_checkpoint_and_does_not_read_test_pictures(
    pruned: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, files = pruned.job["results"]["prune"], _digests(pruned)
    folder = Path(pruned.job["work_folder"])
    for name in ("cut.safetensors", "full-precision.safetensors"):
        (folder / name).unlink()

    def untouched(subject: Subject) -> None:
        pytest.fail("test pictures are read at the end alone")

    monkeypatch.setattr(Subject, "test", property(untouched))
    again = pruned.run(until="prune")
    assert _digests(pruned) == files
    own = {"took_s", "monitor"}
    assert {name: one for name, one in again.items() if name not in own} == {
        name: one for name, one in before.items() if name not in own
    }


def test_a_checkpoint_of_a_network_that_kept_other_filters_is_dropped(pruned: Steps, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(pruned.job["work_folder"], folder)
    subject = Subject(pruned.job | {"work_folder": str(folder)})
    checkpoint, choice = checkpoint_of(folder / FULL_PRECISION), folder / CHOICE
    assert checkpoint.exists()
    found = pruning.cut_out(subject)
    assert checkpoint.exists(), "the same choice"
    assert json.loads(choice.read_text()) == found["groups"]
    choice.unlink()  # as earlier versions left it
    pruning.cut_out(subject)
    assert not checkpoint.exists()
    assert choice.exists()


def test_a_pruned_design_in_full_precision_is_shipped_as_it_was_trained_on(tmp_path: Path) -> None:
    steps = Steps(job_of(pruned_design(bits=False), str(tmp_path), options={"epochs": 1}))
    found = steps.run(until="verify")
    assert [file["form"] for file in found["files"]] == ["exact"]
    assert steps.skipped == ["quantize", "calibrate"]
    subject = Subject(steps.job)
    pad = subject.trained().unit("shortcut").operation
    assert isinstance(pad, Pad)
    assert pad.source is not None


@pytest.mark.skipif(os.environ.get("BESPOKE_TEST_SLOW") != "1", reason="slow: BESPOKE_TEST_SLOW=1")
def test_two_processes_train_the_cut_network_together(tmp_path: Path) -> None:
    steps = Steps(job_of(pruned_design(), str(tmp_path), options={"epochs": 1, "batch_size": 64}))
    steps.run(until="train")
    steps.job["options"]["processes"] = 2
    told = steps.run(until="prune")
    assert len(told["epochs"]) == told["best_epoch"] == 1
    assert (tmp_path / "full-precision.safetensors").exists()


def test_a_cut_network_trains_with_little_memory(tmp_path: Path) -> None:
    options = {"epochs": 1, "training_memory_mb": 0.15}
    steps = Steps(job_of(pruned_design(), str(tmp_path), options=options))
    told = steps.run(until="quantize")
    assert "low-memory step fits" in told["memory"]
    assert steps.run(until="verify")["files"][0]["layer_error"] < 1e-4


def test_nothing_is_cut_where_nothing_is_to_be_removed_or_the_options_say_so(tmp_path: Path) -> None:
    assert filters_stay(job_of(pruned_design(), "", options={})) is None
    assert filters_stay(job_of(design(), "", options={})) == "the design keeps all its filters"
    alone = filters_stay(job_of(pruned_design(), "", options=ALONE))
    assert pruned_layers(pruned_design()) == 5, "the depthwise convolution follows"
    assert alone is not None
    assert "fewer filters in 5 of its 6 layers, is trained at that size from the start" in alone
    steps = Steps(job_of(pruned_design(bits=False), str(tmp_path), options={"epochs": 2} | ALONE))
    assert len(steps.run(until="train")["epochs"]) == 2
    steps.run(until="prune")
    subject = Subject(steps.job)
    assert steps.skipped == ["prune"]
    assert subject.full_precision().architecture.layers == subject.design.pruned.layers
    assert not (tmp_path / "unpruned.safetensors").exists()


@pytest.mark.parametrize(("epochs", "first", "last"), [(1, 1, 1), (2, 1, 1), (3, 1, 2), (20, 5, 15), (111, 28, 83)])
def test_both_trainings_in_full_precision_share_the_epochs(epochs: int, first: int, last: int) -> None:
    cut = recipe({"epochs": epochs}, pictures=1_000, pixels=64, known=None, cut=True)
    assert (cut.full_precision.epochs, cut.pruned.epochs, cut.quantized.epochs) == (first, last, epochs)
    whole = recipe({"epochs": epochs}, pictures=1_000, pixels=64, known=None, cut=False)
    assert whole.full_precision.epochs == epochs
