"""Every answer says why the way in which it was found served, wherever it is given."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from optimizer.approaches import NOTHING_BETTER, NOTHING_PROPOSED, WHY, WHY_ALONE, WHY_SHARED, why
from optimizer.library_search import LibrarySearch
from optimizer.problem import Answer, Problem
from service import cli
from service.context import Context
from service.models import DesignRow

Serve = Callable[..., TestClient]
SMALL = {"device": "raspberry-pi-4", "task": "digits", "spaces": ["vgg"]}


def test_a_stored_design_gives_the_reason_of_its_method(client: TestClient, known_answer: Answer) -> None:
    request = {"device": "raspberry-pi-4", "task": "cifar10", "method": "both"}
    made = client.post("/v1/designs", json=request).json()
    assert made["why"] == why(known_answer.approach, "both")
    assert NOTHING_BETTER in made["why"]
    assert client.get(made["links"]["self"]).json()["why"] == made["why"]
    assert NOTHING_BETTER in client.get(made["links"]["page"]).text


def test_a_design_whose_method_was_not_kept_claims_no_more_than_is_known(
    client: TestClient, known_answer: Answer
) -> None:
    request = {"device": "raspberry-pi-4", "task": "cifar10", "method": "both"}
    links = client.post("/v1/designs", json=request).json()["links"]
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    with context.database.writing() as session:
        session.execute(update(DesignRow).values(method=None))
    assert client.get(links["self"]).json()["why"] == WHY[known_answer.approach]
    page = client.get(links["page"]).text
    assert WHY[known_answer.approach] in page
    assert NOTHING_BETTER not in page


@pytest.mark.parametrize(("method", "reason"), [("auto", NOTHING_PROPOSED), ("search", "a search was asked for")])
def test_the_nearest_design_gives_a_reason_too(serve: Serve, sqlite_url: str, method: str, reason: str) -> None:
    request = SMALL | {"limits": {"model_kb": 0.001}, "method": method}
    nearest = serve(sqlite_url).post("/v1/designs", json=request).json()["nearest"]
    assert (nearest["approach"], nearest["why"]) == ("NSGA-II", reason)


def test_every_design_of_a_batch_gives_a_reason(client: TestClient) -> None:
    hopeless, close = {"model_kb": 0.001}, {"model_kb": 4, "min_accuracy": 0.95}
    devices = ["raspberry-pi-4", *({"device": "raspberry-pi-4", "limits": limits} for limits in (hopeless, close))]
    request = {"devices": devices, "task": "digits", "spaces": ["vgg"]}
    found, refused, looked_at = client.post("/v1/designs/batch", json=request).json()["items"]
    assert found["design"]["why"] == refused["problem"]["nearest"]["why"] == WHY_SHARED
    assert looked_at["problem"]["nearest"]["why"] == f"{WHY_ALONE}, {WHY[LibrarySearch.approach]}"


def test_the_command_line_gives_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], known_answer: Answer
) -> None:
    def typed(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["bespoke", "design", "--device", "raspberry-pi-4", *arguments])
        with pytest.raises(SystemExit):
            cli.main()
        return capsys.readouterr().out

    def answer(problem: Problem) -> Answer:
        return known_answer.model_copy(update={"why": why(known_answer.approach, problem.method)})

    monkeypatch.setattr(cli, "optimize", answer)
    assert json.loads(typed("--json"))["why"] == WHY[known_answer.approach]
    told = " ".join(typed("--method", "both").split())
    assert f"seed {known_answer.seed}): {WHY[known_answer.approach]}; {NOTHING_BETTER}." in told
