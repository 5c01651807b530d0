"""Small detectors of later years as PyTorch modules: convolutions of half the channels, thin ShuffleNets."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.networks.tracing.known_networks import Inverted, conv, shuffle_stages


def leaky() -> nn.Module:
    return nn.LeakyReLU(0.1)


class Partial(nn.Module):
    """Cross stage partial: half of the channels go on, all come back in the end."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.whole = conv(channels, channels, 3, act=leaky())
        self.first, self.second = conv(half, half, 3, act=leaky()), conv(half, half, 3, act=leaky())
        self.merge = conv(channels, channels, act=leaky())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.whole(x)
        y = self.first(x[:, x.shape[1] // 2 :])
        y = self.merge(torch.cat([self.second(y), y], 1))
        return functional.max_pool2d(torch.cat([x, y], 1), 2), y


class YoloV4Tiny(nn.Module):
    """Wang et al. (2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, 3, 2, act=leaky()), conv(32, 64, 3, 2, act=leaky()))
        self.stages = nn.ModuleList(Partial(channels) for channels in (64, 128, 256))
        self.deep = nn.Sequential(conv(512, 512, 3, act=leaky()), conv(512, 256, act=leaky()))
        self.head = nn.Sequential(conv(256, 512, 3, act=leaky()), nn.Conv2d(512, 255, 1))
        self.up = nn.Sequential(conv(256, 128, act=leaky()), nn.Upsample(scale_factor=2))
        self.other = nn.Sequential(conv(384, 256, 3, act=leaky()), nn.Conv2d(256, 255, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = y = self.stem(x)
        for stage in self.stages:
            x, y = stage(x)
        x = self.deep(x)
        return self.head(x), self.other(torch.cat([self.up(x), y], 1))


FASTEST = (
    *((8, 4, 1), (8, 4, 1), (24, 8, 2), *((32, 8, 1),) * 2, (32, 8, 2), *((48, 8, 1),) * 2, (48, 16, 1)),
    *(*((96, 16, 1),) * 4, (96, 24, 2), *((136, 24, 1),) * 4, (136, 48, 2), *((224, 48, 1),) * 5),
)
"""Width within, filters, stride."""


class YoloFastest(nn.Module):
    """Inverted residual blocks, then pools of three sizes side by side."""

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [conv(3, 8, 3, 2, act=leaky())]
        read = 8
        for wide, wrote, stride in FASTEST:
            own = [conv(read, wide, act=leaky()), conv(wide, wide, 3, stride, wide, act=leaky()), conv(wide, wrote)]
            parts.append(Inverted(own, adds=stride == 1 and read == wrote))
            read = wrote
        self.body, self.last = nn.Sequential(*parts[:-6]), nn.Sequential(*parts[-6:])
        self.pools = nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in (3, 5, 9))
        self.merge = conv(192, 96, act=leaky())
        self.heads = nn.ModuleList(nn.Sequential(*wide_pair(own), nn.Conv2d(own, 255, 1)) for own in (96, 120))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x)
        y = self.last(x)
        y = self.merge(torch.cat([*(pool(y) for pool in self.pools), y], 1))
        return self.heads[0](y), self.heads[1](torch.cat([functional.interpolate(y, scale_factor=2.0), x], 1))


def wide_pair(channels: int, act: Callable[[], nn.Module] = leaky) -> list[nn.Module]:
    """Twice a depthwise 5x5 and a 1x1 convolution."""
    return [
        part
        for _ in range(2)
        for part in (conv(channels, channels, 5, 1, channels, act=act()), conv(channels, channels))
    ]


class NanoDet(nn.Module):
    """Maps of a ShuffleNetV2 at three scales are summed downwards and upwards, each with a head."""

    def __init__(self, widths: tuple[int, int, int] = (116, 232, 464)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(shuffle_stages(widths, leaky))
        self.lateral = nn.ModuleList(nn.Conv2d(width, 96, 1) for width in widths)
        self.heads = nn.ModuleList(
            nn.Sequential(*(self.pair() for _ in range(2)), nn.Conv2d(96, 112, 1)) for _ in widths
        )

    @staticmethod
    def pair() -> nn.Sequential:
        return nn.Sequential(conv(96, 96, 3, 1, 96, act=leaky()), conv(96, 96, act=leaky()))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        for stage, lateral in zip(self.stages, self.lateral, strict=True):
            x = stage(x)
            maps.append(lateral(x))
        for place, factor in ((2, 2.0), (1, 2.0), (0, 0.5), (1, 0.5)):
            other = place - 1 if factor > 1 else place + 1
            resized = functional.interpolate(maps[place], scale_factor=factor, mode="bilinear")
            maps[other] = maps[other] + resized
        found: list[Tensor] = []
        for own, head in zip(maps, self.heads, strict=True):
            classes, boxes = head(own).split([80, 32], 1)
            found += [classes.sigmoid().flatten(2).transpose(1, 2), boxes.flatten(2).transpose(1, 2)]
        return found


class FastestV2(nn.Module):
    """Two scales of a thin ShuffleNetV2; the convolutions of both heads are stored twice, as in the table."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(shuffle_stages((48, 96, 192)))
        self.merge = nn.ModuleList(conv(read, 72, act=nn.ReLU()) for read in (192, 288))
        self.towers = nn.ModuleList(nn.Sequential(*wide_pair(72, nn.ReLU)) for _ in range(4))
        self.heads = nn.ModuleList(nn.Conv2d(72, wrote, 1) for _ in range(2) for wrote in (12, 3, 80))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        small = self.stages[1](self.stages[0](x))
        deep = self.stages[2](small)
        joined = torch.cat([functional.interpolate(deep, scale_factor=2.0), small], 1)
        return self.boxes(self.merge[0](deep), 0), self.boxes(self.merge[1](joined), 1)

    def boxes(self, x: Tensor, scale: int) -> Tensor:
        classes, places = self.towers[2 * scale](x), self.towers[2 * scale + 1](x)
        box, there, kind = self.heads[3 * scale : 3 * scale + 3]
        found = [box(places).sigmoid(), there(places).sigmoid()]
        scores = kind(classes).permute(0, 2, 3, 1).softmax(-1)
        return torch.cat([*(one.permute(0, 2, 3, 1) for one in found), scores], -1)


class FastestDet(nn.Module):
    """Three scales of a thin ShuffleNetV2 in one, three branches of depthwise convolutions, one head."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(shuffle_stages((48, 96, 192)))
        self.merge, self.after = conv(336, 96, act=nn.ReLU()), conv(288, 96)
        self.branches = nn.ModuleList(nn.Sequential(*(self.spatial() for _ in range(count))) for count in (1, 2, 3))
        self.shared = conv(96, 96, act=nn.ReLU())
        self.heads = nn.ModuleList(nn.Sequential(self.spatial(), nn.Conv2d(96, wrote, 1)) for wrote in (1, 4, 80))

    @staticmethod
    def spatial() -> nn.Sequential:
        return conv(96, 96, 5, 1, 96, act=nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        large = self.stages[0](x)
        middle = self.stages[1](large)
        small = functional.interpolate(self.stages[2](middle), scale_factor=2.0)
        x = self.merge(torch.cat([functional.avg_pool2d(large, 3, 2, 1), middle, small], 1))
        x = functional.relu(x + self.after(torch.cat([branch(x) for branch in self.branches], 1)))
        x = self.shared(x)
        there, box, kind = (head(x) for head in self.heads)
        return torch.cat([there.sigmoid(), box, kind.softmax(1)], 1)
