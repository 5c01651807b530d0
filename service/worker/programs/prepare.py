"""Prepare data: the pictures of a job in one file, read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from networks.training.sources.read import read_task
from service.worker.programs.failing import in_words
from service.worker.programs.subject import PICTURES, Subject
from service.worker.trainer import Report, StepFailed

Arrays = dict[str, "np.ndarray[Any, Any]"]


@in_words
def run(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Write the pictures of the job's data set into its work folder and look at them."""
    subject = Subject(job)
    arrays = _registered(job) if job.get("dataset_file") else _built_in(subject)
    report.progress(0.5, pictures=len(arrays["y_train"]))
    part = subject.folder / f"{PICTURES}.part"
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(subject.folder / PICTURES)
    data = subject.data
    return {
        "training_pictures": len(data.train),
        "validation_pictures": len(data.validation),
        "test_pictures": len(subject.test),
        "classes": list(data.train.classes),
        "shape": list(data.train.shape),
        "epochs": subject.recipe.quantized.epochs,
    }


def _registered(job: dict[str, Any]) -> Arrays:
    """A data set that the user registered."""
    with np.load(Path(job["dataset_file"])) as file:
        arrays: Arrays = {f"{axis}_{part}": file[f"{axis}_{part}"] for part in ("train", "test") for axis in ("x", "y")}
    return arrays | {"classes": np.array([str(name) for name in job["dataset"]["classes"]])}


def _built_in(subject: Subject) -> Arrays:
    """The data set of a built-in task."""
    task, folder = subject.task, subject.job.get("pictures_folder")
    if folder is None and task.name != "digits":
        raise StepFailed(
            f"{task.dataset} must be in a folder that the worker knows, but got none. Set BESPOKE_PICTURES_FOLDER for "
            "the worker, or register the pictures as a data set."
        )
    pictures = read_task(task, Path(folder) if folder else None)
    test = pictures.test
    if test is None:
        raise StepFailed(f"{task.dataset} must have test pictures, but got none in {folder}.")
    arrays: Arrays = {"classes": np.array(pictures.train.classes)}
    for name, part in (("train", pictures.train), ("test", test)):
        arrays[f"x_{name}"], arrays[f"y_{name}"] = part.images.contiguous().numpy(), part.labels.numpy()
    return arrays
