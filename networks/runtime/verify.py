"""verify: an exported network computes what its module computes, or the layer that does not is named."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.export.exported import Exported, Form
from networks.network import Network
from networks.runtime.errors import ExportDisagrees
from networks.runtime.layer_check import LayerCheck, LayerError, first_beyond
from networks.runtime.session import logits, open_session

TOLERANCE = 1e-4
ACCURACY_TOLERANCE = 0.01
DEVIATIONS = 2.0
"""Of the difference of accuracies that chance explains."""
CHECKED_PICTURES = 16
"""Pictures of a batch that layers are compared on."""


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What is allowed.

    Attributes:
        tolerance: Largest relative error of a layer, and of the logits of a picture.
        accuracy_tolerance: Largest loss of accuracy, as a fraction, beside what chance explains.
    """

    tolerance: float = TOLERANCE
    accuracy_tolerance: float = ACCURACY_TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well an exported network and its module agree.

    Attributes:
        pictures: Whose logits were compared.
        layers: Compared on the same inputs.
        layer_error: Largest relative error of a layer, and which layer that is.
        logits_error: Largest relative error of the logits of a picture; with whole numbers, or where a value fell on
            the other side of a threshold, it may be above the tolerance.
        parted: Pictures whose logits differ by more than the tolerance though every layer agrees.
        same_class: Share of pictures that get the same class.
        accuracy, exported_accuracy: On the test pictures; None without.
        test_pictures: How many.
    """

    form: Form
    pictures: int
    layers: int
    layer_error: float
    worst_layer: str
    logits_error: float
    parted: int
    same_class: float
    accuracy: float | None
    exported_accuracy: float | None
    test_pictures: int


def verify(
    exported: Exported,
    network: Network,
    batches: Iterable[Tensor],
    *,
    test: Iterable[tuple[Tensor, Tensor]] = (),
    options: VerifyOptions | None = None,
) -> Agreement:
    """Compare an exported network with the module that it was made of.

    The first batch is compared layer by layer (`networks.runtime.layer_check`). Of every batch the logits are
    compared, as the runtime computes them after its own optimisation. Pictures whose logits are further apart than
    the tolerance are compared layer by layer too, so that either a layer is named or a threshold explains it.

    Args:
        exported: As written, or read from its file.
        network: In any mode, which is left as it was.
        batches: N x C x H x W each, at least one.
        test: Batches with labels, for accuracies.
        options: What is allowed.

    Raises:
        ExportDisagrees: With the layer.
        InvalidArtefact: The runtime does not take the file.
    """
    own, check = options or VerifyOptions(), LayerCheck(exported=exported, network=network)
    seen = _Seen(exported, network)
    worst: LayerError | None = None
    for images in batches:
        errors = seen.compare(images)
        parted = torch.from_numpy(np.flatnonzero(~(errors <= own.tolerance)))
        seen.parted += len(parted)
        looked_at = images[:CHECKED_PICTURES] if worst is None else images[parted[:CHECKED_PICTURES]]
        if worst is None and len(parted) and exported.kernels.form is Form.EXACT:
            looked_at = torch.cat([looked_at, images[parted[:CHECKED_PICTURES]]])
        if worst is not None and (exported.kernels.form is Form.INTEGER or not len(parted)):
            continue
        layers = check.errors(looked_at)
        _raise_for(layers, own.tolerance)
        largest = max(layers, key=lambda one: one.error)
        worst = largest if worst is None or largest.error > worst.error else worst
    if worst is None:
        raise ValueError("verify must be given at least one batch")
    found = seen.accuracies(test)
    if found.pictures:
        found.check(own.accuracy_tolerance)
    return Agreement(
        form=exported.kernels.form,
        pictures=seen.pictures,
        layers=len(exported_layers(network)),
        layer_error=worst.error,
        worst_layer=worst.layer,
        logits_error=seen.largest,
        parted=seen.parted,
        same_class=seen.same / seen.pictures,
        accuracy=found.right / found.pictures if found.pictures else None,
        exported_accuracy=found.exported_right / found.pictures if found.pictures else None,
        test_pictures=found.pictures,
    )


def exported_layers(network: Network) -> tuple[str, ...]:
    """Names of the layers that are compared."""
    return tuple(unit.step.layer.name for unit in network.units())


class _Seen:
    """Logits of both, and how they differ so far."""

    def __init__(self, exported: Exported, network: Network) -> None:
        self.session, self.network = open_session(exported.content), network
        self.pictures, self.parted, self.same, self.largest = 0, 0, 0, 0.0

    def both(self, images: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of the module and of the exported network, N x classes."""
        training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            own = self.network(images).float().numpy()
        self.network.train(training)
        return own, logits(self.session, images.contiguous().numpy())

    def compare(self, images: Tensor) -> NDArray[np.float32]:
        """Relative error of each picture."""
        own, found = self.both(images)
        wanted, got = own.reshape(len(own), -1), found.reshape(len(found), -1)
        scale = np.maximum(np.abs(wanted).max(1), np.finfo(np.float32).tiny)
        errors: NDArray[np.float32] = np.nan_to_num(np.abs(got - wanted).max(1) / scale, nan=np.inf)
        self.pictures += len(images)
        self.same += int((wanted.argmax(1) == got.argmax(1)).sum())
        self.largest = max(self.largest, float(errors.max()))
        return errors

    def accuracies(self, test: Iterable[tuple[Tensor, Tensor]]) -> _Accuracies:
        """How many test pictures each gets right."""
        right, exported_right, changed, number = 0, 0, 0, 0
        for images, labels in test:
            own, found = (one.argmax(1) == labels.numpy() for one in self.both(images))
            right += int(own.sum())
            exported_right += int(found.sum())
            changed += int((own != found).sum())
            number += len(labels)
        return _Accuracies(right=right, exported_right=exported_right, changed=changed, pictures=number)


@dataclass(frozen=True, kw_only=True)
class _Accuracies:
    """Pictures right by the module, by the exported network, and by one of them alone."""

    right: int
    exported_right: int
    changed: int
    pictures: int

    def check(self, tolerance: float) -> None:
        """Refuse an exported network that is worse by more than is allowed and more than chance explains.

        Pictures that one alone gets right fall to either side by chance, so their difference has the deviation
        sqrt(changed) where both are equally good (McNemar, "Note on the sampling error of the difference between
        correlated proportions or percentages", 1947).
        """
        lost = (self.right - self.exported_right) / self.pictures
        chance = DEVIATIONS * math.sqrt(self.changed) / self.pictures
        if lost > tolerance + chance:
            raise ExportDisagrees(
                f"the exported network must not be worse than its module by more than {tolerance:g} (+ {chance:.3g} "
                f"for chance)",
                f"an accuracy of {self.exported_right / self.pictures:.4f} and {self.right / self.pictures:.4f} on "
                f"{self.pictures} pictures, though every layer agrees on its own",
                layer=None,
                op=None,
                error=lost,
                tolerance=tolerance,
                shape=(),
            )


def _raise_for(layers: tuple[LayerError, ...], tolerance: float) -> None:
    wrong = first_beyond(layers, tolerance)
    if wrong is not None:
        raise ExportDisagrees(
            f"layer {wrong.layer!r} ({wrong.op}) of the exported network must compute what its module computes, "
            f"within {tolerance:g}",
            f"a relative error of {wrong.error:.3g} in an output of {wrong.shape}",
            layer=wrong.layer,
            op=wrong.op,
            error=wrong.error,
            tolerance=tolerance,
            shape=wrong.shape,
        )
