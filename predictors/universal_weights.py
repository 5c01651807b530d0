"""UniversalWeights: everything that UniversalLatency was fitted to, saved and loaded as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from design.encoding import FloatArray
from predictors.design_traits import SCATTER, TRAITS
from predictors.price_model import RUNTIMES, SHAPES_OF_ARRAYS, PriceModel
from predictors.storage import WEIGHTS, InvalidWeights, Weights, load_weights, save_weights

KIND, FORM = "universal-latency", "2"


@dataclass(frozen=True, kw_only=True)
class UniversalWeights:
    """Everything fitted.

    Attributes:
        prices: Of the work terms.
        shares: RUNTIMES, of the price model in the mean with the roofline (logs, layer by layer).
        variances: TRAITS, of the deviations of a device; the level in units of its squared spread.
        scatter: SCATTER, of the variance of one design around its traits.
        counts: Of measurements.
        widenings: RUNTIMES x counts, factors on the spread after so many measurements, from chips left out.
    """

    prices: PriceModel
    shares: FloatArray
    variances: FloatArray
    scatter: FloatArray
    counts: FloatArray
    widenings: FloatArray

    def widening(self, count: int, runtime: int) -> float:
        """Factor on the spread after `count` measurements under a runtime class, between the counts calibrated at."""
        return float(np.interp(np.log1p(count), np.log1p(self.counts), self.widenings[runtime]))

    def save(self, path: Path, facts: Mapping[str, str]) -> None:
        """Write to a safetensors file, with what the fit wants to be known."""
        arrays: dict[str, NDArray[np.generic]] = {
            "shares": self.shares,
            "variances": self.variances,
            "scatter": self.scatter,
            "counts": self.counts,
            "widenings": self.widenings,
        }
        arrays |= {f"prices.{name}": array for name, array in self.prices.arrays().items()}
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        save_weights(Weights(kind=KIND, version=FORM, tensors=tensors, facts=dict(facts)), path)


def load_universal_weights(path: Path) -> UniversalWeights:
    """Read what `UniversalWeights.save` wrote.

    Raises:
        InvalidWeights: Damaged, of another kind or version, or of another shape.
    """
    stored = load_weights(path, kind=KIND, version=FORM)
    arrays = {name: np.asarray(tensor.numpy(), dtype=np.float64) for name, tensor in stored.tensors.items()}
    expected = {f"prices.{name}": shape for name, shape in SHAPES_OF_ARRAYS.items()}
    expected |= {"shares": (len(RUNTIMES),), "variances": (len(TRAITS),), "scatter": (len(SCATTER),)}
    for name, shape in expected.items():
        array = arrays.get(name)
        if array is None or array.shape != shape or not np.isfinite(array).all():
            came = "none" if array is None else f"shape {array.shape} or a value that is not finite"
            raise InvalidWeights(f"{path.name} must hold a finite {name!r} of shape {shape}", came)
    counts, widenings = arrays.get("counts"), arrays.get("widenings")
    fits = counts is not None and widenings is not None and widenings.shape == (len(RUNTIMES), len(counts))
    if counts is None or widenings is None or not fits or not np.isfinite(widenings).all():
        raise InvalidWeights(f"{path.name} must hold as many finite widenings as counts for each runtime", "others")
    return UniversalWeights(
        prices=PriceModel.of({name: arrays[f"prices.{name}"] for name in SHAPES_OF_ARRAYS}),
        shares=arrays["shares"],
        variances=arrays["variances"],
        scatter=arrays["scatter"],
        counts=counts,
        widenings=widenings,
    )


@cache
def shipped_weights() -> UniversalWeights:
    """The weights in `predictors/weights`."""
    return load_universal_weights(WEIGHTS / f"{KIND}.safetensors")
