"""Latency is measured in a process of its own, and a model that does not run is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from design.task import find_task
from design.zoo import find_network
from networks.export.onnx_model import export_onnx
from networks.runtime.errors import MeasurementFailed
from networks.runtime.measure import HostLatency, MeasureOptions, measure
from tests.networks.export.worn import worn


def test_a_model_is_timed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(worn(find_network("resnet20").design(find_task("digits")))).save(path)
    found = measure(path, MeasureOptions(repeats=5, seconds=1, batch_size=2))
    assert 0 < found.minimum_ms <= found.median_ms
    assert 0 < found.cpu_minimum_ms <= found.cpu_median_ms
    assert 3 <= found.repeats <= 5
    assert found.runtime.startswith("onnxruntime ")
    assert found.load_before >= 0
    assert "batch 2, 1 thread, onnxruntime" in found.note
    assert found.latency_ms in (found.minimum_ms, found.cpu_minimum_ms)


def test_a_busy_machine_is_seen_in_the_cpu_time() -> None:
    def latency(minimum_ms: float, threads: int) -> HostLatency:
        return HostLatency(
            minimum_ms=minimum_ms,
            median_ms=30,
            cpu_minimum_ms=10,
            cpu_median_ms=11,
            repeats=9,
            threads=threads,
            batch_size=1,
            load_before=4,
            load_after=4,
            runtime="onnxruntime 1",
        )

    assert latency(10.5, 1).latency_ms == 10.5
    assert latency(25, 1).latency_ms == 10
    assert "busy" in latency(25, 1).note
    assert latency(25, 2).latency_ms == 25


def test_what_does_not_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(MeasurementFailed, match=r"broken\.onnx must run on this machine.*InvalidArtefact"):
        measure(path)
    with pytest.raises(MeasurementFailed, match="threads must be at least 1"):
        MeasureOptions(threads=0)
