"""The backward step of a chain, in parts; see `fused`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from networks.quantizers.quantizer import per_filter
from networks.quantizers.sign import signs
from networks.training.errors import InvalidOptions
from networks.training.low_memory.chain import Chain, Reading
from networks.training.low_memory.kept import Kept, blocks, buffer
from networks.training.low_memory.norm import Backward as NormBackward
from networks.training.low_memory.norm import Sums
from networks.training.low_memory.planes import as_rows, not_negative, packed_rows
from networks.training.low_memory.pooling import spread

GRADIENT_SCALE = 2.0**10
"""Of gradients between chains: float16 then holds the small ones."""


class Backward:
    """One backward step."""

    def __init__(self, ctx: Any, gradient: Tensor, real: Tensor | None, weight: Tensor, gain: Tensor) -> None:
        self.chain: Chain = ctx.chain
        self.kept: Kept = ctx.kept
        self.sink: nn.Parameter | None = ctx.sink
        self.shape: tuple[int, ...] = ctx.shape
        self.read_dtype: torch.dtype = ctx.read_dtype
        self.gradient, self.real, self.weight = gradient, real, weight
        self.work = torch.promote_types(weight.dtype, torch.float32)
        self.incoming = 1.0 if self.chain.signs_out else GRADIENT_SCALE
        sums = self.summed()
        self.shift_gradient = sums.gradient / GRADIENT_SCALE
        assert self.kept.statistics is not None
        self.norm = NormBackward(self.kept.statistics, sums, gain.to(self.work), self.chain.options, given=ctx.given)

    def arriving(self, pictures: slice) -> Tensor:
        """The gradient of X where it passes, scaled."""
        found = self.gradient[pictures].to(self.work)
        if self.kept.passing is not None:
            found = found * self.kept.passing.values(pictures.start, pictures.stop, low=0.0)
        elif self.incoming != 1.0:
            found = found * self.incoming
        return found

    def compared(self, pictures: slice) -> Tensor:
        """Normalised values, or the signs that stand for them."""
        if self.kept.values is not None:
            return self.kept.values[pictures].to(self.work, copy=True)
        assert self.kept.signs is not None
        return self.kept.signs.values(pictures.start, pictures.stop).to(self.work)

    def summed(self) -> Sums:
        """Sums over all pictures, by channel."""
        channels, device = self.gradient.shape[1], self.gradient.device
        sums = Sums.zeros(channels, self.gradient.numel() // channels, self.work, device)
        size = max(1, int(self.chain.options.chunk_mib * 2**20 / (self.work.itemsize * self.gradient[0].numel())))
        for pictures in blocks(len(self.gradient), size):
            sums.add(self.arriving(pictures), self.compared(pictures), self.chain.options)
        return sums

    def layer_gradient(self, pictures: slice, side: tuple[int, int]) -> Tensor:
        """The gradient of what the layer gives, before its pool."""
        found = self.norm.gradient(self.arriving(pictures), self.compared(pictures))
        kept = self.kept
        if kept.positive is not None:
            found = found.mul_(kept.positive.values(pictures.start, pictures.stop, low=0.0))
        if kept.right is not None and kept.below is not None:
            right, below = (
                plane.values(pictures.start, pictures.stop, low=0.0).to(self.work) for plane in (kept.right, kept.below)
            )
            found = spread(found, right, below, side)
        return found

    def read(self, pictures: slice) -> Tensor:
        """What the layer computed with."""
        if self.real is not None:
            return self.real[pictures].to(self.work)
        assert self.kept.read is not None
        return self.kept.read.values(pictures.start, pictures.stop).to(self.work).view(-1, *self.shape[1:])

    def gradients(self, *, wanted: bool) -> tuple[Tensor | None, Tensor | None]:
        """Of what is read (where wanted) and of the weight (None where only its sign is kept, beside the weight)."""
        chain, number = self.chain, self.shape[0]
        block = chain.filter_chunk(self.weight)
        several = block < len(self.weight)
        dtype = self.work if several else self.read_dtype
        dx = buffer(number, self.shape[1:], dtype, self.gradient.device) if wanted else None
        collected: list[Tensor] = []
        positions = 1 if chain.linear else self.shape[2] * self.shape[3]
        side = self.output_side()
        for filters in blocks(len(self.weight), block):
            latent = self.weight[filters].to(self.work)
            weight = signs(latent) if chain.binary_weights else latent
            at_once = chain.picture_chunk(
                weight[0].numel() if chain.linear else int(torch.Size(self.shape[1:]).numel()),
                filters.stop - filters.start,
                positions,
                self.work.itemsize,
            )
            total: Tensor | None = None
            for pictures in blocks(number, at_once):
                own = self.layer_gradient(pictures, side)
                own = own[:, filters] if several else own
                into, dw = chain.backward(own, self.read(pictures), weight, wanted=wanted)
                total = dw if total is None else total.add_(dw)
                if dx is not None and into is not None:
                    self.collect(dx, into, pictures, first=filters.start == 0)
            assert total is not None
            collected.append(self.weight_gradient(total, latent, filters))
        if dx is not None:
            dx = dx.to(self.read_dtype)
        return dx, self.sunk(collected)

    def output_side(self) -> tuple[int, int]:
        """Height and width of what the layer gives, before its pool."""
        if self.chain.linear:
            return 1, 1
        kernel = self.weight.shape[2:]
        height, width = (
            (self.shape[2 + axis] + 2 * pad - gap * (size - 1) - 1) // stride + 1
            for axis, (pad, gap, size, stride) in enumerate(
                zip(self.chain.padding, self.chain.dilation, kernel, self.chain.stride, strict=True)
            )
        )
        return int(height), int(width)

    def collect(self, dx: Tensor, into: Tensor, pictures: slice, *, first: bool) -> None:
        """Put the gradient of some pictures in its place."""
        if self.chain.reading is not Reading.SIGNS:
            into = into.div_(GRADIENT_SCALE)
        if self.kept.read_passing is not None:
            passing = self.kept.read_passing.values(pictures.start, pictures.stop, low=0.0)
            into = into.mul_(passing.view(into.shape))
        if first:
            dx[pictures] = into
        else:
            dx[pictures] += into

    def weight_gradient(self, total: Tensor, latent: Tensor, filters: slice) -> Tensor:
        """Of some filters: bits (their rows packed), or numbers."""
        chain = self.chain
        if chain.binary_weights and chain.options.one_bit_gradients:
            last = self.weight.dim() == 4 and not self.weight.is_contiguous()  # channels, as `optim.flat` reads them
            rows = as_rows(total) if last else total.reshape(len(total), -1)
            return packed_rows(not_negative(rows))
        total = total.div_(GRADIENT_SCALE)
        if self.kept.scale is not None:
            total = total.div_(per_filter(self.kept.scale[filters], total)).mul_(latent.abs() <= 1)
        return total.to(self.weight.dtype)

    def sunk(self, collected: list[Tensor]) -> Tensor | None:
        """The gradient, or None with its signs beside the weight."""
        found = torch.cat(collected) if len(collected) > 1 else collected[0]
        if not (self.chain.binary_weights and self.chain.options.one_bit_gradients):
            return found
        assert self.sink is not None
        if getattr(self.sink, "sign_gradient", None) is not None:
            raise InvalidOptions(
                "one-bit gradients must be used before there are new ones, as signs do not add up",
                "a second backward step",
                "Call zero_grad of the optimizer before each, or set one_bit_gradients=False.",
            )
        self.sink.sign_gradient = found  # type: ignore[attr-defined]
        return None
