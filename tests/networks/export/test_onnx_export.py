"""Exported networks compute what their modules compute, layer by layer, whatever the bits, orders and operations."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from design.architecture import INPUT, Architecture
from design.channels import channel_groups
from design.design import Design
from design.layer import Activation, Layer, Op, Role
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import full_precision, policy_by_role
from design.precision import BINARY, FULL, Precision, precision
from design.pruning import PruningPlan
from design.spaces.registry import SPACES
from design.task import find_task
from design.zoo import find_network
from networks.build import build
from networks.errors import InvalidArtefact, UnsupportedLayer
from networks.export.calibration import calibrate
from networks.export.exported import Exported, Form
from networks.export.graph import IR_VERSION, OPSET
from networks.export.onnx_model import export_onnx
from networks.options import DEFAULT, BuildOptions, Order
from networks.packing import pack
from networks.quantizers.options import Half, QuantizerOptions, UniformQuantizer
from networks.runtime.integer_nodes import integer_nodes
from networks.runtime.session import logits, open_session
from networks.runtime.verify import Agreement, verify
from tests.networks.export.worn import pictures, weight_of, worn

DIGITS, CIFAR = find_task("digits"), find_task("cifar10")
FORMS = pytest.mark.parametrize("form", Form)


def _exported(design: Design, form: Form, options: BuildOptions = DEFAULT) -> tuple[Exported, Agreement]:
    """Exported, read again, checked by ONNX and compared."""
    network, images = worn(design, options), pictures(design)
    exported = Exported.of(export_onnx(network, form=form, ranges=calibrate(network, [images])).content)
    onnx.checker.check_model(exported.model, full_check=True)
    return exported, verify(exported, network, [images])


def _resnet(body: Precision, edge: Precision = FULL, **more: object) -> Design:
    architecture = find_network("resnet20").design(DIGITS).architecture
    policy = policy_by_role(architecture, body=body, edge=edge, **more)  # type: ignore[arg-type]
    return Design(architecture=architecture, policy=policy)


@FORMS
@pytest.mark.parametrize("name", SPACES)
def test_random_members_of_every_space_agree_layer_by_layer(name: str, form: Form) -> None:
    space, task = SPACES[name], DIGITS if name != "nasbench201" else CIFAR
    for values in space.sample(task, 2 if task is DIGITS else 1, np.random.default_rng(7)):
        exported, agreement = _exported(space.decode(task, values), form)
        assert agreement.layer_error < 5e-6
        assert integer_nodes(exported).stayed_float == ()


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
def test_logits_are_those_of_the_module(bits: int) -> None:
    """But for pictures with a value on a threshold, which full precision has none of and halves have many of."""
    network = worn(_resnet(precision(bits), precision(max(8, bits))))  # type: ignore[arg-type]
    images = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        wanted = network(images).numpy()
    found = logits(open_session(export_onnx(network).content), images.numpy())
    errors = np.abs(found - wanted).max(1) / np.abs(wanted).max(1)
    assert np.quantile(errors, 1.0 if bits == 32 else 0.5) < (1e-3 if bits == 16 else 1e-5)


@pytest.mark.parametrize("each", [True, False], ids=["each", "block"])
def test_binary_residual_networks_agree_with_both_kinds_of_shortcuts(each: bool) -> None:
    design = _resnet(BINARY)
    exported, agreement = _exported(design, Form.EXACT, BuildOptions(shortcut_every_convolution=each))
    sums = sum(node.op_type == "Add" and "filters" not in node.name for node in exported.model.graph.node)
    assert sums == (18 if each else 9)
    assert agreement.layer_error < 1e-6


@FORMS
@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(order=Order.NORM_FIRST),
        BuildOptions(quantizers=QuantizerOptions(learned_shift=True, half=Half.BFLOAT16)),
        BuildOptions(quantizers=QuantizerOptions(uniform=UniformQuantizer.UNIFORM)),
        BuildOptions(quantizers=QuantizerOptions(uniform=UniformQuantizer.UNIFORM_UNCLIPPED)),
    ],
    ids=["norm_first", "shift", "uniform", "unclipped"],
)
def test_every_order_and_quantizer_agrees(options: BuildOptions, form: Form) -> None:
    mixed = {
        "stage1.block2.conv1": precision(8),
        "stage2.block1.conv1": precision(2),
        "stage2.block1.conv2": precision(4),
        "stage3.block3.conv1": precision(16),
        "stage3.block3.conv2": precision(1, 8),
    }
    _exported(_resnet(BINARY, precision(8), overrides=mixed, residual_bits=8), form, options)


@pytest.mark.parametrize("residual_bits", [8, 32])
@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2"])
def test_every_layer_of_int8_networks_runs_on_whole_numbers(name: str, residual_bits: int) -> None:
    architecture = find_network(name).design(CIFAR).architecture
    policy = policy_by_role(architecture, body=precision(8), edge=precision(8), residual_bits=residual_bits)  # type: ignore[arg-type]
    exported, agreement = _exported(Design(architecture=architecture, policy=policy), Form.INTEGER)
    found = integer_nodes(exported)
    assert found.stayed_float == found.floats == ()
    assert found.integer == tuple(layer.name for layer in architecture.weighted)
    assert set(found.nodes) == {"QGemm", "QLinearConv"}
    assert agreement.logits_error < 0.2


def test_float_layers_between_integer_layers_stay_as_they_are() -> None:
    """Onnxruntime would round their weights to 8 bits where they read and write levels."""
    architecture = find_network("vgg_small").design(DIGITS).architecture
    names = [layer.name for layer in architecture.weighted]
    policy = policy_by_role(architecture, body=precision(8), edge=precision(8), overrides={names[2]: FULL})
    exported, agreement = _exported(Design(architecture=architecture, policy=policy), Form.INTEGER)
    assert integer_nodes(exported).floats == (names[2],)
    assert agreement.layer_error < 1e-6


@FORMS
def test_pruned_networks_agree(form: Form) -> None:
    architecture = find_network("resnet20").design(DIGITS).architecture
    kept = {layer.name: layer.out_channels - 3 for layer in architecture.weighted if layer.name.endswith("conv1")}
    policy = policy_by_role(architecture, body=BINARY, overrides={"stage2.block2.conv2": precision(4)})
    design = Design(architecture=architecture, policy=policy, plan=PruningPlan(kept=kept))
    assert channel_groups(architecture.layers, 1)
    assert design.pruned != architecture
    _exported(design, form)


def _layer(op: Op, shape: tuple[int, int, int], out: tuple[int, int, int], **more: object) -> Layer:
    sizes = dict(zip(("in_channels", "in_height", "in_width"), shape, strict=True))
    sizes |= dict(zip(("out_channels", "out_height", "out_width"), out, strict=True))
    return Layer.model_validate({"name": "layer", "op": op, "inputs": (INPUT,), **sizes, **more})


@pytest.mark.parametrize(
    "layer",
    [
        _layer(Op.DECONV, (4, 5, 5), (3, 10, 10), kernel_height=4, kernel_width=4, stride=2, padding=1),
        _layer(Op.DECONV, (4, 5, 5), (4, 10, 10), kernel_height=3, kernel_width=3, stride=2, padding=1, groups=2),
        _layer(Op.ATTENTION, (8, 4, 4), (8, 4, 4), heads=2, bias=True),
        _layer(Op.FC, (8, 4, 4), (5, 4, 4), bias=True),
        _layer(Op.RESIZE, (2, 3, 5), (2, 7, 8)),
        _layer(Op.PAD, (2, 4, 4), (5, 4, 4), stride=2, padding=1),
        _layer(Op.SOFTMAX, (7, 1, 1), (7, 1, 1)),
        _layer(Op.OTHER, (6, 4, 4), (6, 4, 4), groups=3),
        _layer(Op.POOL_MAX, (2, 5, 5), (2, 3, 3), kernel_height=2, kernel_width=2, stride=2, padding=0),
        _layer(Op.POOL_AVERAGE, (2, 6, 6), (2, 3, 3), kernel_height=3, kernel_width=3, stride=2, padding=1),
        _layer(Op.CONV, (4, 9, 9), (6, 9, 9), kernel_height=1, kernel_width=7, groups=2, bias=True, batch_norm=True),
        _layer(Op.CONV, (4, 9, 9), (6, 9, 9), kernel_height=3, kernel_width=3, dilation=2),
        *(_layer(Op.ACTIVATION, (4, 9, 9), (4, 9, 9), activation=kind) for kind in Activation if kind != "other"),
        _layer(Op.NORM, (4, 9, 9), (4, 9, 9)),
        _layer(Op.FLATTEN, (4, 3, 2), (24, 1, 1)),
    ],
    ids=lambda layer: f"{layer.op.value}-{layer.activation.value}-{layer.groups}",
)
def test_operations_of_users_models_agree(layer: Layer) -> None:
    architecture = Architecture(name="net", input_shape=layer.in_shape, layers=(layer,))
    for own in (FULL, precision(8)):
        policy = policy_by_role(architecture, body=own)
        _exported(Design(architecture=architecture, policy=policy), Form.EXACT)


def test_signs_of_both_zeros_are_those_of_the_module() -> None:
    """The module takes the sign bit: +1 for 0 and -1 for -0."""
    layers = (
        conv("first", INPUT, (1, 1, 6), 1, kernel=1, role=Role.STEM, batch_norm=False),
        conv("binary", "first", (1, 1, 6), 1, kernel=1, batch_norm=False),
    )
    architecture = Architecture(name="zeros", input_shape=(1, 1, 6), layers=layers)
    policy = policy_by_role(architecture, body=BINARY, edge=FULL)
    network = build(Design(architecture=architecture, policy=policy)).eval()
    with torch.no_grad():
        weight_of(network, "first").fill_(1)
        weight_of(network, "binary").fill_(1)
    x = torch.tensor([0.0, -0.0, 1e-38, -1e-38, 3e38, -3e38]).reshape(1, 1, 1, 6)
    exported = export_onnx(network)
    reader = Exported.of(exported.content)
    assert verify(reader, network, [x]).logits_error == 0
    with torch.no_grad():
        signs = network(x).flatten()
    assert torch.equal(signs[2:], torch.tensor([1.0, -1.0, 1.0, -1.0]))


def test_the_file_is_as_small_as_its_bits() -> None:
    architecture = find_network("vgg_small").design(CIFAR).architecture
    design = Design(architecture=architecture, policy=policy_by_role(architecture, body=BINARY, edge=precision(8)))
    network = worn(design)
    size = len(export_onnx(network).content)
    assert size < 1.1 * len(pack(network, design))


def test_the_file_says_what_it_is_and_is_the_same_each_time() -> None:
    network = worn(_resnet(precision(4), precision(8)))
    exported = export_onnx(network, metadata={"design": "abc"})
    model = exported.model
    assert (model.opset_import[0].version, model.ir_version) == (OPSET, IR_VERSION)
    assert {entry.key: entry.value for entry in model.metadata_props}["design"] == "abc"
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    names = {node.name for node in model.graph.node}
    assert {layer.name for layer in network.architecture.layers} <= names
    values = {value for node in model.graph.node for value in node.output}
    assert {layer.name for layer in network.architecture.layers} <= values
    assert exported.content == export_onnx(network, metadata={"design": "abc"}).content
    assert not any(node.op_type == "BatchNormalization" for node in export_onnx(worn(_resnet(FULL))).model.graph.node)


def test_a_layer_may_be_called_logits_and_a_name_must_be_unique() -> None:
    def named(*names: str) -> Design:
        layers = (
            conv(names[0], INPUT, (1, 4, 4), 2, role=Role.STEM),
            elementwise(names[1], (names[0],), (2, 4, 4), op=Op.ACTIVATION),
            global_pool("pool", names[1], (2, 4, 4)),
            fully_connected("logits", "pool", 2, 3, role=Role.CLASSIFIER),
        )
        architecture = Architecture(name="named", input_shape=(1, 4, 4), layers=layers)
        return Design(architecture=architecture, policy=full_precision(architecture))

    _exported(named("a", "b"), Form.EXACT)
    with pytest.raises(UnsupportedLayer, match=r"must be unique.*'a/filters/weight'"):
        _exported(named("a", "a/filters/weight"), Form.EXACT)


def test_steps_that_have_not_started_and_ranges_that_are_missing_are_named() -> None:
    design = _resnet(precision(8), precision(8))
    with pytest.raises(InvalidArtefact, match=r"must have started.*stem"):
        export_onnx(build(design).eval())
    with pytest.raises(InvalidArtefact, match=r"known range.*'stem\.conv'"):
        export_onnx(worn(design), form=Form.INTEGER)
