"""Recipe: how long and how a network is trained, from a job's options and the size of its data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from networks.training.augmentation import NO_AUGMENTATION, Augmentation
from networks.training.options import FitOptions

SMALL_SET = 10_000
"""Training pictures under which steps are smaller, so that an epoch has enough of them."""
LEARNING_RATE = 0.1
"""Of arXiv 1512.03385; small steps take it too (on digits 0.025 and Adam came off worse, docs/log.md)."""
LARGE_PICTURE = 20 * 20
"""Pixels from which on bfloat16 and several threads pay; under it, converting and waiting cost more."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How much work a job is worth.

    Attributes:
        shown: About how many pictures each training is shown; epochs follow from the size of the set.
        least, most: Epochs.
        limit: Most training pictures used; None = all.
    """

    shown: int
    least: int
    most: int
    limit: int | None = None


PRESETS = {
    "quick": Preset(shown=15_000, least=2, most=10, limit=5_000),
    "standard": Preset(shown=700_000, least=10, most=20),
    "thorough": Preset(shown=5_000_000, least=30, most=120),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Both trainings of a job.

    Attributes:
        single_thread: Whether sharing a step among threads costs more than it saves.
    """

    full_precision: FitOptions
    quantized: FitOptions
    single_thread: bool


def preset_of(options: dict[str, Any]) -> Preset:
    """What a job's options name."""
    return PRESETS[options.get("preset", "standard")]


def recipe(options: dict[str, Any], *, pictures: int, pixels: int, known: Augmentation | None) -> Recipe:
    """How the networks of a job are trained.

    Args:
        options: As `service.jobs.schemas.JobOptions` writes them; what is missing or None follows from the rest.
        pictures: Of the training part.
        pixels: Of one picture.
        known: Augmentation that is usual for the data set; None where nothing is known of it.

    Raises:
        InvalidOptions: Figures out of range.
    """
    preset, processes = preset_of(options), int(options.get("processes") or 1)
    epochs = options.get("epochs") or max(preset.least, min(preset.most, round(preset.shown / pictures)))
    batch_size = min(options.get("batch_size") or (32 if pictures < SMALL_SET else 128), pictures)
    batch_size = max(batch_size // processes, 1) * processes
    rate = options.get("learning_rate") or LEARNING_RATE
    common = FitOptions(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=rate,
        warmup_epochs=min(1.0, epochs / 2),
        weight_decay=5e-4,
        clip_norm=5.0,
        bf16=None if pixels >= LARGE_PICTURE else False,
        augmentation=known or NO_AUGMENTATION,
        seed=options.get("seed", 0),
    )
    taught = 0.5 if options.get("full_precision_first", True) else 0.0
    return Recipe(
        full_precision=common,
        quantized=replace(common, weight_decay=1e-4, distillation=taught),
        single_thread=pixels < LARGE_PICTURE,
    )
