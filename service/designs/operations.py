"""What can be done with designs."""

from __future__ import annotations

import time

from fastapi import Response

from design.constraints import Constraints
from design.errors import BespokeError
from design.spaces.registry import find_space
from design.task import find_task
from optimizer.approaches import why
from optimizer.problem import Answer, Problem
from predictors.energy import find_energy_model
from service.context import Context
from service.designs import repository
from service.designs.fronts import front_of
from service.designs.infeasible import infeasible
from service.designs.places import Place
from service.designs.repository import Asked
from service.designs.schemas import (
    DesignDocument,
    DesignFilter,
    DesignLinks,
    DesignRequest,
    DesignSort,
    DesignSummary,
    FrontDocument,
    Versions,
)
from service.devices.operations import resolve
from service.devices.schemas import RestsOn
from service.errors import at
from service.idempotency import Once, Record, Reply
from service.models import DesignRow
from service.problems import Refusal, not_found
from service.release import RELEASE


def create(context: Context, once: Once, request: DesignRequest) -> Response:
    """Find the best design for a request and store it; if none keeps the limits, say what would and store nothing."""

    def work(record: Record) -> Reply:
        question, place = asked(context, request), Place(named=isinstance(request.device, str))
        try:
            answer = _solve(context, question.problem)
        except BespokeError as error:
            raise place.refused(error) from error
        if not answer.feasible:
            raise _infeasible(answer, question.problem, place)
        versions = Versions(
            bespoke=RELEASE,
            optimizer=answer.optimizer_version,
            energy_model=answer.prediction.energy_model,
            predictors=answer.prediction.sources,
        )
        with context.database.writing() as session:
            document = _document(repository.add(session, question, answer, versions), answer)
            reply = Reply(status=201, body=document.model_dump_json(), location=document.links.self)
            record(session, reply)
        return reply

    return once.answer(context, request, work)


def find(context: Context, design_id: str) -> DesignDocument:
    """One stored design.

    Raises:
        Refusal: There is none of that id.
    """
    with context.database.reading() as session:
        return _document(_row(repository.find(session, design_id), design_id))


def find_front(context: Context, design_id: str) -> FrontDocument:
    """The front around a stored design.

    Raises:
        Refusal: There is none of that id.
        Busy: It has to be drawn, and too many optimizations are waiting.
    """
    with context.database.reading() as session:
        row = _row(repository.find(session, design_id), design_id)
    found = front_of(context, row)
    return FrontDocument(
        design_id=row.id,
        task=row.task,
        device_name=row.device_name,
        points=tuple(found.points),
        predictors=dict(found.predictors),
        measurements=found.measurements,
        as_designed=found.as_designed,
    )


def remove(context: Context, design_id: str) -> None:
    """Delete a stored design.

    Raises:
        Refusal: There is none of that id.
    """
    with context.database.writing() as session:
        if not repository.remove(session, design_id):
            raise not_found("design", design_id)


def listed(
    context: Context, wanted: DesignFilter, sort: DesignSort, limit: int, cursor: str | None
) -> tuple[list[DesignSummary], str | None]:
    """One page of stored designs, and the cursor of the next one."""
    with context.database.reading() as session:
        rows, after = repository.listed(session, wanted, sort, limit, cursor)
        return [_summary(row) for row in rows], after


def asked(context: Context, request: DesignRequest) -> Asked:
    """What a request asks.

    Raises:
        Refusal: It names something that is not known.
    """
    with at("/device"):
        target = resolve(context, request.device)
    with at("/task"):
        task = find_task(request.task)
    with at("/energy_model"):
        find_energy_model(request.energy_model)
    for index, name in enumerate(request.spaces):
        with at(f"/spaces/{index}"):
            find_space(name).genes(task)
    found = target.adapted(context, request.energy_model)
    problem = Problem(
        device=target.profile,
        task=task,
        constraints=request.limits,
        preferences=request.preferences,
        spaces=request.spaces,
        seed=request.seed,
        energy_model=request.energy_model,
        adaptation=found.adaptation if found else None,
        method=request.method,
    )
    rests_on = RestsOn(count=found.count, digest=found.digest) if found else None
    return Asked(device_id=target.device_id, rests_on=rests_on, problem=problem)


def _solve(context: Context, problem: Problem) -> Answer:
    """Ask the optimizer, within the bounds on how many may run at once."""
    with context.gate.enter():
        begun = time.perf_counter()
        try:
            answer = context.optimize(problem)
        except Exception:
            context.metrics.designs.labels("refused").inc()
            raise
        context.metrics.optimizer_seconds.observe(time.perf_counter() - begun)
    context.metrics.designs.labels("feasible" if answer.feasible else "infeasible").inc()
    return answer


def _infeasible(answer: Answer, problem: Problem, place: Place) -> Refusal:
    """What came nearest, which limits it breaks and how tight each could be."""
    nearest = {
        "digest": answer.design.digest,
        "design": answer.design.model_dump(mode="json"),
        "prediction": answer.prediction.model_dump(mode="json"),
        "approach": answer.approach,
        "why": answer.why,
    }
    return infeasible(answer.violations, nearest, problem.constraints, place=place)


def _row(row: DesignRow | None, design_id: str) -> DesignRow:
    if row is None:
        raise not_found("design", design_id)
    return row


def _links(design_id: str) -> DesignLinks:
    own = f"/v1/designs/{design_id}"
    return DesignLinks(self=own, front=f"{own}/front", page=f"/designs/{design_id}")


def _summary(row: DesignRow) -> DesignSummary:
    own = {"links": _links(row.id), "limits": _stored_limits(row)}
    return DesignSummary.model_validate(
        {name: getattr(row, name) for name in DesignSummary.model_fields if name not in own} | own
    )


def _stored_limits(row: DesignRow) -> Constraints:
    """As they were asked for, when bounds may have been wider: not judged again."""
    return Constraints.model_construct(**row.limits)


def _document(row: DesignRow, answer: Answer | None = None) -> DesignDocument:
    """A stored design for people; with the answer that was stored just now, nothing is read twice."""
    own = {
        "feasible": True,
        "assumed": row.prediction["assumed"],
        "links": _links(row.id),
        "why": why(row.approach, row.method),
        "limits": _stored_limits(row),
    }
    if answer is not None:
        own |= {"design": answer.design, "prediction": answer.prediction}
    stored = {name: getattr(row, name) for name in DesignDocument.model_fields if name not in own}
    return DesignDocument.model_validate(stored | own)
