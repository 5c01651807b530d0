"""The programs of the steps, one after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from networks.training.errors import InvalidOptions
from service.worker.programs.recipe import recipe
from service.worker.programs.subject import Subject
from service.worker.trainer import StepFailed
from tests.service.worker.digits import design, job_of
from tests.service.worker.programs.steps_here import Steps


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small pictures are trained on one thread: what a test sets is put back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """The tiny design up to its export."""
    steps = Steps(job_of(design(), str(tmp_path_factory.mktemp("work"))))
    steps.run(until="export")
    return steps


def test_files_that_agree_pass_and_one_that_does_not_fails_with_its_layer(exported: Steps) -> None:
    found = exported.run(until="verify")
    assert [file["form"] for file in found["files"]] == ["exact", "integer"]
    assert all(file["layer_error"] < 1e-4 for file in found["files"])
    path = Path(exported.job["work_folder"]) / "model.onnx"
    whole = path.read_bytes()
    model = onnx.load_model_from_string(whole)
    spoilt = next(one for one in model.graph.initializer if one.name.startswith("body2") and len(one.dims) == 4)
    weights = numpy_helper.to_array(spoilt).copy()
    weights[0] *= -1
    spoilt.CopyFrom(numpy_helper.from_array(weights, spoilt.name))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(StepFailed, match="body2") as failed:
        exported.run(until="verify")
    assert failed.value.more["layer"] == "body2"
    path.write_bytes(whole)


def test_spoilt_packed_weights_fail(exported: Steps) -> None:
    path = Path(exported.job["work_folder"]) / "packed.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(StepFailed, match=r"checksum|damaged|whole"):
        exported.run(until="verify")
    path.write_bytes(whole)


def test_a_design_in_full_precision_is_trained_once_and_has_no_whole_numbers(tmp_path: Path) -> None:
    steps = Steps(job_of(design(quantized=False), str(tmp_path)))
    assert steps.run(until="export")["models"] == ["model.onnx"]
    assert steps.skipped == ["prune", "quantize", "calibrate"]
    assert [file["form"] for file in steps.run(until="verify")["files"]] == ["exact"]


def test_the_options_may_skip_full_precision(tmp_path: Path) -> None:
    steps = Steps(job_of(design(), str(tmp_path), options={"epochs": 1, "full_precision_first": False}))
    steps.run(until="quantize")
    assert steps.skipped == ["train", "prune", "significance"]


def test_own_pictures_keep_their_classes_and_split(tmp_path: Path) -> None:
    numbers, labels = np.random.default_rng(0), np.arange(60) % 3
    images = numbers.integers(0, 256, (60, 1, 8, 8), np.uint8)
    file = tmp_path / "own.npz"
    np.savez(file, x_train=images[:45], y_train=labels[:45], x_test=images[45:], y_test=labels[45:])
    dataset = {"name": "mine", "classes": ["a", "b", "c"]}
    job = job_of(design(), str(tmp_path), dataset=dataset, dataset_file=str(file))
    told = Steps(job).run(until="prepare data")
    assert told["classes"] == ["a", "b", "c"]
    subject = Subject(job)
    assert np.array_equal(subject.test.images.numpy(), images[45:])
    held = len(subject.data.train) + len(subject.data.validation)
    assert (held, subject.test.labels.tolist()) == (45, labels[45:].tolist())
    assert subject.recipe.quantized.augmentation.padding == 0, "nothing is known of these pictures"


def test_a_data_set_in_a_folder_that_is_not_there_fails_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="BESPOKE_PICTURES_FOLDER"):
        Steps(job_of(design(), str(tmp_path), task="cifar10")).run(until="prepare data")


def test_a_gpu_that_is_not_there_fails(exported: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    job = exported.job | {"accelerator": "cuda"}
    with pytest.raises(StepFailed, match="GPU"):
        Subject(job).device  # noqa: B018


def test_epochs_follow_from_the_preset_and_the_number_of_pictures() -> None:
    def epochs(pictures: int, **options: Any) -> int:
        return recipe(options, pictures=pictures, pixels=64, known=None, cut=False).quantized.epochs

    assert epochs(1_300) == 20
    assert epochs(45_000) == 16
    assert epochs(4_500, preset="quick") == 3
    assert epochs(45_000, preset="thorough") == 111
    assert epochs(45_000, preset="thorough", epochs=7) == 7
    with pytest.raises(InvalidOptions):
        recipe({"learning_rate": float("inf")}, pictures=10, pixels=64, known=None, cut=False)


def test_two_processes_train_together(tmp_path: Path) -> None:
    job = job_of(design(), str(tmp_path), options={"epochs": 1, "processes": 2, "batch_size": 65})
    told = Steps(job).run(until="train")
    assert len(told["epochs"]) == told["best_epoch"] == 1
    assert told["epochs"][0]["loss"] < 2.4
    assert (tmp_path / "full-precision.safetensors").exists()
    assert Subject(job).recipe.quantized.batch_size == 64, "even shares"


def test_training_under_a_limit_of_memory_keeps_bits_or_says_what_is_needed(tmp_path: Path) -> None:
    steps = Steps(job_of(design(), str(tmp_path), options={"epochs": 1, "training_memory_mb": 0.3}))
    told = steps.run(until="quantize")
    assert "low-memory step fits" in told["memory"]
    assert told["step_bytes"] <= 0.3e6
    assert steps.run(until="verify")["files"][0]["layer_error"] < 1e-4
    steps.job["options"] |= {"training_memory_mb": 0.001}
    with pytest.raises(StepFailed, match="of one picture"):
        steps.run(until="quantize")
