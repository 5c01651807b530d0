"""Users' models are rebuilt with their weights, compute the same, and are cut; what cannot be rebuilt is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto
from torch import nn

from networks.adoption.module_source import adopt_module
from networks.adoption.onnx_source import adopt_onnx
from networks.errors import NotAdopted
from networks.export.onnx_model import export_onnx
from networks.pad import Pad
from networks.pruning.surgery import cut
from networks.runtime.session import logits, open_session
from tests.networks.adoption.user_modules import (
    Attending,
    Dense,
    Fire,
    OptionA,
    Plain,
    PreActivation,
    Reflecting,
    ResNeXt,
    Upsampling,
    trained,
)
from tests.networks.pruning.masking import masked, random_selection
from tests.networks.tracing.exports import exported
from tests.networks.tracing.small_models import content, floats, node, small_network

MODULES = {
    "option A": (OptionA, (3, 16, 16)),
    "plain": (Plain, (3, 8, 8)),
    "concatenated": (Fire, (3, 8, 8)),
    "upsampled": (Upsampling, (3, 8, 8)),
    "in groups": (ResNeXt, (3, 8, 8)),
    "norms in front": (PreActivation, (3, 8, 8)),
    "dense": (Dense, (3, 8, 8)),
}
each = pytest.mark.parametrize(("kind", "shape"), MODULES.values(), ids=MODULES)


@each
def test_a_module_is_rebuilt_cut_and_exported(kind: type[nn.Module], shape: tuple[int, int, int]) -> None:
    module, images = trained(kind()), torch.randn(3, *shape)
    found = adopt_module(module, shape)
    with torch.no_grad():
        assert torch.allclose(found.network(images), module(images), atol=1e-4)
        selection = random_selection(found.network, 1)
        small, smaller = cut(found.network, found.design, selection)
        wanted = masked(found.network, selection)(images)
        assert smaller.digest != found.design.digest
        assert float((small(images) - wanted).abs().max() / wanted.abs().max()) < 1e-4
    session = open_session(export_onnx(small).content)
    assert np.allclose(logits(session, images.numpy()), small(images).detach().numpy(), atol=1e-4)


class Twice(nn.Module):
    """One convolution at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.head = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.body(torch.relu(self.body(self.stem(x)))))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def test_layers_that_share_their_weights_are_named() -> None:
    ((first, second),) = adopt_module(Twice().eval(), (3, 8, 8)).shared
    assert first != second
    assert adopt_module(trained(Plain()), (3, 8, 8)).shared == ()
    nodes = [
        node("Flatten", "x", "f"),
        node("MatMul", "f w", "a"),
        node("Relu", "a", "ar"),
        node("Transpose", "w", "wt", perm=[1, 0]),
        node("MatMul", "ar wt", "b"),
        node("MatMul", "b head"),
    ]
    found = adopt_onnx(content(nodes, {"w": floats(192, 6), "head": floats(192, 4)}))
    assert found.shared == (("matmul_a", "matmul_b"),), "a view of a tensor is that tensor"


def test_zero_channels_stand_on_both_sides() -> None:
    found = adopt_module(trained(OptionA()), (3, 16, 16))
    pads = [unit.operation for unit in found.network.units() if isinstance(unit.operation, Pad)]
    assert [pad.stride for pad in pads] == [2, 2]
    assert pads[0].channel_sources == (-1,) * 4 + tuple(range(8)) + (-1,) * 4


@each
def test_an_onnx_file_is_rebuilt(kind: type[nn.Module], shape: tuple[int, int, int]) -> None:
    """A model that was exported here is read back as a user's, and is exported again."""
    first = adopt_module(trained(kind()), shape)
    again = adopt_onnx(export_onnx(first.network).content)
    images = torch.randn(2, *shape)
    with torch.no_grad():
        assert torch.allclose(again.network(images), first.network(images), atol=1e-4)
    assert again.error < 1e-4


def test_elementary_nodes_of_an_onnx_file() -> None:
    """Products with constants, biases and factors in nodes of their own, Gemm with factors, a norm by itself."""
    norm = {"scale": floats(4), "shift": floats(4), "mean": floats(4), "variance": np.abs(floats(4)) + 0.5}
    found = adopt_onnx(
        content(
            [
                node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
                node("Mul", "c half", "h"),
                node("Sub", "h b", "s"),
                node("BatchNormalization", "s scale shift mean variance", "n", epsilon=0.01),
                node("Relu", "n", "r"),
                node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
                node("BatchNormalization", "p scale shift mean variance", "q"),
                node("Flatten", "q", "f"),
                node("Gemm", "f u v", "g", alpha=0.5, beta=2.0),
                node("MatMul", "g t", "m"),
                node("Add", "bias m", "y"),
            ],
            norm
            | {"w": floats(4, 3, 3, 3), "half": np.float32(0.5), "b": floats(4, 1, 1)}
            | {"u": floats(64, 6), "v": floats(6), "t": floats(6, 5), "bias": floats(5)},
        )
    )
    assert found.error < 1e-4
    assert adopt_onnx(small_network()).error < 1e-4


