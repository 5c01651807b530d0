"""`bespoke prune`: a user's model becomes smaller, keeps its limit, and nothing is claimed that was not counted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import torch

from design.design import Design
from networks.adoption.module_source import adopt_module
from networks.adoption.onnx_source import adopt_onnx
from networks.export.trained import load_trained, save_trained
from networks.runtime.session import logits, open_session
from tests.networks.adoption.user_modules import OptionA, trained
from tests.networks.tracing.small_models import content, floats, node
from tests.service.pruning.conftest import SHAPE, Type


def _shared(*, copies: bool = False) -> bytes:
    """Two convolutions of one tensor, or of two copies of it."""
    stem, weight, head = floats(32, 3, 3, 3), floats(32, 32, 3, 3), floats(5, 32)
    second = "w2" if copies else "w1"
    return content(
        [
            node("Conv", "x stem", "a", pads=[1, 1, 1, 1]),
            node("Relu", "a", "ar"),
            node("Conv", "ar w1", "b", pads=[1, 1, 1, 1]),
            node("Relu", "b", "br"),
            node("Conv", f"br {second}", "c", pads=[1, 1, 1, 1]),
            node("Relu", "c", "cr"),
            node("GlobalAveragePool", "cr", "p"),
            node("Flatten", "p", "f"),
            node("Gemm", "f head", "y", transB=1),
        ],
        {"stem": stem, "w1": weight, "head": head} | ({"w2": weight} if copies else {}),
    )


def test_a_model_whose_layers_share_weights_is_refused(typed: Type, tmp_path: Path) -> None:
    """Its smaller file was larger: each layer had a tensor of its own in it."""
    shared, copies, out = tmp_path / "shared.onnx", tmp_path / "copies.onnx", tmp_path / "small.onnx"
    shared.write_bytes(_shared())
    copies.write_bytes(_shared(copies=True))
    status, _, said = typed(str(shared), "--out", str(out), "--parameters", "15000")
    assert status == 2
    assert "weights of its own, but got the same ones in 'conv_b', 'conv_c'. A smaller file" in said
    assert not out.exists()
    status, shown, _ = typed(str(copies), "--out", str(out), "--parameters", "15000")
    assert status == 0
    assert "not smaller" not in shown
    document = json.loads(out.with_suffix(".json").read_text())
    assert document["before"]["file_bytes"] == copies.stat().st_size > document["before"]["model_bytes"]
    assert document["after"]["file_bytes"] == out.stat().st_size < 0.85 * copies.stat().st_size


def test_a_file_that_does_not_become_smaller_is_said_to(typed: Type, tmp_path: Path) -> None:
    """Nothing is removed, and what is written says a little more of itself."""
    copies, out = tmp_path / "copies.onnx", tmp_path / "small.onnx"
    copies.write_bytes(_shared(copies=True))
    _, shown, _ = typed(str(copies), "--out", str(out), "--parameters", "1e9")
    assert "not smaller than the one that was read" in shown
    document = json.loads(out.with_suffix(".json").read_text())
    assert document["after"]["file_bytes"] == out.stat().st_size >= copies.stat().st_size


def _multiplied(*, stem: int = 4) -> bytes:
    """A depthwise convolution of two filters a channel, behind a stem or a 1x1 convolution of fewer filters."""
    nodes = [node("Conv", "x stem", "s"), node("Relu", "s", "sr")]
    constants = {"stem": floats(stem, 3, 1, 1), "g": floats(8, 1, 3, 3), "head": floats(5, 8)}
    reads = "sr"
    if stem != 4:
        nodes += [node("Conv", "sr point", "q"), node("Relu", "q", "qr")]
        constants["point"], reads = floats(4, stem, 1, 1), "qr"
    nodes += [
        node("Conv", f"{reads} g", "b", pads=[1, 1, 1, 1], group=4),
        node("Relu", "b", "br"),
        node("GlobalAveragePool", "br", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f head", "y", transB=1),
    ]
    return content(nodes, constants)


def test_layers_that_cannot_lose_filters_are_named(typed: Type, tmp_path: Path) -> None:
    whole, some, out = tmp_path / "whole.onnx", tmp_path / "some.onnx", tmp_path / "small.onnx"
    whole.write_bytes(_multiplied())
    some.write_bytes(_multiplied(stem=16))
    status, _, said = typed(str(whole), "--out", str(out), "--macs", "1000")
    assert status == 2
    assert "filters that can be removed, but got none: depthwise convolution 'conv_b' multiplies its" in said
    status, _, said = typed(str(some), "--out", str(out), "--macs", "1000")
    assert status == 2
    assert "one filter left wherever filters can be removed. Other layers are left whole: depthwise c" in said
    status, shown, _ = typed(str(some), "--out", str(out), "--parameters", "210")
    assert status == 0
    assert "Left whole: 2 layers; depthwise convolution 'conv_b' multiplies its channels." in shown.replace("\n", " ")
    told = json.loads(out.with_suffix(".json").read_text())["left_whole"]
    assert list(told) == ["conv_q", "conv_b", "gemm_y"]
    assert told["gemm_y"] == "the model gives them out"


def _counted(path: Path) -> int:
    weights = [tensor for tensor in onnx.load(path).graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    return int(sum(np.prod(tensor.dims) for tensor in weights))


def test_without_pictures_weights_decide_and_accuracy_is_not_claimed(typed: Type, model: Path, tmp_path: Path) -> None:
    before, out = model.read_bytes(), tmp_path / "small.onnx"
    status, shown, _ = typed(str(model), "--out", str(out), "--parameters", "1500")
    assert status == 0
    assert "no pictures were given" in shown
    assert "Accuracy is not known" in shown
    assert model.read_bytes() == before
    document = json.loads(out.with_suffix(".json").read_text())
    assert document["score"] == "l1"
    assert "accuracy" not in document["after"]
    assert not document["bounds"]
    assert document["pictures_delta"] is None
    assert document["limit"]["reached"] == document["after"]["parameters"] <= 1500
    assert document["before"]["parameters"] > 1500
    assert _counted(out) < _counted(model)
    session = open_session(out)
    assert [session.get_inputs()[0].name, session.get_outputs()[0].name] == ["picture", "scores"]
    assert logits(session, np.zeros((3, *SHAPE), np.float32)).shape == (3, 5)
    assert Design.model_validate(document["design"]).plan.kept
    left = {layer.name: layer.out_channels for layer in adopt_onnx(out.read_bytes()).design.architecture.weighted}
    assert left == {"features.0": 8, "features.4": 8, "classifier.0": 16, "classifier.2": 5}
    assert document["multiple"] == 8
    typed(str(model), "--out", str(out), "--parameters", "1500", "--multiple", "1")
    again = json.loads(out.with_suffix(".json").read_text())
    assert document["after"]["parameters"] < again["after"]["parameters"] <= 1500
    typed(str(model), "--out", str(out), "--parameters", "300")
    assert json.loads(out.with_suffix(".json").read_text())["multiple"] < 8


def test_with_pictures_sensitivities_and_their_bounds(typed: Type, model: Path, pictures: Path, tmp_path: Path) -> None:
    out, device = tmp_path / "small.onnx", "raspberry-pi-4"
    status, shown, _ = typed(
        str(model), "--out", str(out), "--macs", "20000", "--device", device, "--data", str(pictures), "--json"
    )
    assert status == 0
    document = json.loads(shown)
    assert json.loads(out.with_suffix(".json").read_text()) == document
    assert document["score"] == "sensitivity"
    assert document["pictures"] == document["accuracy_pictures"] == 12
    assert document["pictures_delta"] == 1, "twelve pictures stand for nothing"
    assert 0 <= document["after"]["accuracy"] <= 1
    assert document["after"]["macs"] <= 20000 < document["before"]["macs"]
    for own in document["bounds"]:
        assert 0 <= own["removed_share"] <= 1
        assert own.keys() == {"layer", "sensitivity", "removed_share", "for_as_many_random_draws"}
        assert own["for_as_many_random_draws"]["delta"] == 0.1
    assert any(own["removed_share"] > 0 for own in document["bounds"])
    for side in ("before", "after"):
        own = document[side]["predicted"]["latency_ms"]
        assert own["interval"]["low"] < own["value"] < own["interval"]["high"]


def test_the_loosest_bound_is_told_in_words(typed: Type, model: Path, pictures: Path, tmp_path: Path) -> None:
    """Rounded up, and of sums of one sign alone; where nothing is bounded, so it says."""
    told = set()
    for macs in ("20000", "28500"):
        out = tmp_path / f"{macs}.onnx"
        status, shown, _ = typed(str(model), "--out", str(out), "--macs", macs, "--data", str(pictures))
        assert status == 0
        text = " ".join(shown.split())
        worst = max(own["removed_share"] for own in json.loads(out.with_suffix(".json").read_text())["bounds"])
        lost = math.ceil(100 * worst)
        told.add(lost >= 100)
        assert ("no bound says what the sums of" in text) == (lost >= 100)
        assert (f"loses more than {lost} % where no channel has a larger share" in text) == (lost < 100)
    assert told == {True, False}


def test_a_predicted_limit_is_kept_at_its_risk(typed: Type, model: Path, tmp_path: Path) -> None:
    out, device = tmp_path / "small.onnx", "arduino-nano-33-ble"
    options = ("--device", device, "--json")
    _, shown, _ = typed(str(model), "--out", str(out), "--parameters", "1e9", "--device", device)
    assert "nothing was removed" in shown
    _, shown, _ = typed(str(model), "--out", str(out), "--parameters", "1e9", *options)
    latency = json.loads(shown)["before"]["predicted"]["latency_ms"]["value"]
    status, shown, _ = typed(str(model), "--out", str(out), "--latency-ms", f"{latency:.6g}", *options)
    assert status == 0
    document = json.loads(shown)
    assert document["limit"]["reached"] <= latency
    assert document["after"]["predicted"]["latency_ms"]["value"] < document["limit"]["reached"]


def test_a_design_with_its_trained_weights(typed: Type, tmp_path: Path) -> None:
    found = adopt_module(trained(OptionA()), (3, 16, 16))
    weights, design = tmp_path / "trained.safetensors", tmp_path / "design.json"
    save_trained(found.network, found.design, weights, task="own", seed=0)
    design.write_text(found.design.model_dump_json())
    out, left = tmp_path / "small.onnx", tmp_path / "left.safetensors"
    options = ("--out", str(out), "--weights", str(weights), "--weights-out", str(left))
    status, _, said = typed(str(design), *options, "--bytes", "60000")
    assert (status, said) == (0, "")
    document = json.loads(out.with_suffix(".json").read_text())
    network, _ = load_trained(left, Design.model_validate(document["design"]))
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert np.allclose(logits(open_session(out), images.numpy()), network(images).numpy(), atol=1e-4)
    assert document["after"]["model_bytes"] <= 60000


def test_requests_that_cannot_be_met(typed: Type, model: Path, pictures: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "small.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"\x08\x09")
    (tmp_path / "noise.npz").write_bytes(b"PK none")
    profile = tmp_path / "board.json"
    profile.write_text('{"name": "Mine", "kind": "mcu", "clock_ghz": 0.2}')
    (tmp_path / "slopes.onnx").write_bytes(
        content(
            [node("PRelu", "x slope", "p"), node("GlobalAveragePool", "p", "y")],
            {"slope": np.full((3, 1, 1), 0.1, np.float32)},
        )
    )
    cases: list[tuple[tuple[str, ...], str]] = [
        ((str(model), "--out", out), "exactly one limit"),
        ((str(model), "--out", out, "--macs", "9", "--bytes", "9"), "exactly one limit"),
        ((str(model), "--out", out, "--macs", "-1"), "above 0"),
        ((str(model), "--out", out, "--latency-ms", "1"), "with a device"),
        ((str(model), "--out", str(model), "--macs", "30000"), "must not be written over"),
        ((str(model), "--out", str(pictures), "--macs", "9", "--data", str(pictures)), "must not be written over"),
        (
            (str(model), "--out", str(profile.with_suffix(".onnx")), "--macs", "30000", "--device", str(profile)),
            "must not be written over",
        ),
        ((str(model), "--out", out, "--macs", "30000", "--data", str(tmp_path / "gone.npz")), "that is there"),
        ((str(model), "--out", str(tmp_path / "none" / "a.onnx"), "--macs", "30000"), "a folder that is there"),
        ((str(model), "--out", str(tmp_path / "a.json"), "--macs", "30000"), "end in .onnx"),
        (
            (str(model), "--out", out, "--macs", "3"),
            "bring multiply-accumulates to 3, but got 1,881 with one filter left everywhere",
        ),
        (
            (str(model), "--out", out, "--latency-ms", "1e-4", "--device", "raspberry-pi-4", "--risk", "0.2"),
            "bring predicted latency at risk 0.2 to 0.000100 ms, but got 0",
        ),
        ((str(model), "--out", out, "--macs", "30000", "--mean", "0.5"), "must both name 3 numbers"),
        ((str(model), "--out", out, "--macs", "30000", "--data", str(tmp_path / "noise.npz")), "readable .npz"),
        ((str(tmp_path / "damaged.onnx"), "--out", out, "--macs", "9"), "must be an ONNX file"),
        ((str(tmp_path / "missing.onnx"), "--out", out, "--macs", "9"), "readable file"),
        ((str(tmp_path / "slopes.onnx"), "--out", out, "--macs", "9"), "must not store values beside"),
        (("resnet20", "--out", out, "--macs", "9"), "--weights FILE"),
        ((str(model), "--out", out, "--macs", "9", "--weights", out + "x"), "in the file"),
    ]
    for arguments, says in cases:
        status, _, said = typed(*arguments)
        assert status == 2, arguments
        assert says in said, (arguments, said)
        assert len(said.splitlines()) == 1
    assert not Path(out).exists()
