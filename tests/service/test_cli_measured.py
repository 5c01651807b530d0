"""Measurements and proxies on the command line, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from design.devices.catalogue import find_device
from optimizer.problem import Answer, Problem
from service import cli
from tests.service.measurements.measuring import DEVICE, rows, table

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
def file(tmp_path: Path) -> str:
    made = rows(12, energy=True)
    made[3]["latency_ms"] *= 1000
    path = tmp_path / "measured.csv"
    path.write_bytes(table(made))
    return str(path)


def test_measure_shows_errors_verdicts_and_what_to_measure_next(typed: Type, file: str) -> None:
    status, out, _ = typed("measure", DEVICE, file)
    assert status == 0
    assert "12 measurements of Raspberry Pi 4" in out
    assert "Latency" in out
    assert "1 set aside" in out
    assert "microseconds" in out
    assert "Measure next" in out


def test_measure_as_json(typed: Type, file: str) -> None:
    _, out, _ = typed("measure", DEVICE, file, "--json", "--space", "nasbench201")
    document = json.loads(out)
    latency = document["adaptation"]["latency"]
    assert latency["after"]["median_error"] < latency["before"]["median_error"]
    assert [item["verdicts"][0]["use"] for item in document["items"]].count("set aside") == 1
    assert all(one["genotype"]["space"] == "nasbench201" for one in document["next"])


def test_a_profile_of_ones_own_is_measured(typed: Type, file: str, tmp_path: Path) -> None:
    profile = tmp_path / "board.json"
    profile.write_text(json.dumps({"name": "My board", "kind": "cpu", "cores": 4}))
    status, out, _ = typed("measure", str(profile), file)
    assert status == 0
    assert "12 measurements of My board" in out


def test_predictions_and_designs_rest_on_a_file(
    typed: Type, file: str, monkeypatch: pytest.MonkeyPatch, known_answer: Answer
) -> None:
    plain = json.loads(typed("predict", "resnet20", "--device", DEVICE, "--json")[1])
    own = json.loads(typed("predict", "resnet20", "--device", DEVICE, "--measurements", file, "--json")[1])
    assert own["latency_ms"]["value"] > 1.3 * plain["latency_ms"]["value"]
    assert "12 measurements" in own["sources"]["latency"]
    problems: list[Problem] = []

    def answer(problem: Problem) -> Answer:
        problems.append(problem)
        return known_answer

    monkeypatch.setattr(cli, "optimize", answer)
    assert typed("design", "--device", DEVICE, "--measurements", file)[0] == 0
    adaptation = problems[0].adaptation
    assert adaptation is not None
    assert (adaptation.count, adaptation.device.profile) == (12, find_device(DEVICE))


def test_proxies_are_shown_with_their_reasons(typed: Type, file: str) -> None:
    status, out, _ = typed("proxies", DEVICE, "--count", "3", "--limit-ms", "20")
    assert status == 0
    assert "Proxies of Raspberry Pi 4" in out
    assert "The limit there" in " ".join(out.split())
    documents = json.loads(typed("proxies", DEVICE, "--json", "--kind", "gpu", "--measurements", file)[1])
    assert {one["kind"] for one in documents} == {"gpu"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Row 1 must be a header"),
        (b"network,latency_ms\nresnet20,nan\n", "Row 2, column latency_ms must be a finite number"),
        (b"network,latency_ms\nresnet20,4\nresnet21,4\n", "Row 3, column network"),
        (b"design_id,latency_ms\ndsn_0,4\n", "There is no stored design"),
        (None, "must be a readable file"),
    ],
)
def test_a_bad_file_is_one_message(typed: Type, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    predict = ("predict", "resnet20", "--device", DEVICE, "--measurements", str(path))
    for arguments in (("measure", DEVICE, str(path)), predict):
        status, out, err = typed(*arguments)
        assert (status, out) == (cli.BAD_REQUEST, "")
        assert said in err
        assert err.startswith("bespoke: ")
