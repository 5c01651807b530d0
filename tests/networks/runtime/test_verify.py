"""Disagreement is found and named, whatever was damaged; files that are none are refused."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from design.design import Design
from design.policies import policy_by_role
from design.precision import BINARY, precision
from design.task import find_task
from design.zoo import find_network
from networks.errors import InvalidArtefact
from networks.export.calibration import calibrate
from networks.export.exported import Exported, Form
from networks.export.onnx_model import export_onnx
from networks.network import Network
from networks.runtime.errors import ExportDisagrees
from networks.runtime.integer_nodes import integer_nodes
from networks.runtime.layer_check import LayerCheck
from networks.runtime.session import open_session
from networks.runtime.verify import VerifyOptions, _Accuracies, verify
from tests.networks.export.worn import weight_of, worn

BROKEN = "stage2.block2.conv1"


def _network() -> Network:
    architecture = find_network("resnet20").design(find_task("digits")).architecture
    mixed = {"stage3.block1.conv1": BINARY, "stage3.block2.conv2": precision(4)}
    policy = policy_by_role(architecture, body=precision(8), edge=precision(8), overrides=mixed)
    return worn(Design(architecture=architecture, policy=policy))


NETWORK = _network()
IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(2))


def _exported(form: Form) -> Exported:
    return export_onnx(NETWORK, form=form, ranges=calibrate(NETWORK, [IMAGES]))


def _damaged(exported: Exported, name: str, place: int = 0) -> Exported:
    """One value of a constant changed."""
    model = onnx.ModelProto()
    model.CopyFrom(exported.model)
    constant = next(one for one in model.graph.initializer if one.name == name)
    values = numpy_helper.to_array(constant).copy()
    value = values.flat[place]
    values.flat[place] = -value - 40 if values.dtype == np.float32 else (127 if value < 0 else -127)
    constant.CopyFrom(numpy_helper.from_array(values, name))
    return Exported(model=model, kernels=exported.kernels)


@pytest.mark.parametrize("form", Form)
def test_one_wrong_weight_names_its_layer(form: Form) -> None:
    exported = _exported(form)
    place = int(weight_of(NETWORK, BROKEN)[0].numel() * 3 + 4)
    with pytest.raises(ExportDisagrees, match=rf"layer '{BROKEN}' \(conv\)") as caught:
        verify(_damaged(exported, f"{BROKEN}/filters/weight8", place), NETWORK, [IMAGES])
    assert caught.value.layer == BROKEN
    assert caught.value.members()["shape"] == [32, 4, 4]
    assert caught.value.error > caught.value.tolerance


def test_sums_of_the_largest_products_are_not_cut() -> None:
    """Weights and inputs of the first layer at the end of their levels: 16 bits cannot hold the sum of two products."""
    network = _network()
    with torch.no_grad():
        weight_of(network, "stem.conv").fill_(1e3)
    images = torch.full((2, 1, 8, 8), 1e3)
    exported = export_onnx(network, form=Form.INTEGER, ranges=calibrate(network, [images]))
    first = LayerCheck(exported=exported, network=network).errors(images)[0]
    assert (first.layer, first.error < 1e-5) == ("stem.conv", True), first.error
    assert "stem.conv" in integer_nodes(exported).integer


def test_a_wrong_level_of_activations_names_its_layer() -> None:
    wrong = _damaged(_exported(Form.EXACT), "stage1.block2.conv2/read/step")
    with pytest.raises(ExportDisagrees, match=r"stage1\.block2\.conv2"):
        verify(wrong, NETWORK, [IMAGES])


def test_a_shared_mistake_of_the_file_shows_on_pictures_of_later_batches_too() -> None:
    """The first batch is all zeros, which hides a weight."""
    broken = _damaged(_exported(Form.EXACT), "stem.conv/filters/weight8", 4 + 9)
    with pytest.raises(ExportDisagrees, match=r"stem\.conv"):
        verify(broken, NETWORK, [torch.zeros(2, 1, 8, 8), IMAGES])


def test_agreement_has_accuracies_and_leaves_the_module_as_it_was() -> None:
    labels = torch.arange(6)
    NETWORK.train()
    found = verify(_exported(Form.EXACT), NETWORK, [IMAGES], test=[(IMAGES, labels), (IMAGES, labels)])
    assert NETWORK.training
    NETWORK.eval()
    with torch.no_grad():
        wanted = float((NETWORK(IMAGES).argmax(1) == labels).float().mean())
    assert found.accuracy == pytest.approx(wanted)
    assert found.exported_accuracy == pytest.approx(wanted)
    assert (found.test_pictures, found.pictures, found.parted) == (12, 6, 0)
    assert found.layers == len(NETWORK.architecture.layers)


def test_an_accuracy_that_is_too_low_is_refused() -> None:
    """Every layer agrees, so no layer is named."""
    exported = _exported(Form.EXACT)
    with torch.no_grad():
        own = NETWORK(IMAGES).argmax(1)
    options = VerifyOptions(accuracy_tolerance=-0.5)
    with pytest.raises(ExportDisagrees, match=r"must not be worse.*1\.0000 and 1\.0000 on 6 pictures") as caught:
        verify(exported, NETWORK, [IMAGES], test=[(IMAGES, own)], options=options)
    assert caught.value.layer is None


@pytest.mark.parametrize(
    ("right", "exported_right", "changed", "refused"),
    [(900, 880, 20, True), (900, 889, 11, False), (900, 895, 50, False), (880, 900, 20, False), (900, 880, 100, False)],
)
def test_losses_are_weighed_against_chance(right: int, exported_right: int, changed: int, refused: bool) -> None:
    found = _Accuracies(right=right, exported_right=exported_right, changed=changed, pictures=1000)
    with pytest.raises(ExportDisagrees) if refused else nullcontext():
        found.check(0.01)


def test_thresholds_play_no_part_in_the_comparison_of_layers() -> None:
    """A stem that is off in the fifth digit flips signs behind it: the logits part, and still every layer agrees."""
    architecture = find_network("resnet20").design(find_task("cifar10")).architecture
    network = worn(Design(architecture=architecture, policy=policy_by_role(architecture, body=BINARY)))
    exported = export_onnx(network)
    stem = next(one for one in exported.model.graph.initializer if one.name == "stem.conv/filters/weight")
    stem.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(stem) * np.float32(1 + 9e-5), stem.name))
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = verify(exported, network, [images])
    assert found.parted >= 1
    assert found.logits_error > 1e-3
    assert 5e-5 < found.layer_error < 1e-4


def test_the_runtimes_own_graph_and_the_graph_as_written_agree_with_the_module() -> None:
    exported = _exported(Form.INTEGER)
    for optimised in (True, False):
        errors = LayerCheck(exported=exported, network=NETWORK, optimised=optimised).errors(IMAGES)
        assert max(one.error for one in errors) < 1e-5
    found = integer_nodes(exported)
    assert found.floats == ("stage3.block1.conv1",)


def test_layers_that_stay_float_are_named() -> None:
    exported = _exported(Form.INTEGER)
    model = onnx.ModelProto()
    model.CopyFrom(exported.model)
    node = next(one for one in model.graph.node if one.name == f"{BROKEN}/write/codes/quantizelinear")
    node.op_type = "Identity"
    del node.input[1:]
    back = next(one for one in model.graph.node if one.name == f"{BROKEN}/dequantizelinear")
    back.op_type = "Identity"
    del back.input[1:]
    assert integer_nodes(Exported(model=model, kernels=exported.kernels)).stayed_float == (
        BROKEN,
        "stage2.block2.conv2",
    )


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    exported, path = _exported(Form.EXACT), tmp_path / "model.onnx"
    exported.save(path)
    assert Exported.read(path) == exported
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidArtefact, match=r"model\.onnx must be an ONNX model"):
        Exported.read(path)
    with pytest.raises(InvalidArtefact, match=r"model\.onnx must be an ONNX model that onnxruntime"):
        open_session(path)
    with pytest.raises(InvalidArtefact, match="can be read"):
        Exported.read(tmp_path / "none.onnx")
    foreign = onnx.ModelProto()
    foreign.CopyFrom(exported.model)
    del foreign.metadata_props[:]
    with pytest.raises(InvalidArtefact, match="exported here"):
        Exported.of(foreign.SerializeToString())


def test_pictures_are_needed() -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        verify(_exported(Form.EXACT), NETWORK, [])
