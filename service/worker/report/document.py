"""JobReport: all that a job found out, as the report shows it and as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, computed_field

from design.prediction import Assumption, Interval, LayerCost, Prediction


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainedEpoch(_Part):
    """One epoch; accuracies are fractions."""

    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float


class Training(_Part):
    """One training of the job.

    Attributes:
        name: Of the step.
        best_epoch: From 1; the one whose weights were kept.
        monitor: What `networks.training.monitor` saw of the sharpness; None where nobody watched.
        memory: Why it was trained in the standard way, or with little memory.
    """

    name: str
    epochs: tuple[TrainedEpoch, ...]
    best_epoch: int
    seconds: float
    monitor: dict[str, Any] | None = None
    memory: str | None = None


class KeptFilters(_Part):
    """Filters that stay of layers which keep the same ones.

    Attributes:
        layers: Their names; all of them write the same channels.
        kept: Indexes, ascending.
        of: How many there were.
    """

    layers: tuple[str, ...]
    kept: tuple[int, ...]
    of: int


class ReadBound(_Part):
    """What can be said of what is left to read of a layer (see `networks.pruning.bound`).

    Attributes:
        removed_share: Relative error that every same-sign sum stays within without the channels that were removed; at 1
            it promises nothing. None: of a job that did not tell.
        draws_epsilon: What the theorem of provable pruning says of as many random draws, which the choice was not: the
            error that they stay within at a chance of 1 - delta. None: no bound.
    """

    layer: str
    removed_share: float | None
    draws_epsilon: float | None


class Pruning(_Part):
    """Filters that were cut out of the trained network.

    Attributes:
        method: How they were chosen.
        pictures: By how many of the validation part.
        before, cut, after: Accuracy on validation pictures: of the network with all filters, right after the cut, and
            after training on.
        accuracy_pictures: On how many these are; None: on the whole validation part (steps of earlier versions).
        accuracy_on_others: Whether filters were chosen by none of these.
    """

    method: str
    pictures: int
    before: float
    cut: float
    after: float
    groups: tuple[KeptFilters, ...]
    bounds: tuple[ReadBound, ...]
    accuracy_pictures: int | None = None
    accuracy_on_others: bool = False

    @property
    def loosest(self) -> ReadBound | None:
        """The layer that may have lost most; None where nothing that is read was removed, or no job told."""
        return max(
            (one for one in self.bounds if one.removed_share), key=lambda one: one.removed_share or 0.0, default=None
        )


class SignificantLayer(_Part):
    """One layer of the significance curve (see `networks.significance`)."""

    name: str
    channels: int
    components: int
    significant: bool
    reason: str


class Comparison(_Part):
    """A predicted figure beside the measured one.

    Attributes:
        unit: `fraction`, `bytes` or `ms`.
        predicted: Median; None where nothing was predicted.
        interval: None where the prediction is exact.
        how: How it was measured.
    """

    name: str
    unit: str
    predicted: float | None
    interval: Interval | None
    measured: float
    how: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def inside(self) -> bool | None:
        """Whether the measured figure lies in the interval; None without one."""
        return None if self.interval is None else self.interval.low <= self.measured <= self.interval.high


class ExportedFile(_Part):
    """A model file and how it agrees with the trained module.

    Attributes:
        form: `exact` or `integer`.
        integer_layers, float_layers: What the runtime really computes on whole numbers and on floats.
        layer_error: Largest relative error of a layer that reads the same.
        parted: Pictures of `pictures` whose logits differ though every layer agrees.
        accuracy: On the test pictures.
        latency_ms: Of one call on the worker's machine.
    """

    name: str
    form: str
    bytes: int
    integer_layers: int
    float_layers: tuple[str, ...]
    layer_error: float
    worst_layer: str
    logits_error: float
    pictures: int
    parted: int
    accuracy: float | None
    latency_ms: float | None


class StepNote(_Part):
    """A step of the job: how long it ran, or why it was skipped."""

    name: str
    seconds: float | None = None
    skipped: str | None = None


class FileNote(_Part):
    """A file of the job and what it is for."""

    name: str
    bytes: int
    what: str


class JobReport(_Part):
    """What a job found out.

    Attributes:
        prediction: Of the design on the device it was made for; nothing in it was measured.
        host: Name of the worker's machine, with its runtime.
        host_assumed: What its prediction had to assume.
        pruning: None where the network had the filters of the design from the start.
        significance: Empty where it was not looked at.
        training_pictures: How many were trained on.
    """

    job_id: str
    made_at: str
    name: str
    digest: str
    task: str
    dataset: str
    device: str
    seed: int
    prediction: Prediction
    comparisons: tuple[Comparison, ...]
    trainings: tuple[Training, ...] = ()
    pruning: Pruning | None = None
    significance: tuple[SignificantLayer, ...] = ()
    exported: tuple[ExportedFile, ...] = ()
    host: str
    host_assumed: tuple[Assumption, ...] = ()
    training_pictures: int | None = None
    steps: tuple[StepNote, ...]
    files: tuple[FileNote, ...]

    @property
    def layers(self) -> tuple[LayerCost, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.prediction.layers if layer.weight_bits is not None)

    def as_json(self) -> str:
        """The whole report as JSON."""
        return self.model_dump_json(indent=2)


def comparisons(
    predicted: Prediction,
    host: Prediction | None,
    *,
    accuracy: float | None,
    test_pictures: int,
    packed_bytes: int,
    latency_ms: float | None,
    latency_how: str = "",
) -> tuple[Comparison, ...]:
    """Measured figures beside the predicted ones.

    Args:
        predicted: Of the design.
        host: Of the design on the worker's machine; None where nothing was measured there.
        accuracy: Of the exported network on the test pictures.
        test_pictures: How many.
        packed_bytes: Of the packed file.
        latency_ms: Of one call on the worker's machine.
        latency_how: How it was measured.
    """
    found = []
    if accuracy is not None:
        estimate = predicted.accuracy
        found.append(
            Comparison(
                name="accuracy",
                unit="fraction",
                predicted=None if estimate is None else estimate.value,
                interval=None if estimate is None else estimate.interval,
                measured=accuracy,
                how=f"{test_pictures} test pictures, exported model",
            )
        )
    found.append(
        Comparison(
            name="model size",
            unit="bytes",
            predicted=predicted.model_bytes,
            interval=None,
            measured=packed_bytes,
            how="packed file; the prediction is a count",
        )
    )
    if latency_ms is not None:
        own = None if host is None else host.latency_ms
        found.append(
            Comparison(
                name="latency on the worker",
                unit="ms",
                predicted=None if own is None else own.value,
                interval=None if own is None else own.interval,
                measured=latency_ms,
                how=latency_how,
            )
        )
    return tuple(found)
