"""Slow trials that stop whole machines' worth of things: run with BESPOKE_TEST_SLOW=1, on a server of their own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.service.worker.house import House, a_house
from tests.service.worker.own_server import Server
from tests.service.worker.tiny_steps import NAMES, expected

pytestmark = pytest.mark.skipif(os.environ.get("BESPOKE_TEST_SLOW") != "1", reason="slow: BESPOKE_TEST_SLOW=1")
DEFAULTS = {"database_idle_s": 10.0, "heartbeat_s": 2.0, "dead_after_s": 10.0, "poll_s": 1.0, "watch_s": 0.25}


@pytest.mark.parametrize("away_s", [1.0, 4.0])
def test_a_database_that_restarts_in_the_middle_of_a_job(server: Server, tmp_path: Path, away_s: float) -> None:
    """Down for less, and for longer, than makes a worker dead."""
    with a_house(f"postgresql+psycopg://test@127.0.0.1:{server.port}/test", tmp_path) as house:
        house.start()
        job_id = house.add(step_s=2.0)
        house.until(lambda: house.started(job_id, "train"))
        time.sleep(0.5)
        server.stop()
        time.sleep(away_s)
        server.start()
        row = house.ended(job_id, within_s=60)
        assert row.state == "succeeded", house.logs()
        assert house.result(job_id) == expected()
        assert [data["step"] for data in house.kinds(job_id, "step-finished")] == list(NAMES)


def test_takeover_with_the_settings_that_users_have(house: House, tmp_path: Path) -> None:
    """`kill -9`, never to come back: another worker goes on within 15 s."""
    with a_house(house.settings.database_url, tmp_path / "own", house.settings.engine_schema, **DEFAULTS) as usual:
        usual.start_two()
        job_id = usual.add(step_s=3.0)
        usual.until(lambda: usual.started(job_id, "train"))
        usual.kill(usual.holder(job_id))
        took = usual.until(lambda: usual.started(job_id, "train", attempt=2), within_s=30)
        print(f"taken over after {took:.1f} s")  # noqa: T201
        assert took < 15
        assert usual.ended(job_id).state == "succeeded", usual.logs()
