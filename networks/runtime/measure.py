"""measure: the latency of an ONNX model on this very machine, in a process that does nothing else."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from networks.runtime.errors import MeasurementFailed

TIME_OUT_S = 120.0
DISTURBED = 1.2


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """How to measure.

    Attributes:
        threads: Of the runtime.
        batch_size: Pictures in a call.
        warm_ups: Calls that are not counted.
        repeats: Most calls that are.
        seconds: About how long to repeat; three calls at least.
    """

    threads: int = 1
    batch_size: int = 1
    warm_ups: int = 5
    repeats: int = 200
    seconds: float = 5.0

    def __post_init__(self) -> None:
        least = {"threads": 1, "batch_size": 1, "warm_ups": 0, "repeats": 3, "seconds": 0.0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise MeasurementFailed(f"{name} must be at least {value:g}", f"{getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class HostLatency:
    """What was measured.

    Attributes:
        minimum_ms, median_ms: Wall time of one call.
        cpu_minimum_ms, cpu_median_ms: CPU time of the process, all threads together, in one call.
        repeats: Calls counted.
        load_before, load_after: Processes that wanted a core, mean of a minute.
        runtime: With its version.
    """

    minimum_ms: float
    median_ms: float
    cpu_minimum_ms: float
    cpu_median_ms: float
    repeats: int
    threads: int
    batch_size: int
    load_before: float
    load_after: float
    runtime: str

    @property
    def disturbed(self) -> bool:
        """Whether other processes took the core even in the fastest call; told for one thread alone."""
        return self.threads == 1 and self.minimum_ms > DISTURBED * self.cpu_minimum_ms

    @property
    def latency_ms(self) -> float:
        """What is stored as the measurement: the fastest call, which other processes have disturbed least.

        Where they have disturbed even that one, its CPU time, which is what one thread takes alone.
        """
        return self.cpu_minimum_ms if self.disturbed else self.minimum_ms

    @property
    def note(self) -> str:
        """How it was measured, in one line."""
        what = "CPU time (the machine was busy)" if self.disturbed else "wall time"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return (
            f"fastest of {self.repeats} calls, {what}; median wall {self.median_ms:.3g} ms, CPU "
            f"{self.cpu_median_ms:.3g} ms; batch {self.batch_size}, {threads}, {self.runtime}, "
            f"load {self.load_before:.1f}"
        )


def measure(model: Path, options: MeasureOptions | None = None) -> HostLatency:
    """Time a model.

    Args:
        model: The file.
        options: How.

    Raises:
        MeasurementFailed: The process died or took too long; the text has its last words.
    """
    own = options or MeasureOptions()
    figures = (own.threads, own.batch_size, own.warm_ups, own.repeats, own.seconds)
    command = [sys.executable, "-m", "networks.runtime.latency_probe", str(model.resolve()), *map(str, figures)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_OUT_S + own.seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise MeasurementFailed(
            f"a measurement must end within {TIME_OUT_S + own.seconds:g} s", "none of that model", "Use fewer pictures."
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise MeasurementFailed(f"{model.name} must run on this machine", last[:400])
    said = json.loads(done.stdout)
    wall, cpu = said["wall_ms"], said["cpu_ms"]
    return HostLatency(
        minimum_ms=min(wall),
        median_ms=statistics.median(wall),
        cpu_minimum_ms=min(cpu),
        cpu_median_ms=statistics.median(cpu),
        repeats=len(wall),
        threads=own.threads,
        batch_size=own.batch_size,
        load_before=said["load_before"],
        load_after=said["load_after"],
        runtime=said["runtime"],
    )
