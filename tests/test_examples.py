"""Every example runs as it stands."""

from __future__ import annotations

import runpy
import sys
import warnings
from pathlib import Path

import pytest

from service.serve import background, bind, settings_for

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_all_examples_are_tested_here() -> None:
    assert {file.name for file in EXAMPLES.glob("*.py")} == {"first_design.py", "http_client.py", "own_model.py"}


def test_first_design(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "first_design.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "90 % interval" in shown
    assert "W8A8" in shown
    assert "assumed" in shown


def test_http_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_for("127.0.0.1", 0, f"sqlite:///{tmp_path / 'example.sqlite3'}", log_level="error")
    with background(settings, bind("127.0.0.1", 0)) as address:
        monkeypatch.setattr(sys, "argv", ["http_client.py", address.url])
        runpy.run_path(str(EXAMPLES / "http_client.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert f"its page: {address.url}/designs/dsn_" in shown
    assert "No design found keeps every limit" in shown
    assert "latency_ms: asked 0.001, tightest" in shown


def test_own_model(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the exporter
        runpy.run_path(str(EXAMPLES / "own_model.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "6.30 million multiply-accumulates, 24,346 parameters" in shown
    assert "STM32F746" in shown
