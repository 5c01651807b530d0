"""The file of a monitor's record, so that a training that goes on from a checkpoint keeps it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from networks.training.monitor.record import MonitorRecord


def save_record(record: MonitorRecord, path: Path) -> None:
    """Write beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    beside.write_text(json.dumps(record.as_json(), allow_nan=False), encoding="utf-8")
    beside.replace(path)


def load_record(path: Path) -> MonitorRecord | None:
    """The record at a path; None where there is none that can be read: a training does not depend on it."""
    try:
        return MonitorRecord.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
