"""From the forms that a row may name its network in to what is kept of it."""

from __future__ import annotations

import numpy as np

from design.design import Genotype
from design.spaces.registry import find_space
from design.task import find_task
from service.context import Context
from service.errors import at
from service.measurements.sources import LONGEST_NAME, MeasuredNetwork, Source
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
        return _member(genotype)
    subject = subject_of(context, reference)
    if subject.design.genotype is not None:
        return _member(subject.design.genotype, name=reference.network)
    if reference.network is not None:
        source: Source = {"network": reference.network, "task": subject.task.name}
        return MeasuredNetwork(name=reference.network, task=subject.task.name, source=source)
    name = subject.design.architecture.name[:LONGEST_NAME]
    document = subject.design.model_dump(mode="json")
    return MeasuredNetwork(name=name, task=subject.task.name, source={"design": document})


def _member(genotype: Genotype, name: str | None = None) -> MeasuredNetwork:
    """A member of a space, by its canonical vector, called as it was named or as the space calls it."""
    if name is None:
        name = find_space(genotype.space).title(find_task(genotype.task), np.array(genotype.values))[:LONGEST_NAME]
    return MeasuredNetwork(name=name, task=genotype.task, source={"genotype": genotype.model_dump(mode="json")})
