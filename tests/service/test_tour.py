"""The main job: a real service, a real design, over a real socket."""

from __future__ import annotations

import io
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console, RenderableType

from service import tour as guide
from service.serve import PortTaken, background, bind, settings_for
from service.tour import HOST, tour


class Terminal:
    """Keeps what was shown."""

    def __init__(self) -> None:
        self._kept = io.StringIO()
        self._console = Console(width=120, file=self._kept)

    def show(self, what: RenderableType) -> None:
        self._console.print(what, highlight=False)

    @property
    def text(self) -> str:
        return self._kept.getvalue()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process listens on."""
    with socket.create_server((HOST, 0)) as held:
        yield int(held.getsockname()[1])


def test_the_tour_shows_a_hybrid_design_and_where_its_page_is(sqlite_url: str, taken: int) -> None:
    terminal = Terminal()
    tour(port=taken, database_url=sqlite_url, once=True, show=terminal.show)
    text = terminal.text
    assert f"Port {taken} is in use; using" in text
    assert "keeps every limit" in text
    assert "nothing here was measured" in text
    assert "90 % interval" in text
    assert "Assumed" in text
    rows = [line for line in text.splitlines() if " W" in line and "%" in line]
    assert len({word for line in rows for word in line.split() if word.startswith("W") and "A" in word}) >= 2
    assert any(" of " in line for line in rows)
    assert "Found by" in text
    assert "over HTTP" in text
    assert "Its page: http://127.0.0.1:" in text
    assert "bespoke jobs start $DESIGN --follow --url http://127.0.0.1:" in text
    assert '"task": "digits"' in text


def test_a_second_tour_shows_the_same_design_again(sqlite_url: str) -> None:
    settings = settings_for(HOST, 0, sqlite_url, log_level="error")
    with background(settings, bind(HOST, 0)) as address:
        first, _ = guide.request_design(address.url)
        again, took = guide.request_design(address.url)
        assert (again["id"], took) == (first["id"], "an earlier run")
        page = httpx.get(address.url + first["links"]["page"], trust_env=False)
        assert page.status_code == 200
        assert first["name"] in page.text
        assert httpx.delete(address.url + first["links"]["self"], trust_env=False).status_code == 204
        fresh, took = guide.request_design(address.url)
        assert fresh["id"] != first["id"]
        assert fresh["digest"] == first["digest"]
        assert took.endswith("over HTTP")
    with pytest.raises(httpx.ConnectError):
        httpx.get(address.url, trust_env=False)


def test_the_tour_posts_the_whole_profile() -> None:
    device = guide.body()["device"]
    assert device["name"].startswith("Raspberry Pi 4")
    assert device["kind"] == "cpu"


def test_a_refusal_is_an_error_with_its_reason(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "TASK", "nothing")
    settings = settings_for(HOST, 0, sqlite_url, log_level="error")
    with (
        background(settings, bind(HOST, 0)) as address,
        pytest.raises(guide.TourFailed, match="unknown-name"),
    ):
        guide.request_design(address.url)


def test_waiting_ends_at_a_signal() -> None:
    before = signal.getsignal(signal.SIGTERM)
    threading.Timer(0.1, signal.raise_signal, (signal.SIGTERM,)).start()
    guide.wait_for_stop()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_taken_port_is_named(taken: int) -> None:
    with pytest.raises(PortTaken, match=str(taken)):
        bind(HOST, taken)


def test_settings_of_the_command_line_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESPOKE_DATABASE_URL", "sqlite:///environment.sqlite3")
    assert settings_for(HOST, 1, None).database_url == "sqlite:///environment.sqlite3"
    given = f"sqlite:///{tmp_path}/given.sqlite3"
    assert settings_for("127.0.0.2", 1, given).database_url == given
    assert "127.0.0.2" in settings_for("127.0.0.2", 1, given).allowed_hosts
