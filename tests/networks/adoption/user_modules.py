"""Models as users write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Option A as the usual code has it: every second position, zero channels on both sides."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.stride, self.missing = stride, filters - channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.missing:
            x = functional.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.missing // 2, self.missing // 2)
            )
        return torch.relu(y + x)


class OptionA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(BasicBlock(8, 8, 1))
        self.layer2 = nn.Sequential(BasicBlock(8, 16, 2), BasicBlock(16, 16, 1))
        self.layer3 = nn.Sequential(BasicBlock(16, 32, 2))
        self.linear = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(functional.avg_pool2d(x, x.shape[3]).flatten(1))  # type: ignore[no-any-return]


class Plain(nn.Module):
    """VGG: convolutions with biases, pools, a hidden layer behind a flattened map."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(12 * 4, 20), nn.ReLU(inplace=True), nn.Linear(20, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))  # type: ignore[no-any-return]


class Fire(nn.Module):
    """Two branches put together, as in SqueezeNet, a depthwise convolution, a gate per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(3, 6, 1)
        self.left, self.right = nn.Conv2d(6, 8, 1), nn.Conv2d(6, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.down, self.up = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.grouped = nn.Conv2d(16, 12, 3, padding=1, groups=2)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        x = torch.cat([torch.relu(self.left(x)), torch.relu(self.right(x))], 1)
        x = functional.hardswish(self.norm(self.depthwise(x)))
        x = x * torch.sigmoid(self.up(torch.relu(self.down(functional.adaptive_avg_pool2d(x, 1)))))
        return self.head(self.grouped(x).mean((2, 3)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """A block of ResNeXt: the middle convolution in four groups."""

    def __init__(self, channels: int, inner: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=4, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, filters, 1, bias=False), nn.BatchNorm2d(filters)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(y)))))
        return torch.relu(y + self.shortcut(x))


class ResNeXt(nn.Module):
    """Three blocks, and a convolution in two groups that reads the residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = Bottleneck(16, 16, 24, 1)
        self.layer2 = nn.Sequential(Bottleneck(24, 16, 32, 2), Bottleneck(32, 24, 32, 1))
        self.mixed = nn.Conv2d(32, 20, 3, padding=1, groups=2)
        self.head = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(torch.relu(self.norm(self.stem(x)))))
        return self.head(torch.relu(self.mixed(x)).mean((2, 3)))  # type: ignore[no-any-return]


class Upsampling(nn.Module):
    """Padded positions, a transposed convolution, nearest neighbours, a map as output."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.up = nn.ConvTranspose2d(8, 6, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.first(functional.pad(x, (1, 1, 1, 1))))
        x = functional.relu6(self.norm(self.up(functional.pad(x, (2, 2, 2, 2)))))
        return self.last(functional.interpolate(x, scale_factor=2))  # type: ignore[no-any-return]


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        mixed = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(mixed.mean(1))  # type: ignore[no-any-return]


class Reflecting(nn.Module):
    """Pads with what no network here pads with."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(torch.relu(self.first(x)), (1, 1, 1, 1), mode="constant", value=0.7)
        return self.head(self.second(x).mean((2, 3)))  # type: ignore[no-any-return]


def trained(module: nn.Module, seed: int = 0) -> nn.Module:
    """Norms that are not those of a new module."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
                nn.init.normal_(part.bias, 0, 0.3, generator=generator)
            nn.init.normal_(part.running_mean, 0, 0.3, generator=generator)
            nn.init.uniform_(part.running_var, 0.5, 2, generator=generator)
            part.eps = 1e-3
    return module.eval()


class PreActivation(nn.Module):
    """Norm and ReLU in front of each convolution; one norm without scale and shift."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1, self.conv1 = nn.BatchNorm2d(8, affine=False), nn.Conv2d(8, 10, 3, padding=1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(10), nn.Conv2d(10, 8, 3, padding=1, bias=False)
        self.bn3, self.head = nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.conv1(torch.relu(self.bn1(x)))
        x = x + self.conv2(torch.relu(self.bn2(y)))
        return self.head(torch.relu(self.bn3(x)).mean((2, 3)))  # type: ignore[no-any-return]


class Dense(nn.Module):
    """Every layer reads all before it, through a norm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in (8, 12))
        self.convs = nn.ModuleList(nn.Conv2d(channels, 4, 3, padding=1, bias=False) for channels in (8, 12))
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat([x, conv(torch.relu(norm(x)))], 1)
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]
