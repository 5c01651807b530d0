"""Tiny designs of mixed bits for digits, and a real worker for their jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from design.architecture import INPUT, Architecture
from design.design import Design
from design.devices.catalogue import find_device
from design.layer import Activation, Layer, Op, Role
from design.layers import conv, elementwise, flatten, fully_connected, pool
from design.policies import policy_by_role
from design.precision import BINARY, FULL, precision
from design.pruning import PruningPlan
from design.task import find_task
from optimizer.problem import Answer, Problem
from predictors.descriptor import describe
from predictors.predict import explain
from tests.service.worker.house import ROOT, House

DEVICE, TASK = "stm32f746", "digits"


def design(*, quantized: bool = True) -> Design:
    """8, 4, 1 and 32 bits in one network of four layers; or everything in full precision."""
    relu = Activation.RELU
    layers = (
        conv("stem", INPUT, (1, 8, 8), 8, activation=relu, role=Role.STEM),
        conv("body1", "stem", (8, 8, 8), 16, stride=2, activation=relu),
        conv("body2", "body1", (16, 4, 4), 16, activation=relu),
        pool("pool", "body2", (16, 4, 4), kernel=2, stride=2),
        flatten("flatten", "pool", (16, 2, 2)),
        fully_connected("classifier", "flatten", 64, 10, role=Role.CLASSIFIER),
    )
    architecture = Architecture(name="tiny", input_shape=(1, 8, 8), layers=layers)
    bits = {"stem": precision(8), "body1": precision(4), "body2": BINARY} if quantized else {}
    return Design(architecture=architecture, policy=policy_by_role(architecture, edge=FULL, overrides=bits))


def pruned_design(*, bits: bool = True) -> Design:
    """A shortcut that pads, a depthwise convolution and mixed bits; fewer filters in all streams.

    The wide stream keeps more than the narrow one and its padding can give, so that the shortcut has channels of its
    own order.
    """
    relu = Activation.RELU
    stem = conv("stem", INPUT, (1, 8, 8), 8, activation=relu, role=Role.STEM)
    inner = conv("inner", "stem", stem.out_shape, 12, stride=2, activation=relu)
    outer = conv("outer", "inner", inner.out_shape, 12)
    shortcut = Layer(
        name="shortcut",
        op=Op.PAD,
        inputs=("stem",),
        in_channels=8,
        in_height=8,
        in_width=8,
        out_channels=12,
        out_height=4,
        out_width=4,
        stride=2,
        role=Role.SHORTCUT,
    )
    total = elementwise("add", ("outer", "shortcut"), outer.out_shape, activation=relu)
    depthwise = conv("depthwise", "add", total.out_shape, 12, groups=12, activation=relu)
    point = conv("point", "depthwise", depthwise.out_shape, 12, kernel=1, activation=relu)
    layers = (
        *(stem, inner, outer, shortcut, total, depthwise, point),
        pool("pool", "point", point.out_shape, kernel=2, stride=2),
        flatten("flatten", "pool", (12, 2, 2)),
        fully_connected("classifier", "flatten", 48, 10, role=Role.CLASSIFIER),
    )
    architecture = Architecture(name="tiny residual", input_shape=(1, 8, 8), layers=layers)
    own = {"stem": precision(8), "inner": precision(8), "outer": precision(4), "point": BINARY} if bits else {}
    policy = policy_by_role(architecture, edge=FULL, overrides=own)
    plan = PruningPlan(kept={"stem": 4, "inner": 7, "outer": 10, "point": 8})
    return Design(architecture=architecture, policy=policy, plan=plan)


def answer(problem: Problem) -> Answer:
    """An optimizer that knows the tiny design; one in full precision where accuracy alone counts."""
    own = design(quantized=problem.seed == 0)
    prediction = explain(own, describe(problem.device), problem.task, risk=problem.constraints.risk)
    return Answer(
        design=own,
        prediction=prediction,
        feasible=True,
        approach="known",
        optimizer_version="0",
        evaluations=1,
        seed=problem.seed,
    )


def job_of(own: Design, folder: str, **more: Any) -> dict[str, Any]:
    """A job file as a trainer gets it."""
    device = find_device(DEVICE)
    prediction = explain(own, describe(device), find_task(TASK))
    return {
        "job_id": "job_1",
        "design": own.model_dump(mode="json"),
        "design_name": "tiny",
        "design_digest": own.digest,
        "device": device.model_dump(mode="json"),
        "prediction": prediction.model_dump(mode="json"),
        "task": TASK,
        "dataset": {"name": TASK},
        "dataset_file": None,
        "pictures_folder": None,
        "options": {"epochs": 1},
        "results": {},
        "work_folder": folder,
    } | more


def start_real(house: House, slot: int = 0) -> None:
    """A worker as the service starts it."""
    stated = house.settings.model_dump(mode="json", include={*_STATED})
    environment = {f"BESPOKE_{name.upper()}": str(value) for name, value in stated.items()}
    command = [sys.executable, "-m", "service.worker.alone", str(os.getpid()), "cpu"]
    with (house.settings.data_folder / f"worker-{slot}.log").open("a") as log:
        environment = os.environ | environment | {"OMP_NUM_THREADS": "1"}
        worker = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, text=True, env=environment)
    house.workers[slot] = worker


_STATED = (
    "database_url",
    "data_folder",
    "jobs",
    "engine_schema",
    "grace_s",
    "heartbeat_s",
    "dead_after_s",
    "poll_s",
    "watch_s",
)
