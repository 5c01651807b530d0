"""The client of `bespoke jobs`: it follows a job over broken connections and several replicas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.jobs import client as module
from service.jobs.client import Client, ServiceAway, ServiceRefused, worded
from service.jobs.states import EventKind


def event(place: int, kind: str, **data: Any) -> dict[str, Any]:
    return {"number": place, "at": "2026-11-25T12:00:00Z", "kind": kind, "data": data}


def sent(*events: dict[str, Any]) -> str:
    return "".join(f"id: {one['number']}\nevent: {one['kind']}\ndata: {json.dumps(one)}\n\n" for one in events)


QUEUED, STARTED = event(1, "queued", queue="cpu"), event(2, "started", worker="w", attempt=1)
DONE = event(3, "succeeded")


class Broken(httpx.SyncByteStream):
    """Some events, then the connection is gone."""

    def __init__(self, content: str) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content.encode()
        raise httpx.ReadError("gone")


def test_a_broken_connection_is_taken_up_behind_the_last_event() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["last-event-id"])
        match len(asked):
            case 1:
                return httpx.Response(200, stream=Broken(": comment\n\n" + sent(QUEUED, STARTED)))
            case 2:
                raise httpx.ConnectError("restarting")
            case 3:
                return httpx.Response(503, json={"detail": "not now"})
            case 4:
                return httpx.Response(200, text=sent(DONE))
        return httpx.Response(204)

    client = Client("http://x", "secret", transport=httpx.MockTransport(answer))
    assert list(client.follow("job_1", pause_s=0.0)) == [QUEUED, STARTED, DONE]
    assert asked == ["0", "2", "2", "2", "3"]


def test_the_key_goes_with_every_request() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"authorization": request.headers["authorization"]})

    client = Client("http://x", "secret", transport=httpx.MockTransport(answer))
    assert client.ask("GET", "/v1/jobs") == {"authorization": "Bearer secret"}


def test_what_the_service_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = httpx.MockTransport(lambda request: httpx.Response(404, json={"detail": "There is no job 'x'."}))
    with pytest.raises(ServiceRefused, match="404: There is no job 'x'"):
        Client("http://x", None, transport=refusing).ask("GET", "/v1/jobs/x")
    with pytest.raises(ServiceRefused, match="404"):
        list(Client("http://x", None, transport=refusing).follow("x"))

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    with pytest.raises(ServiceAway, match="refused"):
        Client("http://x", None, transport=httpx.MockTransport(away)).ask("GET", "/v1/jobs")
    with pytest.raises(ServiceAway, match="refused"):
        list(Client("http://x", None, transport=httpx.MockTransport(away)).follow("x"))


def test_every_kind_of_event_has_words() -> None:
    data = {"queue": "cpu", "worker": "w", "attempt": 1, "number": 1, "of": 5, "step": "train", "reason": "r"}
    data |= {"name": "model.onnx", "bytes": 1_000, "detail": "d", "fraction": 0.5, "loss": 0.25}
    words = {kind: worded(event(1, kind, **data)) for kind in EventKind}
    assert len(set(words.values())) == len(EventKind)
    assert "{" not in str(words.values())
    assert "50 %" in words[EventKind.PROGRESS]
    assert "loss 0.25" in words[EventKind.PROGRESS]
