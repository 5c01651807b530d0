"""The forward step of a chain, in parts; see `fused`."""

from __future__ import annotations

import torch
from torch import Tensor

from networks.quantizers.binary import filter_scale
from networks.quantizers.sign import signs
from networks.training.low_memory.chain import Chain, Reading
from networks.training.low_memory.kept import Kept, blocks, buffer
from networks.training.low_memory.norm import Statistics, normalised, per_channel
from networks.training.low_memory.planes import Plane, empty_plane, less, not_negative, write
from networks.training.low_memory.pooling import pooled


class Forward:
    """One forward step."""

    def __init__(
        self,
        x: Tensor,
        weight: Tensor,
        shift: Tensor,
        gain: Tensor,
        chain: Chain,
        plane: Plane | None,
        given: Statistics | None,
    ) -> None:
        self.x, self.weight, self.chain = x, weight, chain
        self.work = torch.promote_types(weight.dtype, torch.float32)
        self.shift, self.gain = shift.to(self.work), gain.to(self.work)
        self.store = torch.float16 if chain.options.half_gradients else self.work
        self.kept = Kept(read=plane)
        self.given = given
        number, device = len(x), x.device
        if chain.reading is Reading.VALUES:
            self.kept.read = empty_plane(number, tuple(x.shape[1:]), device)
            if chain.options.cancellation:
                self.kept.read_passing = empty_plane(number, tuple(x.shape[1:]), device)
        if chain.binary_weights:
            self.kept.scale = filter_scale(weight.to(self.work))

    def read(self, pictures: slice) -> Tensor:
        """What the layer computes with."""
        if self.chain.reading is Reading.REAL:
            return self.x[pictures].to(self.work)
        assert self.kept.read is not None
        if self.chain.reading is Reading.VALUES:
            values = self.x[pictures]
            write(self.kept.read, pictures.start, not_negative(values))
            if self.kept.read_passing is not None:
                write(self.kept.read_passing, pictures.start, less(values.abs(), 1))
            return signs(values.to(self.work))
        return self.kept.read.values(pictures.start, pictures.stop).to(self.work)

    def computed(self) -> tuple[Tensor, Tensor]:
        """Y, N x C x H x W behind layer, pool and cut-off, and its sum by channel."""
        chain, number = self.chain, len(self.x)
        found: Tensor | None = None
        total = torch.zeros(len(self.weight), dtype=self.work, device=self.x.device)
        block = chain.filter_chunk(self.weight)
        for filters in blocks(len(self.weight), block):
            weight = self.weight[filters].to(self.work)
            weight = signs(weight) if chain.binary_weights else weight
            at_once = self.at_once(filters.stop - filters.start)
            for pictures in blocks(number, at_once):
                y = self.behind_pool(chain.forward(self.read(pictures), weight), pictures)
                if found is None:
                    found = buffer(number, (len(self.weight), *y.shape[2:]), self.store, y.device)
                found[pictures, filters] = y
                total[filters] += y.sum((0, 2, 3))
        assert found is not None
        return found, total

    def at_once(self, filters: int) -> int:
        """Pictures in a chunk."""
        shape = self.x.shape[1:]
        positions = 1 if self.chain.linear else int(shape[1] * shape[2])
        return self.chain.picture_chunk(shape.numel(), filters, positions, self.work.itemsize)

    def behind_pool(self, y: Tensor, pictures: slice) -> Tensor:
        """Pool and cut off, remembering where."""
        kept, number = self.kept, len(self.x)
        if self.chain.pool:
            y, right, below = pooled(y)
            if kept.right is None or kept.below is None:
                kept.right = empty_plane(number, tuple(y.shape[1:]), y.device)
                kept.below = empty_plane(number, tuple(y.shape[1:]), y.device)
            write(kept.right, pictures.start, right)
            write(kept.below, pictures.start, below)
        if self.chain.relu:
            y = y.relu_()
            if not self.chain.linear:
                if kept.positive is None:
                    kept.positive = empty_plane(number, tuple(y.shape[1:]), y.device)
                write(kept.positive, pictures.start, less(y.new_zeros(()), y))
        return y

    def output(self) -> Tensor:
        """Numbers, or the ticket of the signs."""
        chain, kept = self.chain, self.kept
        y, total = self.computed()
        shape, count = tuple(y.shape[1:]), y.numel() // y.shape[1]
        step = max(1, int(chain.options.chunk_mib * 2**20 / (self.work.itemsize * y[0].numel())))
        if chain.relu and chain.linear:
            kept.positive = empty_plane(len(y), shape, y.device)
            write(kept.positive, 0, less(y.new_zeros(()), y))
        chunks = [y[pictures] for pictures in blocks(len(y), step)]
        statistics = self.given or normalised(chunks, total / count, count, chain, kept.scale, self.work)
        kept.statistics = statistics
        factor = self.gain / statistics.deviation
        offset = self.shift - statistics.mean * factor
        keeps = chain.options.norm.keeps_values
        if chain.signs_out or not keeps:
            kept.signs = empty_plane(len(y), shape, y.device)
        if chain.signs_out and chain.options.cancellation:
            kept.passing = empty_plane(len(y), shape, y.device)
        out = None if chain.signs_out else buffer(len(y), shape, self.work, y.device)
        magnitude = torch.zeros_like(total)
        for pictures in blocks(len(y), step):
            own = y[pictures].to(self.work)
            x = torch.addcmul(per_channel(offset), own, per_channel(factor))
            if out is not None:
                out[pictures] = x
            if kept.signs is not None:
                write(kept.signs, pictures.start, not_negative(x))
            if keeps:
                own = own.sub_(per_channel(statistics.mean)).div_(per_channel(statistics.deviation))
                y[pictures] = own
            if kept.passing is not None or not keeps:
                x = x.abs_()
                magnitude += x.sum((0, 2, 3))
            if kept.passing is not None:
                write(kept.passing, pictures.start, less(x, 1))
        statistics.omega = magnitude / count / self.gain.abs().clamp_min(1e-6)
        kept.values = y if keeps else None
        return out if out is not None else y.new_zeros(()).expand(y.shape)

    def deployed(self) -> Statistics:
        """Mean and deviation of the layer with the scale of its weights."""
        found = self.kept.statistics
        assert found is not None
        return found if self.kept.scale is None else found.scaled(self.kept.scale)
