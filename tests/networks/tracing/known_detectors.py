"""Detectors of the layer table as PyTorch modules, up to the maps that their boxes are read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.networks.tracing.known_networks import (
    MOBILENET_V2,
    Fire,
    Inverted,
    conv,
    inverted_blocks,
    mobilenet_blocks,
    separable,
)
from tests.networks.tracing.known_thin_detectors import FastestDet, FastestV2, NanoDet, YoloFastest, YoloV4Tiny


class Blaze(nn.Module):
    """Bazarevsky et al. (2019): the shortcut is pooled and padded with channels of zeros."""

    def __init__(self, read: int, wrote: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more = stride, wrote - read
        self.spatial = nn.Conv2d(read, read, 3, stride, 0 if stride > 1 else 1, groups=read)
        self.pointwise = nn.Conv2d(read, wrote, 1)

    def forward(self, x: Tensor) -> Tensor:
        own = functional.pad(x, (0, 2, 0, 2)) if self.stride > 1 else x
        shortcut = functional.max_pool2d(x, 2) if self.stride > 1 else x
        if self.more:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.more))
        return functional.relu(self.pointwise(self.spatial(own)) + shortcut)


def blazeface() -> nn.Module:
    """The body alone, as in the table."""
    parts: list[nn.Module] = [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(3, 24, 5, 2), nn.ReLU()]
    read = 24
    for wrote in (24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88, *(96,) * 5):
        parts.append(Blaze(read, wrote, 2 if wrote in (32, 48) or (read, wrote) == (88, 96) else 1))
        read = wrote
    return nn.Sequential(*parts)


class Boxes(nn.Module):
    """Single shot: on each of several maps a convolution for places and one for 21 classes; all boxes in two lists."""

    def __init__(self, parts: Sequence[nn.Module], read: dict[int, tuple[int, int]], kernel: int) -> None:
        super().__init__()
        self.parts, self.places = nn.ModuleList(parts), tuple(read)

        def heads(width: int) -> nn.ModuleList:
            return nn.ModuleList(
                nn.Conv2d(channels, count * width, kernel, padding=kernel // 2) for channels, count in read.values()
            )

        self.boxes, self.classes = heads(4), heads(21)
        self.norm: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps: list[Tensor] = []
        for place, part in enumerate(self.parts):
            x = part(x)
            if place in self.places:
                maps.append(x if maps else self.norm(x))
        boxes, classes = (
            torch.cat([head(own).permute(0, 2, 3, 1).flatten(1) for head, own in zip(heads, maps, strict=True)], 1)
            for heads in (self.boxes, self.classes)
        )
        return boxes, classes.view(classes.shape[0], -1, 21).softmax(-1)


def shrink(read: int, inner: int, wrote: int) -> nn.Sequential:
    """Half as many rows and columns."""
    return nn.Sequential(nn.Conv2d(read, inner, 1), nn.ReLU(), nn.Conv2d(inner, wrote, 3, 2, 1), nn.ReLU())


def mobilenet_ssd() -> nn.Module:
    smaller = [shrink(1024, 256, 512), shrink(512, 128, 256), shrink(256, 128, 256), shrink(256, 64, 128)]
    read = {11: (512, 3), 13: (1024, 6), 14: (512, 6), 15: (256, 6), 16: (256, 6), 17: (128, 6)}
    return Boxes([*mobilenet_blocks(), *smaller], read, 1)


def squeezenet_ssd() -> nn.Module:
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    parts = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool, Fire(64, 16, 64), Fire(128, 16, 64), pool]
    parts += [Fire(128, 32, 128), Fire(256, 32, 128), nn.MaxPool2d(3, 2), Fire(256, 48, 192), Fire(384, 48, 192)]
    parts += [Fire(384, 64, 256), Fire(512, 64, 256), pool, Fire(512, 96, 384), nn.MaxPool2d(3, 2)]
    parts += [Fire(768, 96, 384), shrink(768, 128, 256), shrink(256, 64, 128)]
    read = {7: (256, 4), 12: (512, 6), 14: (768, 6), 16: (768, 6), 17: (256, 6), 18: (128, 4)}
    boxes = Boxes(parts, read, 3)
    boxes.norm = nn.BatchNorm2d(256)
    return boxes


class MobileYolo(nn.Module):
    """Two scales behind a MobileNet; the deeper one is enlarged by a depthwise transposed convolution and added.

    Args:
        body: Up to the map that the deeper one is added to.
        deep: From there to the deeper map.
        up: Enlarges it.
        shallow: Behind the sum.
        heads: Of the deeper and the shallower map.
        between: What the enlarged map goes through before the sum.
    """

    def __init__(
        self,
        body: Sequence[nn.Module],
        deep: Sequence[nn.Module],
        up: nn.Module,
        shallow: nn.Module,
        heads: tuple[nn.Module, nn.Module],
        between: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body, self.deep, self.up = nn.Sequential(*body), nn.Sequential(*deep), up
        self.between, self.shallow, self.heads = between or nn.Identity(), shallow, nn.ModuleList(heads)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x)
        y = self.deep(x)
        return self.heads[0](y), self.heads[1](self.shallow(self.between(self.up(y)) + x))


def enlarge(read: int, wrote: int) -> nn.Sequential:
    """Every element, zeros between (one less than twice as many), then the largest of each two by two."""
    return nn.Sequential(nn.ConvTranspose2d(read, wrote, 1, 2, groups=wrote, bias=False), nn.MaxPool2d(2, 1, 1))


def mobilenet_yolo() -> nn.Module:
    parts = mobilenet_blocks()
    up = nn.ConvTranspose2d(1024, 512, 4, 2, 1, groups=512, bias=False)
    heads = (nn.Conv2d(1024, 125, 1), nn.Conv2d(1024, 125, 1))
    return MobileYolo(parts[:12], [*parts[12:], separable(1024, 1024)], up, separable(512, 1024), heads)


def mobilenet_yolov3() -> nn.Module:
    parts = mobilenet_blocks()
    heads = (nn.Conv2d(1024, 75, 1), nn.Conv2d(1024, 75, 1))
    deep = [*parts[12:], separable(1024, 1024)]
    return MobileYolo(parts[:12], deep, enlarge(1024, 512), separable(512, 1024), heads, separable(512, 512))


def mobilenetv2_yolov3() -> nn.Module:
    """The sum is with the widest map before the last stride, within a block."""
    parts = inverted_blocks(MOBILENET_V2, nn.ReLU6)
    opened = parts[14]
    assert isinstance(opened, Inverted)
    body = [*parts[:14], opened.parts[0]]
    deep = [*list(opened.parts)[1:], *parts[15:], conv(320, 1280, act=nn.ReLU6()), separable(1280, 576)]
    heads = (nn.Conv2d(576, 75, 1), nn.Conv2d(576, 75, 1))
    return MobileYolo(body, deep, enlarge(576, 576), separable(576, 576), heads, separable(576, 576))


DETECTORS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "blazeface": (blazeface, 128),
    "mobilenet_ssd": (mobilenet_ssd, 300),
    "squeezenet_ssd": (squeezenet_ssd, 300),
    "mobilenet_yolo": (mobilenet_yolo, 416),
    "mobilenet_yolov3": (mobilenet_yolov3, 416),
    "mobilenetv2_yolov3": (mobilenetv2_yolov3, 352),
    "yolov4_tiny": (YoloV4Tiny, 416),
    "yolo_fastest_1.1": (YoloFastest, 320),
    "nanodet_m": (NanoDet, 320),
    "yolo_fastestv2": (FastestV2, 352),
    "FastestDet": (FastestDet, 352),
}
"""Name in the layer table -> how it is made, and the side of its picture."""
