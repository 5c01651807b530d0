"""Networks of the literature as PyTorch modules, written as users write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv(
    read: int, wrote: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, act: nn.Module | None = None
) -> nn.Sequential:
    parts: list[nn.Module] = [
        nn.Conv2d(read, wrote, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(wrote),
    ]
    return nn.Sequential(*parts, *([act] if act is not None else []))


class Residual(nn.Module):
    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + self.shortcut(x))


def resnet(blocks: Sequence[int], *, bottleneck: bool) -> nn.Module:
    """ResNet; the bottleneck has its stride in the first 1x1 convolution, and every stage begins with a projection."""
    relu = nn.ReLU
    layers: list[nn.Module] = [conv(3, 64, 7, 2, act=relu(inplace=True)), nn.MaxPool2d(3, 2, 1)]
    read = 64
    for stage, count in enumerate(blocks):
        width = 64 << stage
        wrote = 4 * width if bottleneck else width
        for block in range(count):
            stride = 2 if stage and not block else 1
            if bottleneck:
                parts = [
                    conv(read, width, 1, stride, act=relu()),
                    conv(width, width, 3, act=relu()),
                    conv(width, wrote),
                ]
            else:
                parts = [conv(read, width, 3, stride, act=relu()), conv(width, width, 3)]
            same = block > 0
            layers.append(Residual(nn.Sequential(*parts), nn.Identity() if same else conv(read, wrote, 1, stride)))
            read = wrote
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(read, 1000))


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    read = 3
    for wrote, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(read, wrote, 3, padding=1), nn.ReLU(inplace=True)]
            read = wrote
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Softmax(1))


class Fire(nn.Module):
    def __init__(self, read: int, squeezed: int, wrote: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(read, squeezed, 1)
        self.small, self.large = nn.Conv2d(squeezed, wrote, 1), nn.Conv2d(squeezed, wrote, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.small(x)), functional.relu(self.large(x))], 1)


def squeezenet() -> nn.Module:
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    fires = [Fire(64, 16, 64), Fire(128, 16, 64), pool, Fire(128, 32, 128), Fire(256, 32, 128), pool]
    fires += [Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]
    stem = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool]
    head = [
        nn.Dropout(),
        nn.Conv2d(512, 1000, 1, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Softmax(1),
    ]
    return nn.Sequential(*stem, *fires, *head)


class Squeeze(nn.Module):
    """Squeeze and excite."""

    def __init__(
        self, channels: int, inner: int, act: type[nn.Module] = nn.SiLU, gate: type[nn.Module] = nn.Sigmoid
    ) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)
        self.act, self.gate = act(), gate()

    def forward(self, x: Tensor) -> Tensor:
        gate = functional.adaptive_avg_pool2d(x, 1)
        gated: Tensor = x * self.gate(self.up(self.act(self.down(gate))))
        return gated


class Inverted(nn.Module):
    """Inverted residual block."""

    def __init__(self, parts: Sequence[nn.Module], *, adds: bool) -> None:
        super().__init__()
        self.parts, self.adds = nn.Sequential(*parts), adds

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.parts(x)
        return x + y if self.adds else y


Stage = tuple[int, int, int, int, int]
"""Expansion, filters, blocks, stride, kernel."""


def inverted_blocks(
    stages: Sequence[Stage], act: Callable[[], nn.Module], *, squeeze: bool = False, expands: bool = False
) -> list[nn.Module]:
    """The stem and the blocks of MobileNetV2 and of what followed it."""
    layers: list[nn.Module] = [conv(3, 32, 3, 2, act=act())]
    read = 32
    for expansion, wrote, count, first, kernel in stages:
        for block in range(count):
            stride = 1 if block else first
            wide = expansion * read
            parts = [conv(read, wide, act=act())] if expansion > 1 or expands else []
            parts.append(conv(wide, wide, kernel, stride, wide, act=act()))
            gate = [Squeeze(wide, read // 4)] if squeeze else []
            layers.append(Inverted([*parts, *gate, conv(wide, wrote)], adds=stride == 1 and read == wrote))
            read = wrote
    return layers


def inverted(
    stages: Sequence[Stage], act: Callable[[], nn.Module], *, squeeze: bool = False, expands: bool = False
) -> nn.Module:
    """MobileNetV2 and what followed it."""
    head = [conv(stages[-1][1], 1280, act=act()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*inverted_blocks(stages, act, squeeze=squeeze, expands=expands), *head)


MOBILENET_V2 = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3)),
    *((6, 160, 3, 2, 3), (6, 320, 1, 1, 3)),
)
EFFICIENTNET_B0 = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5)),
    *((6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
)
MNASNET = (
    *((1, 16, 1, 1, 3), (3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3)),
    *((6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
)


class Shuffle(nn.Module):
    """ShuffleNetV2 unit."""

    def __init__(self, read: int, wrote: int, stride: int, act: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__()
        half = wrote // 2
        own = read if stride > 1 else half
        self.right = nn.Sequential(
            conv(own, half, act=act()), conv(half, half, 3, stride, half), conv(half, half, act=act())
        )
        self.left = nn.Sequential(conv(read, read, 3, 2, read), conv(read, half, act=act())) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        left, right = (self.left(x), x) if self.left is not None else x.chunk(2, 1)
        joined = torch.cat([left, self.right(right)], 1)
        batch, channels, height, width = joined.shape
        return joined.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(joined.shape)


def shuffle_stages(widths: Sequence[int], act: Callable[[], nn.Module] = nn.ReLU) -> list[nn.Sequential]:
    """The three stages of a ShuffleNetV2, the stem before the first."""
    stem: list[nn.Module] = [conv(3, 24, 3, 2, act=act()), nn.MaxPool2d(3, 2, 1)]
    stages = []
    read = 24
    for wrote, count in zip(widths, (4, 8, 4), strict=True):
        units = [Shuffle(wrote if block else read, wrote, 1 if block else 2, act) for block in range(count)]
        stages.append(nn.Sequential(*stem, *units))
        read, stem = wrote, []
    return stages


def shufflenet_v2() -> nn.Module:
    head = [conv(464, 1024, act=nn.ReLU()), nn.AvgPool2d(7), nn.Flatten(), nn.Linear(1024, 1000)]
    return nn.Sequential(*shuffle_stages((116, 232, 464)), *head)


class Encoder(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.before, self.behind = nn.LayerNorm(features), nn.LayerNorm(features)
        self.attention = nn.MultiheadAttention(features, features // 64, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(features, 4 * features), nn.GELU(), nn.Linear(4 * features, features))

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        inner: Tensor = self.mlp(self.behind(x))
        return x + inner


class VisionTransformer(nn.Module):
    """ViT with a class token and learned positions."""

    def __init__(self, side: int = 384, patch: int = 32, features: int = 768, depth: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, features, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, features))
        self.positions = nn.Parameter(torch.zeros(1, (side // patch) ** 2 + 1, features))
        self.blocks = nn.Sequential(*(Encoder(features) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(features), nn.Linear(features, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        logits: Tensor = self.head(self.norm(self.blocks(x))[:, 0])
        return logits


def separable(read: int, wrote: int, stride: int = 1) -> nn.Sequential:
    """A depthwise and a 1x1 convolution."""
    return nn.Sequential(conv(read, read, 3, stride, read, act=nn.ReLU()), conv(read, wrote, act=nn.ReLU()))


def mobilenet_blocks() -> list[nn.Module]:
    """The stem and the thirteen blocks of MobileNet."""
    layers: list[nn.Module] = [conv(3, 32, 3, 2, act=nn.ReLU())]
    read = 32
    widths = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    for wrote, stride in widths:
        layers.append(separable(read, wrote, stride))
        read = wrote
    return layers


def mobilenet() -> nn.Module:
    head = [nn.AdaptiveAvgPool2d(1), nn.Conv2d(1024, 1000, 1), nn.Flatten(), nn.Softmax(1)]
    return nn.Sequential(*mobilenet_blocks(), *head)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (lambda: resnet((2, 2, 2, 2), bottleneck=False), 224),
    "resnet50": (lambda: resnet((3, 4, 6, 3), bottleneck=True), 224),
    "vgg16": (vgg16, 224),
    "squeezenet": (squeezenet, 227),
    "mobilenet": (mobilenet, 224),
    "mobilenet_v2": (lambda: inverted(MOBILENET_V2, nn.ReLU6, expands=True), 224),
    "mnasnet": (lambda: inverted(MNASNET, nn.ReLU), 224),
    "efficientnet_b0": (lambda: inverted(EFFICIENTNET_B0, nn.SiLU, squeeze=True), 224),
    "shufflenet_v2": (shufflenet_v2, 224),
    "vision_transformer": (VisionTransformer, 384),
}
"""Name in the layer table -> how it is made, and the side of its picture."""
