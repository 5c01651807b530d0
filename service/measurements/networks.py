"""From the forms that a row may name its network in to what is kept of it."""

from __future__ import annotations

from design.design import Genotype
from design.task import find_task
from service.context import Context
from service.errors import at
from service.measurements.sources import MeasuredNetwork, Source, measured_design, member
from service.predictions.schemas import DesignReference
from service.predictions.subjects import subject_of, vector_of


def network_of(context: Context | None, reference: DesignReference) -> MeasuredNetwork:
    """The network that a row names.

    Args:
        context: Where designs are stored; None = nowhere (the command line).
        reference: By name, by the id of a stored design, as a design or as the vector of one.

    Raises:
        Refusal: It is not known, or does not fit its task.
    """
    if isinstance(reference.design, Genotype):
        stated = None
        if reference.task is not None:
            with at("/task"):
                stated = find_task(reference.task)
        task, values = vector_of(reference.design, stated)
        genotype = Genotype(space=reference.design.space, task=task.name, values=tuple(values.tolist()))
        return member(genotype)
    subject = subject_of(context, reference)
    if subject.design.genotype is None and reference.network is not None:
        source: Source = {"network": reference.network, "task": subject.task.name}
        return MeasuredNetwork(name=reference.network, task=subject.task.name, source=source)
    return measured_design(subject.design, subject.task.name, name=reference.network)
