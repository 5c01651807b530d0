"""The command line as a user types it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from design.devices.catalogue import catalogue, find_device
from optimizer.problem import Answer, Method, Problem, Violation
from service import cli
from tests.networks.tracing.small_models import content, floats, node, small_network

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Run `bespoke ARGUMENTS`: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bespoke", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, known_answer: Answer) -> list[Problem]:
    """What the optimizer is asked; it answers with one known design."""
    problems: list[Problem] = []

    def answer(problem: Problem) -> Answer:
        problems.append(problem)
        return known_answer

    monkeypatch.setattr(cli, "optimize", answer)
    return problems


def test_version_and_help(typed: Type) -> None:
    status, out, _ = typed("--version")
    assert (status, out.split()[0]) == (0, "bespoke")
    for command in ("design", "predict", "measure", "proxies", "devices", "serve", "tour"):
        assert command in typed("--help")[1]
        assert typed(command, "--help")[0] == 0


def test_a_design_is_asked_for_with_all_that_was_typed(typed: Type, asked: list[Problem]) -> None:
    limits = ("--latency-ms", "50", "--energy-mj", "90", "--model-kb", "400", "--peak-memory-kb", "999")
    more = ("--training-memory-kb", "1e6", "--min-accuracy", "0.5", "--risk", "0.05", "--seed", "7", "--method", "both")
    choice = ("--space", "resnet", "--space", "vgg", "--weigh", "accuracy=1", "--weigh", "energy=0.5")
    status, out, _ = typed("design", "--device", "jetson-nano", "--task", "cifar100", *limits, *more, *choice)
    assert status == 0
    (problem,) = asked
    assert problem.device == find_device("jetson-nano")
    assert (problem.task.name, problem.seed, problem.spaces) == ("cifar100", 7, ("resnet", "vgg"))
    assert problem.method == "both"
    assert problem.constraints.model_dump() == {
        "latency_ms": 50,
        "energy_mj": 90,
        "model_kb": 400,
        "peak_memory_kb": 999,
        "training_memory_kb": 1e6,
        "min_accuracy": 0.5,
        "risk": 0.05,
    }
    assert (problem.preferences.accuracy, problem.preferences.energy) == (1, 0.5)
    assert "at most 50.0 ms" in out


def test_a_design_is_asked_for_as_over_http_where_nothing_more_is_typed(typed: Type, asked: list[Problem]) -> None:
    for method in get_args(Method):
        assert typed("design", "--device", "jetson-nano", "--method", method)[0] == 0
    assert typed("design", "--device", "jetson-nano")[0] == 0
    assert [problem.method for problem in asked] == [*get_args(Method), "auto"]


def test_a_design_is_shown_with_layers_figures_and_what_was_assumed(
    typed: Type, asked: list[Problem], known_answer: Answer
) -> None:
    _, out, _ = typed("design", "--device", "raspberry-pi-4", "--latency-ms", "1e6")
    assert "nothing here was measured" in out
    prediction = known_answer.prediction
    for layer in prediction.layers:
        assert (layer.name in out) == (layer.weight_bits is not None)
    assert f"{100 * prediction.known_accuracy.interval.low:.1f} to" in out
    for item in prediction.assumed:
        assert item.field in out
    assert known_answer.approach in out


def test_json_is_the_answer_and_can_be_predicted_elsewhere(
    typed: Type, asked: list[Problem], known_answer: Answer, tmp_path: Path
) -> None:
    _, out, _ = typed("design", "--device", "raspberry-pi-4", "--json")
    assert Answer.model_validate_json(out) == known_answer
    file = tmp_path / "answer.json"
    file.write_text(out)
    status, made, _ = typed("predict", str(file), "--device", "jetson-nano", "--json")
    assert status == 0
    assert len(json.loads(made)["layers"]) == len(known_answer.prediction.layers)
    assert json.loads(made)["latency_ms"] != json.loads(out)["prediction"]["latency_ms"]


def test_an_infeasible_request_shows_the_nearest_design(
    typed: Type, monkeypatch: pytest.MonkeyPatch, known_answer: Answer
) -> None:
    violation = Violation(limit="latency_ms", allowed=0.01, reached=4.5, tightest=0.25)
    nearest = known_answer.model_copy(update={"feasible": False, "violations": (violation,)})
    monkeypatch.setattr(cli, "optimize", lambda problem: nearest)
    status, out, _ = typed("design", "--device", "raspberry-pi-4", "--latency-ms", "0.01")
    assert status == cli.INFEASIBLE
    assert "no design found keeps every limit" in out
    row = next(line for line in out.splitlines() if "0.0100 ms" in line)
    assert "4.50 ms" in row
    assert "0.250 ms" in row
    assert "broken" in out


def test_memory_of_the_device_is_shown_as_its_own(
    typed: Type, monkeypatch: pytest.MonkeyPatch, known_answer: Answer
) -> None:
    violation = Violation(limit="peak_memory_kb", allowed=2, reached=7, tightest=6)
    nearest = known_answer.model_copy(update={"feasible": False, "violations": (violation,)})
    monkeypatch.setattr(cli, "optimize", lambda problem: nearest)
    _, out, _ = typed("design", "--device", "stm32f746")
    assert "Peak memory (the device's own RAM)" in out
    assert "own RAM" not in typed("design", "--device", "stm32f746", "--peak-memory-kb", "2")[1]


def test_the_optimizer_itself_answers(typed: Type) -> None:
    limits = ("--model-kb", "0.001", "--space", "nasbench201")
    status, out, _ = typed("design", "--device", "raspberry-pi-4", *limits, "--json")
    answer = Answer.model_validate_json(out)
    assert status == cli.INFEASIBLE
    assert [violation.limit for violation in answer.violations] == ["model_kb"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("design", "--device", "raspberry-pi-99"), "'raspberry-pi-99'"),
        (("design", "--device", "raspberry-pi-4@fast"), "'fast'"),
        (("design", "--device", "raspberry-pi-4", "--task", "cifar11"), "'cifar11'"),
        (("design", "--device", "raspberry-pi-4", "--space", "transformer"), "'transformer'"),
        (("design", "--device", "raspberry-pi-4", "--latency-ms", "-5"), "latency_ms: Input should be greater than or"),
        (("design", "--device", "raspberry-pi-4", "--energy-mj", "nan"), "energy_mj: Input should be a finite number"),
        (("design", "--device", "raspberry-pi-4", "--risk", "1e-20"), "risk: Input should be greater than or equal to"),
        (("design", "--device", "raspberry-pi-4", "--latency-ms", "1e-300"), "latency_ms: Input should be greater"),
        (
            ("design", "--device", "raspberry-pi-4", "--weigh", "energy=much"),
            "should be a valid number, but got 'much'",
        ),
        (("design", "--device", "raspberry-pi-4", "--risk", "0.9"), "risk: Input should be less than or equal to 0.5"),
        (("design", "--device", "raspberry-pi-4", "--weigh", "beauty=1"), "beauty: Extra inputs are not permitted"),
        (("design", "--device", "raspberry-pi-4", "--weigh", "size=0"), "at least one preference must be positive"),
        (("design", "--device", "no-such-file.toml"), "no-such-file.toml must be a readable text file"),
        (("predict", "resnet-twenty", "--device", "raspberry-pi-4"), "'resnet-twenty'"),
        (("predict", "resnet20", "--device", "raspberry-pi-4", "--energy-model", "none"), "'none'"),
        (("predict", ".", "--device", "raspberry-pi-4"), "but got the folder '.'"),
        (("predict", __file__, "--device", "raspberry-pi-4"), "ending in .json or .toml"),
        (("devices", "abacus"), "'abacus'"),
        (("serve", "--host", "0.0.0.0"), "must bind to a loopback address"),
        (("design", "--method", "luck", "--device", "raspberry-pi-4"), "--method"),
        (("design", "--seed", "x", "--device", "raspberry-pi-4"), "--seed"),
        (("design", "--seed", "-1", "--device", "raspberry-pi-4"), "greater than or equal to 0"),
        (("design", "--seed", "4294967296", "--device", "raspberry-pi-4"), "less than or equal to 4294967295"),
    ],
)
def test_a_bad_request_is_one_message_and_status_2(typed: Type, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = typed(*arguments)
    assert status == cli.BAD_REQUEST
    assert said in err
    assert "Traceback" not in out + err


def test_a_named_network_is_predicted(typed: Type) -> None:
    status, out, _ = typed("predict", "resnet20", "--device", "raspberry-pi-4")
    assert status == 0
    assert "Predictions (nothing here was measured)" in out
    assert "W32A32" in out


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_profile_file_is_a_device(typed: Type, asked: list[Problem], tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"board.{suffix}"
    stated = {"name": "My board", "kind": "mcu", "clock_ghz": 0.2, "supported_bits": [[8, 8]]}
    lines = (f"{name} = {json.dumps(value)}" for name, value in stated.items())
    file.write_text(json.dumps(stated) if suffix == "json" else "\n".join(lines))
    assert typed("design", "--device", str(file))[0] == 0
    assert asked[0].device.name == "My board"
    assert asked[0].device.supported_bits == ((8, 8),)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.toml", "name = ", "must be valid TOML"),
        ("a.json", "{", "must be valid JSON"),
        ("a.json", "[" * 100_000, "must be valid JSON"),
        ("a.json", "[]", "must hold one object"),
        ("a.json", '{"name": "x", "kind": "cpu", "colour": "red"}', "colour: Extra inputs are not permitted"),
        ("a.json", '{"name": "x", "kind": "cpu", "tdp_w": NaN}', "tdp_w"),
        ("a.json", '{"name": "x", "kind": "cpu", "tdp_w": 1, "idle_w": 2}', "idle_w must be at most tdp_w"),
        ("a.toml", 'name = "x"', "kind: Field required"),
    ],
)
def test_a_bad_profile_file_is_explained(typed: Type, tmp_path: Path, name: str, content: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    status, _, err = typed("design", "--device", str(file))
    assert status == cli.BAD_REQUEST
    assert said in err


def test_help_says_what_other_addresses_need(typed: Type) -> None:
    out = " ".join(typed("serve", "--help")[1].split())
    assert "API key" in out
    assert "only loopback" not in out


def test_devices_are_listed_filtered_and_shown(typed: Type) -> None:
    _, out, _ = typed("devices")
    assert f"{len(catalogue())} of {len(catalogue())} devices" in out
    _, mcus, _ = typed("devices", "--kind", "mcu", "--json")
    assert {device["kind"] for device in json.loads(mcus)} == {"mcu"}
    _, found, _ = typed("devices", "--search", "raspberry 4", "--json")
    assert "raspberry-pi-4" in [device["id"] for device in json.loads(found)]
    _, one, _ = typed("devices", "raspberry-pi-4")
    assert "memory_bandwidth_gbps" in one
    assert json.loads(typed("devices", "raspberry-pi-4", "--json")[1])["id"] == "raspberry-pi-4"


def test_an_onnx_model_is_predicted_on_several_devices(typed: Type, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(small_network())
    status, out, _ = typed("predict", str(file), "--device", "raspberry-pi-4", "--device", "stm32f746", "--bits", "8")
    assert status == 0
    assert "mine.onnx on Raspberry Pi 4 Model B" in out
    assert "STM32F746" in out
    assert "W8A8" in out
    assert next(line.split() for line in out.splitlines() if line.startswith("Accuracy"))[1] == "unknown"
    _, text, _ = typed("predict", str(file), "--device", "raspberry-pi-4", "--json")
    assert json.loads(text)["accuracy"] is None
    assert json.loads(text)["layers"][0]["name"] == "conv"
    assert json.loads(text)["notes"] == []


def test_what_reading_a_model_left_out_is_in_the_json_too(typed: Type, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(content([node("Conv", "x w")], {"w": floats(4, 3, 3, 3)}, shape=(4, 3, 8, 8)))
    arguments = ("predict", str(file), "--device", "raspberry-pi-4")
    told = "a batch of 4 pictures is read as 1"
    assert f"Note: {told}." in typed(*arguments)[1]
    assert json.loads(typed(*arguments, "--json")[1])["notes"] == [told]
    several = json.loads(typed(*arguments, "--device", "stm32f746", "--json")[1])
    assert [one["notes"] for one in several] == [[told], [told]]
    assert "notes" not in json.loads(typed("predict", "resnet20", "--device", "raspberry-pi-4", "--json")[1])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("absent.onnx",), "readable file"),
        (("mine.onnx", "--bits", "3"), "bits must be one of"),
        (("mine.onnx", "--input-shape", "3-8-8"), "must be CxHxW"),
        (("mine.onnx", "--input-shape", "3x9x9"), "must fit"),
        (("mine.onnx", "--task", "cifar10"), "Leave --task out"),
        (("resnet20", "--bits", "8"), "must come with an ONNX model"),
        (("bad.onnx",), "must be an ONNX file"),
    ],
)
def test_a_model_that_cannot_be_predicted_is_one_message(
    typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.onnx").write_bytes(small_network())
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    status, _, error = typed("predict", *arguments, "--device", "raspberry-pi-4")
    assert status == cli.BAD_REQUEST
    assert told in error


def test_the_module_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["bespoke", "devices", "no-such-device"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(cli.__file__, run_name="__main__")
    assert end.value.code == 2
    assert "no-such-device" in capsys.readouterr().err
