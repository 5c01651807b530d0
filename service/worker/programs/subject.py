"""Subject: what a step works on, read from its job file, and where the steps leave things for each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from design.design import Design
from design.prediction import Prediction
from design.task import Task, find_task
from networks.build import build
from networks.export.trained import load_trained
from networks.network import Network
from networks.training.augmentation import usual_augmentation
from networks.training.batches import Batches
from networks.training.data import TrainingData, prepare
from networks.training.pictures import Pictures, PictureSet
from service.worker.precisions import in_full_precision, is_cut, is_full_precision, unpruned
from service.worker.programs.recipe import Recipe, preset_of, recipe
from service.worker.trainer import StepFailed

PICTURES = "pictures.npz"
FULL_PRECISION, QUANTIZED = "full-precision.safetensors", "quantized.safetensors"
UNPRUNED, CUT, CHOICE = "unpruned.safetensors", "cut.safetensors", "cut.json"
CHECK_BATCH = 100
"""Pictures of a batch where a network is looked at, not trained."""


@dataclass(frozen=True)
class Subject:
    """A job file and what follows from it."""

    job: dict[str, Any]

    @cached_property
    def design(self) -> Design:
        """What the job makes."""
        return Design.model_validate(self.job["design"])

    @cached_property
    def full_design(self) -> Design:
        """The same network in full precision; the design itself where it is."""
        return in_full_precision(self.design)

    @cached_property
    def is_cut(self) -> bool:
        """Whether its network is trained with all filters first, then pruned."""
        return is_cut(self.design, self.job["options"])

    @cached_property
    def first_design(self) -> Design:
        """What is trained first: the design in full precision, with all filters where they are pruned later."""
        return unpruned(self.design) if self.is_cut else self.full_design

    @property
    def first_file(self) -> str:
        """Where the weights of the first training are."""
        return UNPRUNED if self.is_cut else FULL_PRECISION

    @property
    def task(self) -> Task:
        """What it is for."""
        return find_task(self.job["task"])

    @property
    def prediction(self) -> Prediction:
        """What was predicted for its own device."""
        return Prediction.model_validate(self.job["prediction"])

    @property
    def seed(self) -> int:
        """Of weights, data split and order."""
        return int(self.job["options"].get("seed", 0))

    @property
    def folder(self) -> Path:
        """Where steps leave things for each other."""
        return Path(self.job["work_folder"])

    def result(self, step: str) -> dict[str, Any] | None:
        """What an earlier step gave; None where it was skipped."""
        found: dict[str, Any] | None = self.job["results"].get(step)
        return found

    @property
    def device(self) -> torch.device:
        """What is trained on.

        Raises:
            StepFailed: A GPU was asked for, and there is none.
        """
        if self.job.get("accelerator", "cpu") == "cpu":
            return torch.device("cpu")
        if not torch.cuda.is_available():
            raise StepFailed("The worker of the queue cuda must have a GPU that torch can use, but got none.")
        return torch.device("cuda")

    @cached_property
    def data(self) -> TrainingData:
        """Pictures as the step `prepare data` left them, split by the seed."""
        with np.load(self.folder / PICTURES) as file:
            classes = tuple(str(name) for name in file["classes"])
            parts = [_pictures(file[f"x_{part}"], file[f"y_{part}"], classes) for part in ("train", "test")]
        pictures = PictureSet(name=self.job["dataset"]["name"], train=parts[0], test=parts[1])
        return prepare(pictures, seed=self.seed, limit=preset_of(self.job["options"]).limit)

    def set_threads(self) -> None:
        """Take one thread where more cost more than they save."""
        if self.recipe.single_thread:
            torch.set_num_threads(1)

    @property
    def recipe(self) -> Recipe:
        """How the networks are trained."""
        data = self.data
        _, height, width = data.train.shape
        own = self.job.get("dataset_file") is not None
        known = None if own else usual_augmentation(self.task.name)
        pictures, pixels = len(data.train), height * width
        return recipe(self.job["options"], pictures=pictures, pixels=pixels, known=known, cut=self.is_cut)

    @property
    def test(self) -> Pictures:
        """Pictures that are only read at the end."""
        assert self.data.test is not None
        return self.data.test

    def batches(self, part: Pictures, size: int = CHECK_BATCH) -> Batches:
        """Pictures in order, normalised as in training."""
        return Batches(part, batch_size=size, normalisation=self.data.normalisation)

    def images(self, part: Pictures, most: int) -> Iterator[Tensor]:
        """N x C x H x W batches of at most about `most` pictures."""
        seen = 0
        for images, _ in self.batches(part).in_order():
            yield images
            seen += len(images)
            if seen >= most:
                return

    def fresh(self) -> Network:
        """The network in full precision as training begins."""
        return build(self.first_design, seed=self.seed)

    def unpruned(self) -> Network:
        """The network with all its filters, as training left it."""
        return load_trained(self.folder / UNPRUNED, self.first_design)[0]

    def cut(self) -> Network:
        """The network right after its filters were cut out."""
        return load_trained(self.folder / CUT, self.full_design)[0]

    def full_precision(self) -> Network:
        """The network at the size of the design, as the training in full precision left it."""
        return load_trained(self.folder / FULL_PRECISION, self.full_design)[0]

    def trained(self) -> Network:
        """The network that is shipped, in evaluation mode."""
        name = FULL_PRECISION if is_full_precision(self.design) else QUANTIZED
        return load_trained(self.folder / name, self.design)[0]


def _pictures(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], classes: tuple[str, ...]) -> Pictures:
    held = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
    return Pictures(images=held, labels=torch.from_numpy(labels.astype(np.int64)), classes=classes)
