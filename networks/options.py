"""How a design becomes a module: the order of operations around quantized layers, and the quantizers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from networks.quantizers.options import QuantizerOptions


class Order(StrEnum):
    """Where norms and activations stand around layers of few bits (docs/decisions/0010-order-of-operations.md).

    CENTRED: as the design says (convolution, norm, activation), except that what a sign reads is centred: there the
        norm stands behind the activation (and behind a max pool), and the activation of a sum moves into its branch.
        Parameters are those of the design.
    NORM_FIRST: norm, quantizer, convolution, norm, activation, sum, as in arXiv 1906.01493, around layers that read
        4 bits or less. Adds a norm over the input channels of each, which `design.counts` does not know.
    """

    CENTRED = "centred"
    NORM_FIRST = "norm_first"


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a design becomes a module.

    Attributes:
        order: Of norms and activations.
        shortcut_every_convolution: A shortcut around each convolution of a residual block that has a binary
            convolution, not around both together (Bi-Real Net, arXiv 1808.00278).
        shortcut_few_bits: The same in blocks with a convolution that reads 4 bits or less, so that networks of binary
            and k-bit blocks differ in bits alone (as in the code of arXiv 1906.01493).
        quantizers: Which quantizer a number of bits means.
    """

    order: Order = Order.CENTRED
    shortcut_every_convolution: bool = True
    shortcut_few_bits: bool = False
    quantizers: QuantizerOptions = field(default_factory=QuantizerOptions)


DEFAULT = BuildOptions()
