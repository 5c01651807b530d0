"""DesignPosterior: what measurements say of designs that a predictor knows especially well, and who makes such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from design.encoding import EncodedDesigns, FloatArray
from predictors.descriptor import Descriptor
from predictors.measurement import Measurements
from predictors.predictor import Estimates


class DesignPosterior(Protocol):
    """Latency on one device after measurements, for some designs only (those of one space, say).

    Attributes:
        name, version: As of a Predictor.
        left_out_ms: n, what the other measurements say of each; NaN where it does not answer.
    """

    name: str
    version: str
    left_out_ms: FloatArray

    def answers(self, designs: EncodedDesigns) -> NDArray[np.bool_]:
        """Which of N designs it answers for."""
        ...

    def latency_ms(self, designs: EncodedDesigns) -> Estimates:
        """Of N designs, all of which it answers for."""
        ...


PosteriorMaker = Callable[[Descriptor, Measurements], DesignPosterior | None]
"""None where it has nothing to say about such measurements."""
