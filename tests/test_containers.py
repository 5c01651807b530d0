"""Dockerfile and docker-compose.yml say what the code can do; nothing is built here."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from service.cli import app
from service.settings import Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("migrate", "api", "worker")


@pytest.mark.parametrize("name", OURS)
def test_commands_are_commands_of_ours(name: str) -> None:
    program, command, *arguments = SERVICES[name]["command"]
    assert program == "bespoke"
    group = typer.main.get_group(app)
    found = group.commands[command]
    found.make_context(command, arguments).close()


@pytest.mark.parametrize("name", OURS)
def test_settings_are_settings_of_ours(name: str) -> None:
    stated = SERVICES[name]["environment"]
    for variable in stated:
        assert variable.removeprefix("BESPOKE_").lower() in Settings.model_fields, variable
    assert stated["BESPOKE_DATABASE_URL"].startswith("postgresql://")


def test_migrations_come_first_and_once() -> None:
    assert SERVICES["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert SERVICES["migrate"]["restart"] == "no"
    for name in ("api", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert SERVICES[name]["environment"]["BESPOKE_MIGRATE"] == "false"
        assert SERVICES[name]["deploy"]["replicas"] > 1


def test_there_is_no_default_secret() -> None:
    secrets = re.findall(r"\$\{([A-Z_]*PASSWORD[^}]*)\}", TEXT)
    assert secrets
    assert all(secret.partition(":?")[2] for secret in secrets), "an unset password must stop compose"
    assert not re.search(r"PASSWORD: [^$]", TEXT)


def test_nothing_can_be_reached_from_elsewhere_by_default() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_all_parts_share_their_files() -> None:
    for name in OURS:
        assert SERVICES[name]["volumes"] == ["files:/data"]
        assert SERVICES[name]["environment"]["BESPOKE_DATA_FOLDER"] == "/data"
    named = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert named == set(COMPOSE["volumes"])


def test_a_worker_has_time_to_hand_its_job_over() -> None:
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings.model_fields["grace_s"].default + 10


def test_the_image_holds_every_package() -> None:
    copied = set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, flags=re.MULTILINE))
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert copied == set(packages["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    for name in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE):
        assert all((ROOT / part).exists() for part in name.split())
    assert "USER bespoke" in DOCKERFILE
