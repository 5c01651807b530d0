"""`bespoke memory`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from design.errors import BespokeError
from service.cli import app


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["memory", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_variables_and_the_largest_batch() -> None:
    found = json.loads(_run("binarynet", "--binary", "--batch", "100", "--limit-mb", "100", "--json"))
    assert found["standard"]["bytes"] / 2**20 == pytest.approx(512.8, rel=1e-3)
    for method in ("standard", "low_memory", "published"):
        assert sum(found[method]["variables"].values()) == pytest.approx(found[method]["bytes"], abs=10)
    assert found["standard"]["largest_batch"] == 0 < found["low_memory"]["largest_batch"] < 100


def test_memory_of_a_device() -> None:
    found = json.loads(_run("resnet20", "--binary", "--device", "raspberry-pi-4", "--json"))
    assert found["limit_bytes"] > 1e9
    assert found["low_memory"]["largest_batch"] > 2 * found["standard"]["largest_batch"]


def test_a_table_for_people() -> None:
    text = _run("mlp", "--task", "mnist", "--optim", "sgd", "--limit-mb", "3")
    assert "pool masks" in text
    assert "largest batch in 3,000 kB" in text


def test_one_limit_at_a_time() -> None:
    with pytest.raises(BespokeError, match="must be given once"):
        _run("resnet20", "--device", "raspberry-pi-4", "--limit-mb", "3")
