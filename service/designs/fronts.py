"""Fronts of stored designs: drawn when somebody first asks, and kept where the same figures would be drawn again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from design.constraints import Constraints, Preferences
from design.design import Genotype
from design.device import DeviceProfile
from design.errors import UnknownName
from design.task import find_task
from optimizer.front import draw_front
from optimizer.neural import NeuralSearch
from optimizer.problem import FrontPoint, Problem
from service.context import Context
from service.designs import repository
from service.devices.operations import resolve
from service.devices.schemas import RestsOn
from service.measurements.adaptations import Adapted
from service.models import DesignRow


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


def front_of(context: Context, row: DesignRow) -> StoredFront:
    """The front around a stored design (with all its documents): as stored, or drawn now.

    What is drawn is stored if predictors and measurements are still those that the design was made with.

    Raises:
        Busy: Too many optimizations are waiting.
        BespokeError: It can no longer be drawn.
    """
    own = RestsOn.model_validate(row.measurements) if row.measurements else None
    predictors: dict[str, str] = row.versions["predictors"]
    if row.front:
        points = [FrontPoint.model_validate(point) for point in row.front]
        return StoredFront(points=points, predictors=predictors, measurements=own)
    profile = DeviceProfile.model_validate(row.device)
    adapted = _adapted(context, row, profile)
    rests_on = RestsOn(count=adapted.count, digest=adapted.digest) if adapted else None
    problem = Problem(
        device=profile,
        task=find_task(row.task),
        constraints=Constraints.model_validate(row.limits),
        preferences=Preferences.model_validate(row.preferences),
        spaces=tuple(row.spaces),
        seed=row.seed,
        energy_model=row.energy_model,
        adaptation=adapted.adaptation if adapted else None,
        method="network" if row.approach == NeuralSearch.approach else "auto",
    )
    with context.gate.enter():
        drawn = draw_front(problem, Genotype.model_validate(row.design["genotype"]))
    same = drawn.sources == predictors and rests_on == own
    if same:
        with context.database.writing() as session:
            repository.keep_front(session, row.id, drawn.points)
    return StoredFront(points=drawn.points, predictors=drawn.sources, measurements=rests_on, as_designed=same)


def _adapted(context: Context, row: DesignRow, profile: DeviceProfile) -> Adapted | None:
    """What the device's measurements say now, if the design rests on any and the device is still there."""
    if row.measurements is None or row.device_id is None:
        return None
    try:
        target = resolve(context, row.device_id)
    except UnknownName:
        return None
    return target.adapted(context, row.energy_model) if target.profile == profile else None
