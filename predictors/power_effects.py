"""PowerEffects: how the power of devices deviates from the closed form, learned from published energies.

    log energy = log(static power x time + arithmetic + memory) + traits . w

`w` (a level, and how much more operations and traffic cost) is normal: a mean and covariance for each kind of device,
shrunk hard, since energies of fewer than ten devices are public. Time is not part of this: its error is that of the
latency prediction, and energy carries the share of it that static power has in a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from design.device import DeviceKind
from design.encoding import FloatArray
from predictors.call_energy import POWER_TRAITS, CallEnergy
from predictors.descriptor import Descriptor
from predictors.figures import BASE_LATENCY_SPREAD
from predictors.predictor import Estimates
from predictors.storage import WEIGHTS, Weights, load_weights, parameter, save_weights

KIND, FORM = "power-effects", "1"
LEARNED_ENERGY = "learned_energy"
"""What energy predictions are called in an answer's sources."""
FILE = WEIGHTS / "energy.safetensors"
KINDS: tuple[DeviceKind, ...] = tuple(DeviceKind)


@dataclass(frozen=True, kw_only=True)
class PowerPrior:
    """What is believed of the power of one device before its energy is measured.

    Attributes:
        mean: POWER_TRAITS.
        covariance: POWER_TRAITS x POWER_TRAITS.
        noise: Variance of one measured log energy around its traits, time known.
    """

    mean: FloatArray
    covariance: FloatArray
    noise: float

    def predict(self, traits: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the log deviation of calls (N x POWER_TRAITS), N each, noise included."""
        variance = ((traits @ self.covariance) * traits).sum(axis=1) + self.noise
        return np.asarray(traits @ self.mean), np.asarray(variance)


@dataclass(frozen=True, kw_only=True)
class PowerEffects:
    """Fitted effects of every kind of device.

    Attributes:
        means: KINDS x POWER_TRAITS.
        covariances: KINDS x POWER_TRAITS x POWER_TRAITS.
        stated: Mean and variance of the level where a profile states its power while computing, of any kind.
        noise: See PowerPrior.
        version: Form and digest.
    """

    means: FloatArray
    covariances: FloatArray
    stated: FloatArray
    noise: float
    version: str = FORM

    def prior(self, device: Descriptor) -> PowerPrior:
        """The prior of a device: of its kind, or of stated power."""
        place = KINDS.index(device.profile.kind)
        covariance, mean = self.covariances[place].copy(), self.means[place].copy()
        if device.profile.active_w is not None:
            covariance[0, :] = covariance[:, 0] = 0.0
            mean[0], covariance[0, 0] = self.stated
        covariance[0, 0] += device.power_variance
        return PowerPrior(mean=mean, covariance=covariance, noise=self.noise)

    def save(self, path: Path, facts: dict[str, str]) -> Weights:
        """Write to a safetensors file, with what the fit wants to be known."""
        tensors = {"means": self.means, "covariances": self.covariances, "stated": self.stated}
        tensors["noise"] = np.array([self.noise])
        stored = Weights(
            kind=KIND,
            version=FORM,
            tensors={name: torch.tensor(array, dtype=torch.float32) for name, array in tensors.items()},
            facts=facts,
        )
        save_weights(stored, path)
        return stored


def load_power_effects(path: Path) -> PowerEffects:
    """Read what `PowerEffects.save` wrote.

    Raises:
        InvalidWeights: Damaged, of another kind or version, or of another shape.
    """
    stored = load_weights(path, kind=KIND, version=FORM)
    kinds, traits = len(KINDS), len(POWER_TRAITS)
    return PowerEffects(
        means=parameter(stored, "means", (kinds, traits)).numpy().astype(np.float64),
        covariances=parameter(stored, "covariances", (kinds, traits, traits)).numpy().astype(np.float64),
        stated=parameter(stored, "stated", (2,)).numpy().astype(np.float64),
        noise=float(parameter(stored, "noise", (1,))[0]),
        version=f"{FORM}+{stored.digest[:8]}",
    )


@cache
def shipped_power_effects() -> PowerEffects:
    """The effects that come with the package."""
    return load_power_effects(FILE)


def learned_energy(call: CallEnergy, prior: PowerPrior, latency_ms: Estimates, device: Descriptor) -> Estimates:
    """Energy per call, N, millijoules: the closed form over the predicted time, times what was learned.

    Args:
        call: By the closed form, over the time of the roofline, N.
        prior: Of the device's power.
        latency_ms: N.
        device: What it runs on.
    """
    lasting = call.lasting(1e-3 * latency_ms.median, device)
    deviation, variance = prior.predict(lasting.traits)
    own = BASE_LATENCY_SPREAD[device.profile.kind] if device.static_per_call else latency_ms.spread
    spread = np.sqrt(variance + (lasting.time_share * own) ** 2)
    return Estimates(median=1e3 * lasting.total * np.exp(deviation), spread=spread, scale="log")
