"""The API as a process of its own, which can be killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.service.worker.house import ROOT, House

PROGRAM = "from service.cli import main; main()"


@contextmanager
def served(house: House, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`bespoke serve` as a process of its own, and its address; killed at the end."""
    stated = {
        "BESPOKE_JOBS": "true",
        "BESPOKE_DATA_FOLDER": str(house.settings.data_folder),
        "BESPOKE_ENGINE_SCHEMA": house.settings.engine_schema,
        "BESPOKE_WARM_UP": "[]",
    }
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", str(port)]
    command += ["--database-url", house.settings.database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | stated) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found is not None
            yield process, found[0]
        finally:
            process.kill()
