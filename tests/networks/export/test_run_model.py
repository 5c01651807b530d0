"""The example script runs on its own and finds the classes that the module finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from design.design import Design
from design.policies import policy_by_role
from design.precision import precision
from design.task import find_task
from design.zoo import find_network
from networks.export import run_model
from networks.export.description import description
from networks.export.onnx_model import export_onnx
from networks.training.batches import Normalisation
from tests.networks.export.worn import worn

CLASSES = tuple(f"digit {place}" for place in range(10))
NORMALISATION = Normalisation(mean=(0.25,), deviation=(0.5,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script beside a model, without the rest of the program."""
    place = tmp_path_factory.mktemp("artefacts")
    architecture = find_network("resnet20").design(find_task("digits")).architecture
    design = Design(architecture=architecture, policy=policy_by_role(architecture, body=precision(4)))
    network = worn(design)
    told = description(
        design=design.digest, task="digits", classes=CLASSES, normalisation=NORMALISATION, made_by="a test"
    )
    export_onnx(network, metadata=told).save(place / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8)
    with torch.no_grad():
        labels = network(NORMALISATION.apply(torch.from_numpy(images)[:, None])).argmax(1).numpy()
    np.savez(place / "pictures.npz", images=images, labels=labels)
    Image.fromarray(images[0]).save(place / "picture.png")
    np.save(place / "labels.npy", labels)
    (place / "run_model.py").write_text(Path(run_model.__file__).read_text("utf-8"))
    return place


@pytest.mark.parametrize(("file", "number"), [("pictures.npz", 4), ("picture.png", 1)])
def test_the_script_classifies(folder: Path, file: str, number: int) -> None:
    command = [sys.executable, "-I", "run_model.py", "model.onnx", file]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    labels = np.load(folder / "labels.npy")
    assert len(lines) == number
    assert lines[0].startswith(CLASSES[labels[0]])
    if file.endswith("npz"):
        assert lines[-1] == "accuracy 1.0000 on 3 pictures"


def test_the_script_is_short() -> None:
    assert len(Path(run_model.__file__).read_text("utf-8").splitlines()) <= 50


@pytest.mark.parametrize("given", [[], ["model.onnx"], ["model.onnx", "pictures.npz", "more"]])
def test_it_says_how_it_is_called(given: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", run_model.__file__, *given], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "python run_model.py model.onnx picture.png" in done.stderr
    assert "Traceback" not in done.stderr
