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
PRUNED_SHARE = 0.75
"""Of the epochs in full precision that follow the cut: that network is the smaller one, and where most filters go it
needs them (docs/log.md). They rise to the learning rate of the first training again (Renda et al., arXiv 2003.02389);
of smaller rates less comes back."""
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
    """The trainings of a job.

    Attributes:
        full_precision: With all filters, or at the size of the design.
        pruned: Of what was cut from it, in full precision.
        quantized: At the design's bits.
        single_thread: Whether sharing a step among threads costs more than it saves.
    """

    full_precision: FitOptions
    pruned: FitOptions
    quantized: FitOptions
    single_thread: bool


def preset_of(options: dict[str, Any]) -> Preset:
    """What a job's options name."""
    return PRESETS[options.get("preset", "standard")]


def recipe(options: dict[str, Any], *, pictures: int, pixels: int, known: Augmentation | None, cut: bool) -> Recipe:
    """How the networks of a job are trained.

    Args:
        options: As `service.jobs.schemas.JobOptions` writes them; what is missing or None follows from the rest.
        pictures: Of the training part.
        pixels: Of one picture.
        known: Augmentation that is usual for the data set; None where nothing is known of it.
        cut: Whether the network is pruned between two trainings in full precision, which share its epochs.

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
    last = max(1, min(round(epochs * PRUNED_SHARE), epochs - 1))
    return Recipe(
        full_precision=_for(common, max(epochs - last, 1)) if cut else common,
        pruned=_for(common, last),
        quantized=replace(common, weight_decay=1e-4, distillation=taught),
        single_thread=pixels < LARGE_PICTURE,
    )


def _for(options: FitOptions, epochs: int) -> FitOptions:
    return replace(options, epochs=epochs, warmup_epochs=min(1.0, epochs / 2))