@pytest.mark.parametrize(
    ("kind", "shape", "says"),
    [(Attending, (3, 8, 8), "attention"), (Reflecting, (3, 8, 8), "'pad'.*must compute what the model computes")],
)
def test_what_cannot_be_rebuilt_is_named(kind: type[nn.Module], shape: tuple[int, int, int], says: str) -> None:
    with pytest.raises(NotAdopted, match=says) as error:
        adopt_module(trained(kind()), shape)
    assert error.value.layer


class Ended(nn.Module):
    """A classifier with functions behind its convolution and its logits."""

    def __init__(self, middle: nn.Module, end: nn.Module) -> None:
        super().__init__()
        self.first, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5)
        self.middle, self.end = middle, end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.middle(self.norm(self.first(x))).mean((2, 3))
        return self.end(self.head(x))  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize(
    ("middle", "end", "says"),
    [
        (nn.ReLU(), nn.LogSoftmax(1), r"got LogSoftmax \(node .*Return the logits: log_softmax behind the classifier"),
        (nn.LeakyReLU(0.1), nn.Softmax(1), r"activation of layer '.*' must be one of relu, .*got LeakyRelu \(node "),
        (nn.ReLU(), nn.Tanh(), r"activation of layer '.*' must be one of relu, .*got Tanh \(node "),
        (nn.Hardtanh(), nn.Softmax(1), r"activation of layer '.*' must be one of relu, .*got Clip \(node "),
    ],
)
def test_functions_that_are_not_rebuilt_are_named(
    middle: nn.Module, end: nn.Module, says: str, *, as_file: bool
) -> None:
    module = trained(Ended(middle, end))
    file = exported(module, side=8, dynamo=False) if as_file else None
    with pytest.raises(NotAdopted, match=says) as error:
        _ = adopt_module(module, (3, 8, 8)) if file is None else adopt_onnx(file)
    assert error.value.layer
    assert "padding, resizing" not in str(error.value)


def test_models_that_compute_in_16_bits_are_refused_by_what_they_are() -> None:
    """Their own rounding is larger than the tolerance, and no fault of a layer."""
    nodes = [node("Conv", "x u", "a"), node("Relu", "a", "b"), node("Conv", "b v", "c"), node("Conv", "c w")]
    weights = {"u": (8, 3, 3, 3), "v": (8, 8, 3, 3), "w": (4, 8, 3, 3)}
    halves = {name: floats(*shape, kind=np.float16) for name, shape in weights.items()}
    with pytest.raises(NotAdopted, match=r"must compute in float32.*in float16.*Export it in float32"):
        adopt_onnx(content(nodes, halves, kind=TensorProto.FLOAT16))
    with pytest.raises(NotAdopted, match=r"in bfloat16.*module.float\(\)"):
        adopt_module(trained(Plain()).bfloat16(), (3, 8, 8))
    stored = [node("Cast", f"{name}16", name, to=TensorProto.FLOAT) for name in weights]
    kept = {f"{name}16": values for name, values in halves.items()}
    assert adopt_onnx(content([*stored, *nodes], kept)).error < 1e-4  # 16 bits in the file alone


class Summed(nn.Module):
    """A sum with a product, which is one operator of PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Conv2d(3, 8, 3) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(*(one(x) for one in self.maps))


def test_an_operator_that_is_read_as_several_is_compared_by_what_it_computes() -> None:
    assert adopt_module(trained(Summed()), (3, 8, 8)).error < 1e-4


def test_quantized_weights_and_weights_that_are_not_there_are_refused() -> None:
    model = content(
        [
            node("DequantizeLinear", "w scale zero", "d"),
            node("Conv", "x d", "c"),
            node("GlobalAveragePool", "c", "y"),
        ],
        {"w": np.ones((4, 3, 1, 1), np.int8), "scale": np.float32(0.1), "zero": np.int8(0)},
    )
    with pytest.raises(NotAdopted, match="float model"):
        adopt_onnx(model)
    with torch.device("meta"):
        module = Plain()
    with pytest.raises(NotAdopted, match="meta"):
        adopt_module(module, (3, 8, 8))
