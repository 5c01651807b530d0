"""More networks of the literature as PyTorch modules: classifiers with branches, gates, groups and local norms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.networks.tracing.known_networks import Inverted, Residual, Squeeze, conv


def filled(read: int, wrote: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution with bias, as before batch norms, and ReLU; the first of a network has no zeros around it."""
    padding = 0 if stride == 4 else kernel // 2
    return [nn.Conv2d(read, wrote, kernel, stride, padding, groups=groups), nn.ReLU(inplace=True)]


def alexnet() -> nn.Module:
    """Krizhevsky et al. (2012), in two groups as on two GPUs; the local norm behind ReLU."""
    parts = [*filled(3, 96, 11, 4), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)]
    parts += [*filled(96, 256, 5, groups=2), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)]
    parts += [*filled(256, 384, 3), *filled(384, 384, 3, groups=2), *filled(384, 256, 3, groups=2), nn.MaxPool2d(3, 2)]
    head = [nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*parts, nn.Flatten(), *head, nn.Linear(4096, 1000), nn.Softmax(1))


class Inception(nn.Module):
    """Four branches, concatenated."""

    def __init__(self, read: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*filled(read, one, 1)),
                nn.Sequential(*filled(read, three[0], 1), *filled(*three, 3)),
                nn.Sequential(*filled(read, five[0], 1), *filled(*five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), *filled(read, pooled, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


INCEPTIONS = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    (192, (96, 208), (16, 48), 64),
    (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64),
    (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128),
    (256, (160, 320), (32, 128), 128),
    (384, (192, 384), (48, 128), 128),
)
"""Szegedy et al. (2014), table 1: 3a to 5b; a pool behind the second and the seventh."""


def googlenet() -> nn.Module:
    """Without the two classifiers at its sides, which only train it."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    parts = [*filled(3, 64, 7, 2), pool(), nn.LocalResponseNorm(5)]
    parts += [*filled(64, 64, 1), *filled(64, 192, 3), nn.LocalResponseNorm(5), pool()]
    read = 192
    for place, (one, three, five, pooled) in enumerate(INCEPTIONS):
        parts.append(Inception(read, one, three, five, pooled))
        parts += [pool()] if place in (1, 6) else []
        read = one + three[1] + five[1] + pooled
    return nn.Sequential(*parts, nn.AvgPool2d(7), nn.Dropout(), nn.Flatten(), nn.Linear(read, 1000), nn.Softmax(1))


Block = tuple[int, int, int, int, bool, Callable[[], nn.Module]]
"""Kernel, width within, filters, stride, squeezed, activation."""


def block(
    read: int, kernel: int, wide: int, wrote: int, stride: int, gate: nn.Module | None, act: nn.Module
) -> Inverted:
    """An inverted residual block, the gate before the activation; no 1x1 convolution where it does not widen."""
    parts: list[nn.Module] = [conv(read, wide, act=act)] if wide != read else []
    parts += [conv(wide, wide, kernel, stride, wide), *([gate] if gate is not None else []), act]
    return Inverted([*parts, conv(wide, wrote)], adds=stride == 1 and read == wrote)


RE, HS = nn.ReLU, nn.Hardswish
MOBILENET_V3: tuple[Block, ...] = (
    (3, 16, 16, 1, False, RE),
    (3, 64, 24, 2, False, RE),
    (3, 72, 24, 1, False, RE),
    (5, 72, 40, 2, True, RE),
    *((5, 120, 40, 1, True, RE),) * 2,
    (3, 240, 80, 2, False, HS),
    (3, 200, 80, 1, False, HS),
    *((3, 184, 80, 1, False, HS),) * 2,
    (3, 480, 112, 1, True, HS),
    (3, 672, 112, 1, True, HS),
    (5, 672, 160, 1, True, HS),
    (5, 672, 160, 2, True, HS),
    (5, 960, 160, 1, True, HS),
)
"""Howard et al. (2019), large, as the table has it: in the published one the first block of 160 filters strides, not
the second, whose width is 960; the inner layers of gates are a fourth of the width, not rounded to multiples of 8."""


def mobilenet_v3() -> nn.Module:
    parts: list[nn.Module] = [conv(3, 16, 3, 2, act=HS())]
    read = 16
    for kernel, wide, wrote, stride, squeezed, act in MOBILENET_V3:
        gate = Squeeze(wide, wide // 4, nn.ReLU, nn.Hardsigmoid) if squeezed else None
        parts.append(block(read, kernel, wide, wrote, stride, gate, act()))
        read = wrote
    head = [conv(160, 960, act=HS()), nn.AdaptiveAvgPool2d(1), HS(), nn.Flatten(), nn.Linear(960, 1280), HS()]
    return nn.Sequential(*parts, *head, nn.Linear(1280, 1000), nn.Softmax(1))


PROXYLESS = (
    (3, 32, 32, 1),
    *((5, 48, 32, 2), (3, 96, 32, 1)),
    *((7, 96, 40, 2), (3, 120, 40, 1), (5, 120, 40, 1), (5, 120, 40, 1)),
    *((7, 240, 80, 2), *((5, 240, 80, 1),) * 3),
    *((5, 480, 96, 1), *((5, 288, 96, 1),) * 3),
    *((7, 576, 192, 2), (7, 1152, 192, 1), *((7, 576, 192, 1),) * 2),
    (7, 1152, 320, 1),
)
"""Cai et al. (2019), for phones: kernel, width within, filters, stride; as the table has it: the first block writes 32
filters, of which the published one keeps 16 (the next width, 48, is three times those)."""


def proxylessnas() -> nn.Module:
    parts: list[nn.Module] = [conv(3, 32, 3, 2, act=nn.ReLU6())]
    read = 32
    for place, (kernel, wide, wrote, stride) in enumerate(PROXYLESS):
        own = block(read, kernel, wide, wrote, stride, None, nn.ReLU6())
        own.adds &= place > 0
        parts.append(own)
        read = wrote
    head = [
        conv(320, 1280, act=nn.ReLU6()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1280, 1000),
        nn.Softmax(1),
    ]
    return nn.Sequential(*parts, *head)


def regnety(widths: Sequence[int] = (48, 104, 208, 440), depths: Sequence[int] = (1, 3, 6, 6)) -> nn.Module:
    """Radosavovic et al. (2020), RegNetY-400MF: groups of 8 filters, gates of a fourth of what the block reads."""
    parts: list[nn.Module] = [conv(3, 32, 3, 2, act=nn.ReLU())]
    read = 32
    for width, depth in zip(widths, depths, strict=True):
        for place in range(depth):
            stride = 1 if place else 2
            within = [conv(read, width, act=nn.ReLU()), conv(width, width, 3, stride, width // 8, act=nn.ReLU())]
            branch = nn.Sequential(*within, Squeeze(width, read // 4, nn.ReLU), conv(width, width))
            parts.append(Residual(branch, nn.Identity() if place else conv(read, width, 1, stride)))
            read = width
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(read, 1000), nn.Softmax(1))


class GroupShuffle(nn.Module):
    """ShuffleNet unit: 1x1 convolutions in three groups, channels shuffled between; with a stride, pool and concat."""

    def __init__(self, read: int, wrote: int, stride: int, groups: int = 3) -> None:
        super().__init__()
        own = wrote - read if stride > 1 else wrote
        inner, self.groups, self.stride = own // 4, 1 if read == 24 else groups, stride
        self.reduce = conv(read, inner, groups=self.groups, act=nn.ReLU())
        self.spatial = conv(inner, inner, 3, stride, inner)
        self.expand = conv(inner, own, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        if self.groups > 1:
            batch, channels, height, width = y.shape
            y = y.view(batch, self.groups, channels // self.groups, height, width).transpose(1, 2).contiguous()
            y = y.view(batch, -1, height, width)
        y = self.expand(self.spatial(y))
        if self.stride > 1:
            return torch.cat([functional.avg_pool2d(x, 3, 2, 1), y], 1).relu()
        return functional.relu(x + y)


def shufflenet() -> nn.Module:
    """Zhang et al. (2017), three groups; no groups and no shuffle where only 24 channels are read."""
    parts: list[nn.Module] = [conv(3, 24, 3, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    read = 24
    for wrote, count in ((240, 4), (480, 8), (960, 4)):
        for place in range(count):
            parts.append(GroupShuffle(read, wrote, 1 if place else 2))
            read = wrote
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(960, 1000), nn.Softmax(1))


def fused(read: int, wrote: int, count: int, stride: int, expansion: int) -> Iterable[nn.Module]:
    """Blocks whose first convolution is 3x3 and dense."""
    for place in range(count):
        own, step = (wrote, 1) if place else (read, stride)
        if expansion == 1:
            yield conv(own, wrote, 3, step, act=nn.SiLU())
        else:
            parts = [conv(own, expansion * own, 3, step, act=nn.SiLU()), conv(expansion * own, wrote)]
            yield Inverted(parts, adds=step == 1)


def efficientnet_v2() -> nn.Module:
    """Tan and Le (2021), B0: three stages of fused blocks, three of separable ones with gates."""
    parts = [
        conv(3, 32, 3, 2, act=nn.SiLU()),
        *fused(32, 16, 1, 1, 1),
        *fused(16, 32, 2, 2, 4),
        *fused(32, 48, 2, 2, 4),
    ]
    read = 48
    for expansion, wrote, count, first in ((4, 96, 3, 2), (6, 112, 5, 1), (6, 192, 8, 2)):
        for place in range(count):
            wide, stride = expansion * read, 1 if place else first
            within = [conv(read, wide, act=nn.SiLU()), conv(wide, wide, 3, stride, wide, act=nn.SiLU())]
            parts.append(
                Inverted([*within, Squeeze(wide, read // 4), conv(wide, wrote)], adds=stride == 1 and read == wrote)
            )
            read = wrote
    return nn.Sequential(
        *parts, conv(192, 1280, act=nn.SiLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)
    )


CLASSIFIERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "alexnet": (alexnet, 227),
    "googlenet": (googlenet, 224),
    "mobilenet_v3": (mobilenet_v3, 224),
    "proxylessnasnet": (proxylessnas, 224),
    "regnety_400m": (regnety, 224),
    "shufflenet": (shufflenet, 224),
    "efficientnetv2_b0": (efficientnet_v2, 224),
}
"""Name in the layer table -> how it is made, and the side of its picture."""
