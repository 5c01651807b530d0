"""A report with everything in it."""

from __future__ import annotations

import math
from typing import Any

from design.design import Design
from design.devices.catalogue import find_device
from design.policies import policy_by_role
from design.precision import BINARY, precision
from design.task import find_task
from design.zoo import find_network
from networks.runtime.host import host_profile
from networks.training.monitor.record import Finding, MonitorRecord, Reading, Verdict
from predictors.descriptor import describe
from predictors.predict import explain
from service.worker.report.document import (
    ExportedFile,
    FileNote,
    JobReport,
    KeptFilters,
    Pruning,
    ReadBound,
    SignificantLayer,
    StepNote,
    TrainedEpoch,
    Training,
    comparisons,
)

CPUINFO = "processor : 0\nmodel name : Some CPU\ncpu MHz : 2600\nflags : sse2 avx avx2 fma\n"


def watched() -> dict[str, Any]:
    """What a monitor saw: curvature that rises to its threshold."""
    readings = tuple(
        Reading(
            step=40 * place,
            learning_rate=0.1,
            loss=2.0 / (place + 1),
            loss_deviation=0.1,
            highest_loss=2.2 / (place + 1),
            gradient_norm=1.0,
            probe_loss=2.1 / (place + 1),
            sharpness=4.0 * (place + 1),
            threshold=20.0,
        )
        for place in range(6)
    )
    return MonitorRecord(
        readings=readings,
        verdicts=(Verdict(finding=Finding.EDGE, step=200, words="At the edge <of> stability, as is normal."),),
        start=None,
        threshold="2 / step size",
        measures="of the loss",
        critical_measures="",
        statistics=None,
        pictures=64,
        chunk=64,
        steps=240,
        overhead=0.07,
    ).as_json()


def sample(*, accuracy: float = 0.952, latency_ms: float = 0.31) -> JobReport:
    task = find_task("digits")
    architecture = find_network("resnet20").design(task).architecture
    mixed = {"stage2.block1.conv1": precision(2), "stage3.block1.conv1": precision(4)}
    policy = policy_by_role(architecture, body=BINARY, edge=precision(8), shortcut=precision(32), overrides=mixed)
    design = Design(architecture=architecture, policy=policy)
    device = find_device("raspberry-pi-4")
    host = explain(design, describe(host_profile(runtime="onnxruntime 1", cpuinfo=CPUINFO, meminfo="")), task)
    predicted = explain(design, describe(device), task)
    names = [layer.name for layer in architecture.weighted if ".conv" in layer.name]
    return JobReport(
        job_id="job_01k5zj4v8qy0w3t7rb6n2m9xhc",
        made_at="2026-11-25T12:00:00Z",
        name="ResNet-20, hybrid <1 and 2 bit>",
        digest=design.digest,
        task=task.name,
        dataset="scikit-learn digits",
        device=device.name,
        seed=0,
        prediction=predicted,
        comparisons=comparisons(
            predicted,
            host,
            accuracy=accuracy,
            test_pictures=360,
            packed_bytes=predicted.model_bytes + 17,
            latency_ms=latency_ms,
            latency_how="fastest of 200 calls, batch 1, 1 thread, onnxruntime 1",
        ),
        training_pictures=1_294,
        trainings=tuple(
            Training(
                name=name,
                epochs=tuple(
                    TrainedEpoch(
                        loss=0.1 + 2.2 * math.exp(-place / 4),
                        accuracy=0.95 - 0.8 * math.exp(-place / 4),
                        validation_loss=0.15 + 2.1 * math.exp(-place / 3) + 0.03 * (place % 3),
                        validation_accuracy=0.96 - 0.75 * math.exp(-place / 3) - 0.01 * (place % 3),
                    )
                    for place in range(epochs)
                ),
                best_epoch=epochs - 2,
                seconds=31.5,
                monitor=watched(),
                memory="no limit on training memory",
            )
            for name, epochs in (("train", 20), ("quantize", 12))
        ),
        pruning=Pruning(
            method="provable <filter> pruning",
            pictures=143,
            before=0.9871,
            cut=0.2341,
            after=0.9725,
            groups=(
                KeptFilters(layers=("stem.conv", "stage1.block1.conv2"), kept=(0, 3, 5), of=16),
                KeptFilters(layers=("stage1.block1.conv1",), kept=(1, 2), of=16),
            ),
            bounds=(
                ReadBound(layer="stage1.block1.conv1", removed_share=0.3456, draws_epsilon=3.456),
                ReadBound(layer="head.fc", removed_share=0.0, draws_epsilon=0.0),
            ),
        ),
        significance=tuple(
            SignificantLayer(
                name=name,
                channels=layer_channels,
                components=round(layer_channels * (0.5 + 0.3 * math.sin(place))),
                significant=place % 5 == 2,
                reason=f"{place} components after {place - 1}: +1 < 2",
            )
            for place, name in enumerate(names)
            for layer_channels in [architecture.layer(name).out_channels]
        ),
        exported=(
            ExportedFile(
                name="model.onnx",
                form="exact",
                bytes=111_786,
                integer_layers=0,
                float_layers=tuple(names),
                layer_error=6e-7,
                worst_layer="stage2.block2.conv1",
                logits_error=3e-4,
                pictures=360,
                parted=2,
                accuracy=accuracy,
                latency_ms=latency_ms,
            ),
        ),
        host="this machine (Some CPU), onnxruntime 1",
        host_assumed=host.assumed,
        steps=(
            StepNote(name="prepare", seconds=1.2),
            StepNote(name="train", seconds=31.5),
            StepNote(name="prune", seconds=12.5),
            StepNote(name="quantize", seconds=20),
            StepNote(name="calibrate", skipped="no layer runs on whole numbers"),
            StepNote(name="export", seconds=0.8),
        ),
        files=(
            FileNote(name="model.onnx", bytes=111_786, what="the network for any ONNX runtime"),
            FileNote(name="model.bspk", bytes=62_000, what="packed weights, every one at its own bits"),
            FileNote(name="trained.safetensors", bytes=1_100_000, what="latent weights, to train on from"),
            FileNote(name="run_model.py", bytes=2_100, what="loads the model and classifies pictures"),
        ),
    )
