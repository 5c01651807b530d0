"""Which quantizer a number of bits means: the choices that papers make differently."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SignGradient(StrEnum):
    """Gradient of sign (see `networks.quantizers.sign`)."""

    CLIPPED = "clipped"
    QUADRATIC = "quadratic"


class ScaleGradient(StrEnum):
    """How the gradient passes the scale of binary weights (see `networks.quantizers.binary`)."""

    STRAIGHT = "straight"
    XNOR = "xnor"


class UniformQuantizer(StrEnum):
    """Quantizer of 2 and 4 bits (and of 8-bit activations).

    UNIFORM_UNCLIPPED never limits activations to the levels that the bits allow: it is what the released code of
    arXiv 1906.01493 does, kept for comparison only. Its activations take more bits than they say.
    """

    LEARNED_STEP = "learned_step"
    UNIFORM = "uniform"
    UNIFORM_UNCLIPPED = "uniform_unclipped"


class Half(StrEnum):
    """What 16 bits mean."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, kw_only=True)
class QuantizerOptions:
    """The quantizers of a network.

    Attributes:
        sign_gradient: Of binary activations. Quadratic is more accurate and costs one more element-wise pass.
        scale_gradient: Of binary weights; straight as in Bi-Real Net (arXiv 1808.00278) and ReActNet.
        learned_shift: A learned shift per channel before the sign (ReActNet, arXiv 2003.03488).
        uniform: Of 2 and 4 bits; the learned step is LSQ (arXiv 1902.08153).
        half: Of 16 bits.
    """

    sign_gradient: SignGradient = SignGradient.QUADRATIC
    scale_gradient: ScaleGradient = ScaleGradient.STRAIGHT
    learned_shift: bool = False
    uniform: UniformQuantizer = UniformQuantizer.LEARNED_STEP
    half: Half = Half.FLOAT16
