"""LowMemoryOptions: which approximations a low-memory training makes. Each can be switched on its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from networks.training.errors import InvalidOptions


class NormKind(StrEnum):
    """Deviation that a norm divides by, and what its gradient is computed from (`low_memory.norm` has the formulas).

    L2: Standard deviation; exact gradient from the normalised values.
    L1: Mean magnitude; exact gradient from the normalised values.
    SIGNS: Mean magnitude; gradient from signs and one magnitude a channel, the mean of the signs dropped as published.
    SIGNS_CENTRED: The same, the mean of the signs kept: one more value a channel.
    """

    L2 = "l2"
    L1 = "l1"
    SIGNS = "signs"
    SIGNS_CENTRED = "signs_centred"

    @property
    def keeps_values(self) -> bool:
        """Whether normalised values must be held for the way back."""
        return self in (NormKind.L2, NormKind.L1)


class Attenuation(StrEnum):
    """What a one-bit weight gradient is divided by.

    The paper says the root of the fan-in, its emulation takes the root of all weights of the layer, its prototype the
    number of weights (no root). Under Adam a factor a layer cancels; under SGD it is the layer's learning rate.
    """

    ROOT_FAN_IN = "root_fan_in"
    ROOT_WEIGHTS = "root_weights"
    WEIGHTS = "weights"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class LowMemoryOptions:
    """The approximations of Wang et al. (arXiv 2102.04270, ACM TECS 2023). Defaults: all of them.

    Attributes:
        norm: How batch norms go forward and back.
        half_gradients: Outputs of layers and gradients of activations are stored as float16.
        half_state: Latent weights and momenta of binary layers are stored as float16.
        one_bit_gradients: Of the gradient of binary weights only the sign is kept.
        attenuation: What that sign is divided by.
        cancellation: The gradient is 0 where what the sign reads is over 1 in magnitude; takes a second bit for each
            activation. Without it, gradients pass everywhere.
        omega_after_shift: The magnitude that stands for a channel's normalised values is taken behind the shift of
            the norm. In front of it, it is 1 by definition (with the l1 deviation) and need not be stored.
        chunk_mib: Layers are computed for so many pictures (or filters) at once that the largest tensor of the
            moment has about this size in MiB.

    Raises:
        InvalidOptions: A chunk without size.
    """

    norm: NormKind = NormKind.SIGNS
    half_gradients: bool = True
    half_state: bool = True
    one_bit_gradients: bool = True
    attenuation: Attenuation = Attenuation.ROOT_FAN_IN
    cancellation: bool = True
    omega_after_shift: bool = True
    chunk_mib: float = 8.0

    def __post_init__(self) -> None:
        if not self.chunk_mib > 0:
            raise InvalidOptions("chunk_mib must be over 0", f"{self.chunk_mib:g}", pointer="/chunk_mib")


LOW_MEMORY = LowMemoryOptions()
NOTHING_APPROXIMATED = LowMemoryOptions(
    norm=NormKind.L2, half_gradients=False, half_state=False, one_bit_gradients=False
)
"""The standard algorithm, computed by the same code."""
