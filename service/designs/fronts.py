"""Fronts of stored designs: drawn when somebody first asks, and kept where the same figures would be drawn again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from design.constraints import Constraints, Preferences
from design.design import Genotype
from design.device import DeviceProfile
from design.errors import BespokeError, UnknownName
from design.task import find_task
from optimizer.front import draw_front
from optimizer.neural import NeuralSearch
from optimizer.problem import FrontPoint, Method, Problem
from predictors.storage import InvalidWeights
from service.context import Context
from service.designs import repository
from service.devices.operations import resolve
from service.devices.schemas import RestsOn
from service.errors import refused
from service.gate import Busy
from service.measurements.adaptations import Adapted
from service.models import DesignRow
from service.problems import Refusal


@dataclass(frozen=True, kw_only=True)
class StoredFront:
    """The front around a stored design.

    Attributes:
        points: By rising latency.
        predictors: Figure -> name and version of what it comes from.
        measurements: Of the device, that the figures rest on.
        as_designed: All that the figures come from is what those of the design came from.
    """

    points: Sequence[FrontPoint]
    predictors: Mapping[str, str]
    measurements: RestsOn | None
    as_designed: bool = True


def front_of(context: Context, row: DesignRow, *, wait: bool = True) -> StoredFront:
    """The front around a stored design (with all its documents): as stored, or drawn now.

    What is drawn is stored if predictors and measurements are still those that the design was made with, and if the
    database takes it: who reads a design does not depend on that.

    Args:
        context: Of the application.
        row: The design.
        wait: For a place among the optimizations.

    Raises:
        Busy: It has to be drawn, and too many optimizations are waiting or none may be begun at once.
        Refusal: It can no longer be drawn.
        InvalidWeights: What ships is damaged.
    """
    own = RestsOn.model_validate(row.measurements) if row.measurements else None
    predictors: dict[str, str] = row.versions["predictors"]
    if row.front:
        points = [FrontPoint.model_validate(point) for point in row.front]
        return StoredFront(points=points, predictors=predictors, measurements=own)
    adapted = _adapted(context, row)
    rests_on = RestsOn(count=adapted.count, digest=adapted.digest) if adapted else None
    try:
        problem = _asked(row, adapted)
        with context.gate.enter(wait=wait):
            drawn = draw_front(problem, Genotype.model_validate(row.design["genotype"]))
    except InvalidWeights:
        raise
    except BespokeError as error:
        said = f"The design was made by another version of this service, which this one cannot follow: {error}"
        raise Refusal("front-not-drawable", 409, said) from error
    same = drawn.sources == predictors and rests_on == own
    if same:
        _keep(context, row.id, drawn.points)
    return StoredFront(points=drawn.points, predictors=drawn.sources, measurements=rests_on, as_designed=same)


def front_to_show(context: Context, row: DesignRow) -> StoredFront | str:
    """The front around a stored design, or a sentence that says why there is none; never waits behind designs."""
    try:
        return front_of(context, row, wait=False)
    except Busy:
        return "It could not be drawn just now, since other designs are being worked on. Look again in a moment."
    except Refusal as refusal:
        return refusal.detail
    except BespokeError as error:
        return refused(error).detail


def _asked(row: DesignRow, adapted: Adapted | None) -> Problem:
    """What was asked for; rows stored before methods were kept do not tell by which."""
    guessed: Method = "network" if row.approach == NeuralSearch.approach else "auto"
    return Problem(
        device=DeviceProfile.model_validate(row.device),
        task=find_task(row.task),
        constraints=Constraints.model_validate(row.limits),
        preferences=Preferences.model_validate(row.preferences),
        spaces=tuple(row.spaces),
        seed=row.seed,
        energy_model=row.energy_model,
        adaptation=adapted.adaptation if adapted else None,
        method=row.method or guessed,  # type: ignore[arg-type]  # stored as one of them
    )


def _keep(context: Context, design_id: str, points: Sequence[FrontPoint]) -> None:
    """Store a front that was drawn, if the database takes it."""
    try:
        with context.database.writing() as session:
            repository.keep_front(session, design_id, points)
    except SQLAlchemyError as error:
        structlog.get_logger().warning("a front was drawn and could not be kept", design=design_id, error=str(error))


def _adapted(context: Context, row: DesignRow) -> Adapted | None:
    """What the device's measurements say now, if the design rests on any and the device is still there."""
    if row.measurements is None or row.device_id is None:
        return None
    try:
        target = resolve(context, row.device_id)
    except UnknownName:
        return None
    same = target.profile == DeviceProfile.model_validate(row.device)
    return target.adapted(context, row.energy_model) if same else None
