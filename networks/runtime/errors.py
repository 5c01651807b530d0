"""What can be wrong with an exported network when it runs."""

from __future__ import annotations

from typing import Any

from design.errors import BespokeError


class ExportDisagrees(BespokeError):
    """An exported network computes something else than the module it was made of.

    Args:
        must: What must hold.
        got: What came.
        layer: The first layer that differs though it reads the same, or None where no layer does.
        op: What that layer does.
        error: How far off, relative to its largest value (or the difference of accuracies).
        tolerance: What is allowed.
        shape: Of what the layer writes, C x H x W.
    """

    def __init__(
        self,
        must: str,
        got: str,
        *,
        layer: str | None,
        op: str | None,
        error: float,
        tolerance: float,
        shape: tuple[int, ...],
    ) -> None:
        self.layer, self.op, self.error, self.tolerance, self.shape = layer, op, error, tolerance, shape
        super().__init__(must, got, "The exported file is not to be used; the trained weights are.")

    def members(self) -> dict[str, Any]:
        """What a problem document shows beside the text, JSON values."""
        return {
            "layer": self.layer,
            "op": self.op,
            "error": self.error,
            "tolerance": self.tolerance,
            "shape": list(self.shape),
        }


class MeasurementFailed(BespokeError):
    """A measurement that could not be made: the process died, took too long, or the model does not run."""
