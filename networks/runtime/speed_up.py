"""speed_up: how much faster a network runs after something was removed from it, measured on this very machine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from networks.export.onnx_model import export_onnx
from networks.network import Network
from networks.runtime.measure import HostLatency, MeasureOptions, measure

ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class SpeedUp:
    """Both measurements: of each network the round that was disturbed least.

    Attributes:
        before: Of the first network.
        after: Of the second.
    """

    before: HostLatency
    after: HostLatency

    @property
    def factor(self) -> float:
        """How many times as fast the second is."""
        return self.before.latency_ms / self.after.latency_ms


def speed_up(before: Network, after: Network, options: MeasureOptions | None = None, rounds: int = ROUNDS) -> SpeedUp:
    """Export two networks and time them in onnxruntime, in turns, each in a process of its own.

    Args:
        before: In any mode; not changed.
        after: As `before`.
        options: How to measure.
        rounds: Turns of each.

    Raises:
        UnsupportedLayer: One cannot be exported.
        MeasurementFailed: One does not run here.
    """
    best: dict[str, HostLatency] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.onnx" for name in ("before", "after")}
        for name, network in (("before", before), ("after", after)):
            export_onnx(network).save(paths[name])
        for _ in range(rounds):
            for name, path in paths.items():
                found = measure(path, options)
                if name not in best or found.latency_ms < best[name].latency_ms:
                    best[name] = found
    return SpeedUp(before=best["before"], after=best["after"])
