"""Client: jobs of a running service, near or far, for the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx

from design.errors import BespokeError
from service.jobs.states import LAST, EventKind

WAIT_S = 30.0
SILENCE_S = 60.0
"""The service sends something at least every 15 s; after this long the connection is dead."""
PATIENCE_S = 120.0
"""How long a service that does not answer is asked again."""
Json = dict[str, Any]


class ServiceRefused(BespokeError):
    """The service answered with a problem."""


class ServiceAway(BespokeError):
    """The service does not answer."""


class Client:
    """Calls one service.

    Args:
        url: Its address.
        key: An API key, where one is needed.
        transport: What carries the requests; the network if none.
    """

    def __init__(self, url: str, key: str | None, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=WAIT_S, trust_env=transport is None, transport=transport
        )

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """One request and its answer.

        Raises:
            ServiceRefused: The answer is a problem.
            ServiceAway: There is none.
        """
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise ServiceAway("the service must answer", f"{error} at {self.url}", "Start it.") from error
        if answer.is_error:
            raise _refused(answer)
        found: Json = answer.json()
        return found

    def follow(self, job_id: str, *, pause_s: float = 1.0) -> Iterator[Json]:
        """Events of a job until it ends; a broken connection is taken up behind the last event, on any replica.

        Raises:
            ServiceRefused: The answer is a problem.
            ServiceAway: It did not answer for PATIENCE_S.
        """
        last, heard = 0, time.monotonic()
        while True:
            try:
                timeout = httpx.Timeout(WAIT_S, read=SILENCE_S)
                headers = {"Last-Event-ID": str(last)}
                with self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers, timeout=timeout) as answer:
                    if answer.is_error:
                        answer.read()
                        if answer.status_code < 500:
                            raise _refused(answer)
                    else:
                        heard = time.monotonic()
                    if answer.status_code == httpx.codes.NO_CONTENT:
                        return
                    for line in answer.iter_lines():
                        heard = time.monotonic()
                        if answer.status_code == httpx.codes.OK and line.startswith("data: "):
                            event: Json = json.loads(line.removeprefix("data: "))
                            last = event["number"]
                            yield event
            except httpx.TransportError as error:
                if time.monotonic() - heard > PATIENCE_S:
                    raise ServiceAway("the service must answer", f"{error} at {self.url}") from error
            time.sleep(pause_s)


def _refused(answer: httpx.Response) -> ServiceRefused:
    try:
        said = answer.json().get("detail", "")
    except (ValueError, AttributeError):
        said = answer.text[:200]
    return ServiceRefused("the service must accept the request", f"{answer.status_code}: {said}")


def worded(event: Json) -> str:
    """An event as one line."""
    kind, data = event["kind"], event["data"]
    words = {
        EventKind.QUEUED: "waits in the queue {queue}",
        EventKind.STARTED: "taken up by {worker} (attempt {attempt})",
        EventKind.STEP_STARTED: "step {number} of {of}: {step}",
        EventKind.STEP_SKIPPED: "{step} skipped: {reason}",
        EventKind.STEP_RETRIED: "{step} started again: {reason}",
        EventKind.STEP_FINISHED: "{step} done",
        EventKind.ARTIFACT: "{step} made {name} ({bytes:,} bytes)",
        EventKind.HANDED_OVER: "{worker} stops and hands it over",
        EventKind.SUCCEEDED: "done",
        EventKind.FAILED: "failed: {detail}",
        EventKind.CANCELLED: "cancelled",
    }
    if kind == EventKind.PROGRESS:
        figures = ", ".join(f"{name} {value}" for name, value in data.items() if name not in ("step", "fraction"))
        return f"{data['step']} {100 * data.get('fraction', 0.0):.0f} %" + (f", {figures}" if figures else "")
    return words[EventKind(kind)].format_map(data)


def ends(event: Json) -> bool:
    """Whether a job ends with it."""
    return event["kind"] in LAST
