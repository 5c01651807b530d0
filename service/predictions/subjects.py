"""Subject: the design that a request is about. One from outside is not trusted: its claims are checked and bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from design.architecture import Architecture
from design.design import Design, Genotype
from design.encoding import IntArray
from design.errors import BespokeError, InvalidDesign, InvalidGenotype
from design.spaces.registry import SPACES, find_space
from design.task import TASKS, Task, find_task
from design.zoo import find_network
from service.context import Context
from service.designs import repository as stored_designs
from service.errors import at, refused
from service.predictions.schemas import DesignReference
from service.problems import Fault, Refusal

MOST_MACS = 10**15
MOST_ELEMENTS = 10**13
MOST_CHOICES = 2**31
"""Bounds on a design from outside: a thousand times the largest networks in use, far below what overflows."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The design asked about and the task it is for."""

    design: Design
    task: Task


def subject_of(context: Context | None, request: DesignReference) -> Subject:
    """The design and task that a request names.

    Args:
        context: Where designs are stored; None = nowhere.
        request: One of the forms that a design can be named in.

    Raises:
        Refusal: They are not known or do not belong together.
    """
    task = None
    if request.task is not None:
        with at("/task"):
            task = find_task(request.task)
    if request.design_id is not None:
        return _stored(context, request.design_id, task)
    if request.network is not None:
        return _named(request.network, task)
    if isinstance(request.design, Genotype):
        own, values = vector_of(request.design, task)
        with at("/design"):
            return Subject(design=find_space(request.design.space).decode(own, values), task=own)
    assert request.design is not None  # the schema saw to it
    return _inline(request.design, task)


def vector_of(genotype: Genotype, task: Task | None) -> tuple[Task, IntArray]:
    """The task of a vector and its canonical values (G), which decode to the same design.

    Args:
        genotype: From outside.
        task: As stated beside it; None = not stated.

    Raises:
        Refusal: It is no member of its space, or for another task.
    """
    with at("/design"):
        own = find_task(genotype.task)
        if task is not None and task != own:
            raise _mismatch(f"must be {own.name!r}, which the vector is for, or left out", repr(task.name))
        space = find_space(genotype.space)
        if any(not 0 <= value < MOST_CHOICES for value in genotype.values):
            raise InvalidGenotype("the values must be indices of choices", "larger or negative ones", pointer="/values")
        return own, space.canonical(own, np.array([genotype.values], dtype=np.int64))[0]


def _stored(context: Context | None, design_id: str, task: Task | None) -> Subject:
    row = None
    if context is not None:
        with context.database.reading() as session:
            row = stored_designs.find(session, design_id)
    if row is None:
        fault = Fault(pointer="/design_id", must="must be the id of a stored design", got=repr(design_id))
        raise Refusal("unknown-name", 422, f"There is no stored design {design_id!r}.", faults=[fault])
    design = Design.model_validate(row.design)
    own = find_task(row.task)
    if task is not None and task != own:
        raise _mismatch(f"must be {own.name!r}, which the design was made for, or left out", repr(task.name))
    return Subject(design=design, task=own)


def _named(name: str, task: Task | None) -> Subject:
    with at("/network"):
        network = find_network(name)
        return Subject(design=network.design(task), task=task or find_task(network.task))


def _inline(design: Design, task: Task | None) -> Subject:
    origin = design.genotype
    if task is None:
        if origin is None or origin.task not in TASKS:
            raise _mismatch("must be given with a design that does not come from a space", "nothing")
        task = TASKS[origin.task]
    check_task(design.architecture, task)
    with at("/design"):
        check_size(design)
    if origin is not None and not _is_member(design, origin):
        error = InvalidDesign(
            "the genotype of a design must decode to that design",
            f"another one of {origin.space!r}",
            "Leave the genotype out.",
            pointer="/genotype",
        )
        raise refused(error, "/design")
    return Subject(design=design, task=task)


def check_task(architecture: Architecture, task: Task) -> None:
    """Refuse a task that the network cannot be for.

    Raises:
        Refusal: Other pictures or classes.
    """
    if architecture.input_shape != task.input_shape:
        raise _mismatch(f"must take pictures of {architecture.input_shape}", f"{task.name!r} with {task.input_shape}")
    if architecture.layers[-1].out_channels != task.classes:
        found = architecture.layers[-1].out_channels
        raise _mismatch(f"must have as many classes as the design has outputs ({found})", f"{task.classes}")


def check_size(design: Design) -> None:
    """Refuse what overflows.

    Raises:
        InvalidDesign: More multiply-accumulates or elements than any network in use.
    """
    layers = design.architecture.layers
    macs = sum(layer.macs for layer in layers)
    elements = sum(layer.weights + layer.in_elements + layer.out_elements for layer in layers)
    for figure, found, most in (("multiply-accumulates", macs, MOST_MACS), ("elements", elements, MOST_ELEMENTS)):
        if found > most:
            raise InvalidDesign(f"a design must have at most {most:.0e} {figure}", f"{found:.3g}")


def _is_member(design: Design, origin: Genotype) -> bool:
    """Whether the vector that a design claims to come from is its own."""
    if origin.space not in SPACES or origin.task not in TASKS:
        return False
    if any(not 0 <= value < MOST_CHOICES for value in origin.values):
        return False
    try:
        return SPACES[origin.space].decode(TASKS[origin.task], origin.values).digest == design.digest
    except BespokeError:
        return False


def _mismatch(must: str, got: str) -> Refusal:
    return Refusal(
        "task-mismatch", 422, f"The task {must}, but got {got}.", faults=[Fault(pointer="/task", must=must, got=got)]
    )
