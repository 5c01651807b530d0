"""Verdicts: what the readings of a monitor mean, in plain language.

The limits are those of the edge-of-stability literature (arXiv 2103.00065, 2003.02218): under 0.8 of the threshold
there is headroom, 0.8 to 1.2 is the edge, where full-batch training normally stays, and only what stays over 1.5 while
the loss rises is lost. A ratio of about 1 is no reason to stop or to shrink the step.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from networks.training.monitor.record import Finding, Reading, Verdict

EDGE, OVER, LOST = 0.8, 1.2, 1.5
LATEST = 3
"""Readings whose median says where a training stands."""
WINDOW = 9
GROWN = 1.25
SPIKE = 1.5
FAR_OUT, FAR_DEVIATIONS = 3.0, 8.0
FALLEN = 0.8
DEAD_CHANNELS, DEAD_WEIGHTS = 0.1, 0.5


def verdicts(readings: Sequence[Reading], *, small_batches: bool) -> tuple[Verdict, ...]:
    """Spikes and dead signs where they happened, and last how the training stands.

    Args:
        readings: In order.
        small_batches: Whether a step sees a part of the training pictures only.
    """
    found = [*_spikes(readings, small_batches), *_dead_signs(readings)]
    return (*sorted(found, key=lambda one: one.step), _state(readings, small_batches))


def _state(readings: Sequence[Reading], small_batches: bool) -> Verdict:
    if readings and (readings[-1].loss is None or readings[-1].highest_loss is None):
        return Verdict(
            finding=Finding.DIVERGING,
            step=readings[-1].step,
            words="The loss is no longer a number. Go back to the last good state with half the step size.",
        )
    known = [one for one in readings if one.ratio is not None]
    latest = readings[-2 * LATEST :]
    at_once = [one for one in latest if one.ratio is None and one.critical_outcome == "rises at once"]
    if len(at_once) >= LATEST:
        return Verdict(
            finding=Finding.NOISE,
            step=at_once[0].step,
            words=f"{len(at_once)} of the last {len(latest)} steps looked at raise the loss of the probe pictures "
            "however short they are: the noise of small batches outweighs the slope. Smaller steps or larger batches "
            "help.",
        )
    if len(known) < LATEST:
        return Verdict(
            finding=Finding.UNKNOWN,
            step=readings[-1].step if readings else 0,
            words=f"{len(known)} readings with a sharpness; {LATEST} are needed to say where the training stands.",
        )
    ratio = _median([one.ratio for one in known[-LATEST:]])
    if ratio > LOST and _rising(known):
        return Verdict(
            finding=Finding.DIVERGING,
            step=_since(known, lambda one: one > LOST),
            words=f"The curvature has stayed {ratio:.2g} times over what this step size can follow, and the loss "
            "rises: the training is diverging. Halve the step size, or clip gradients.",
        )
    if ratio > OVER and known[-1].sharpness_ratio is None and small_batches:
        return Verdict(
            finding=Finding.NOISE,
            step=_since(known, lambda one: one > OVER),
            words=f"The steps are {ratio:.2g} times as long as the longest that lowers the loss of the probe pictures, "
            "while the loss does not rise: the noise of small batches. Take smaller steps or larger batches.",
        )
    if ratio >= EDGE:
        return Verdict(finding=Finding.EDGE, step=_since(known, lambda one: one >= EDGE), words=_edge(ratio))
    growth = _growth(known)
    if growth is not None and growth >= GROWN:
        return Verdict(
            finding=Finding.SHARPENING,
            step=known[-min(WINDOW, len(known))].step,
            words=f"Progressive sharpening: the curvature has grown {growth:.2g} times of late and is at {ratio:.2g} "
            "of the threshold. This is normal; it stops at the threshold, where the loss begins to swing.",
        )
    words = f"Headroom: the curvature is at {ratio:.2g} of what this step size could follow, and not rising. "
    words += (
        "In small batches it stays under the threshold by itself, so this alone is no call for larger steps."
        if small_batches
        else f"Steps up to {1 / ratio:.2g} times as large would be stable now."
    )
    return Verdict(finding=Finding.HEADROOM, step=_since(known, lambda one: one < EDGE), words=words)


def _edge(ratio: float) -> str:
    if ratio <= OVER:
        return (
            f"At the edge of stability: the curvature is at {ratio:.2g} of the threshold. The loss swings from step to "
            "step and falls over many; this is where training normally happens. Leave the step size."
        )
    return (
        f"Over the edge: the curvature is at {ratio:.2g} of the threshold, while the loss does not rise. Usually the "
        "training brings itself back; smaller steps are needed if the loss begins to rise."
    )


def _spikes(readings: Sequence[Reading], small_batches: bool) -> list[Verdict]:
    """Losses that jumped, and whether curvature explains it."""
    found: list[Verdict] = []
    for place in range(1, len(readings)):
        before, now = readings[place - 1], readings[place]
        if not _jumped(before, now, small_batches):
            continue
        verdict = _explained(readings, place)
        if verdict is not None and (not found or found[-1].step != before.step):
            found.append(verdict)
    return found


def _jumped(before: Reading, now: Reading, small_batches: bool) -> bool:
    """Whether the loss did; that of single small batches jumps by itself, unless it is far out."""
    if before.loss is None or now.highest_loss is None or now.loss is None:
        return False
    if not small_batches:
        return now.highest_loss > SPIKE * before.loss
    spread = FAR_DEVIATIONS * (before.loss_deviation or 0.0)
    far_out = max(FAR_OUT * (before.highest_loss or before.loss), before.loss + spread)
    old, new = before.probe_loss, now.probe_loss
    probed = old is not None and new is not None and new > SPIKE * old
    return now.highest_loss > far_out or (probed and now.loss > SPIKE * before.loss)


def _explained(readings: Sequence[Reading], place: int) -> Verdict | None:
    now, around = readings[place], readings[max(place - 2, 0) : place + 1]
    ratios = [one.ratio for one in around if one.ratio is not None]
    after = [one for one in readings[place + 1 : place + 1 + WINDOW] if one.loss is not None]
    if not ratios or now.highest_loss is None:
        return None
    if max(ratios) < 0.5:
        return Verdict(
            finding=Finding.SPIKE,
            step=now.step,
            words=f"The loss jumped to {now.highest_loss:.3g} although the curvature was at {max(ratios):.2g} of the "
            "threshold: not the step size. Look at the pictures and labels of these steps, and at the number format.",
        )
    sharpest = max(_level(one) for one in around)
    calmed = [one for one in after if 0 < _level(one) <= FALLEN * sharpest]
    loss_before = readings[place - 1].loss or math.inf
    if max(ratios) > 1 and calmed and any(one.loss is not None and one.loss <= 1.1 * loss_before for one in after):
        return Verdict(
            finding=Finding.CATAPULT,
            step=now.step,
            words=f"Catapult: the curvature was {max(ratios):.2g} times the threshold, the loss jumped to "
            f"{now.highest_loss:.3g}, and the training landed where it is less curved ({_level(calmed[0]):.3g} after "
            f"{sharpest:.3g}). Harmless; go on.",
        )
    return None


def _dead_signs(readings: Sequence[Reading]) -> list[Verdict]:
    channels = next((one for one in reversed(readings) if one.dead_channels is not None), None)
    weights = next((one for one in reversed(readings) if one.dead_weights is not None), None)
    found = []
    if channels is not None and channels.dead_channels is not None and channels.dead_channels > DEAD_CHANNELS:
        found.append(
            Verdict(
                finding=Finding.DEAD_SIGNS,
                step=channels.step,
                words=f"{channels.dead_channels:.0%} of the channels of binary activations have one sign on every "
                "probe picture: they carry nothing. A learned shift or a batch norm in front brings them back.",
            )
        )
    if weights is not None and weights.dead_weights is not None and weights.dead_weights > DEAD_WEIGHTS:
        found.append(
            Verdict(
                finding=Finding.DEAD_SIGNS,
                step=weights.step,
                words=f"{weights.dead_weights:.0%} of the binary weights had no gradient at all: their latent weights "
                "are outside [-1, 1], or nothing reads them. Clip latent weights, or lower the step size.",
            )
        )
    return found


def _level(reading: Reading) -> float:
    """The curvature itself, whichever was measured; 0 = not."""
    return reading.sharpness or reading.critical_sharpness or 0.0


def _rising(known: Sequence[Reading]) -> bool:
    """Whether the loss of late is clearly over the lowest so far."""
    losses = [one.loss for one in known if one.loss is not None]
    return len(losses) > LATEST and statistics.median(losses[-LATEST:]) > SPIKE * min(losses)


def _growth(known: Sequence[Reading]) -> float | None:
    """Curvature of late over that some readings before."""
    levels = [_level(one) for one in known[-WINDOW:]]
    if len(levels) < 2 * LATEST:
        return None
    third = len(levels) // 3
    return statistics.median(levels[-third:]) / statistics.median(levels[:third])


def _since(known: Sequence[Reading], holds: object) -> int:
    """The first step from which on a condition on the ratio has held."""
    assert callable(holds)
    step = known[-1].step
    for one in reversed(known[:-1]):
        if one.ratio is None or not holds(one.ratio):
            break
        step = one.step
    return step


def _median(values: Sequence[float | None]) -> float:
    return statistics.median(one for one in values if one is not None)
