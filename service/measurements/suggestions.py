"""Suggestions: which networks to measure next on a device, and what each buys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from design.design import Genotype
from design.device import DeviceProfile
from design.encoding import EncodedDesigns, encode_designs
from design.errors import TaskTooSmall
from design.genes import GeneKind
from design.joined import joined
from design.spaces.registry import SPACES, find_space
from design.task import Task, find_task
from design.zoo import NETWORKS
from predictors.adapt import Adaptation
from predictors.descriptor import describe
from predictors.next_measurements import next_measurements
from service.measurements.schemas import Suggestion
from service.measurements.sources import MeasuredNetwork, Source, genotype_of

MOST = 20
DEFAULT = 3
DEFAULT_TASK = "cifar10"
FROM_SPACE, FROM_ONE_SPACE = 60, 200
"""Random members that may be suggested: of each space where none is named, and of the one named."""
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Networks that may be suggested: C of them, each as it is kept and as it is called."""

    networks: tuple[MeasuredNetwork, ...]
    names: tuple[str | None, ...]
    designs: EncodedDesigns


@lru_cache(maxsize=32)
def candidates(task: Task, space: str | None) -> Candidates:
    """The named networks and random members of all spaces, or random members of one.

    Members are as the space builds them first: full precision where the space has it, nothing pruned.

    Raises:
        UnknownName: No such space.
        TaskTooSmall: The space named cannot expand for pictures this small.
    """
    networks: list[MeasuredNetwork] = []
    names: list[str | None] = []
    parts: list[EncodedDesigns] = []
    for name, network in NETWORKS.items() if space is None else ():
        try:
            design = network.design(task)
        except TaskTooSmall:
            continue
        own = design.genotype
        source: Source = {"genotype": own.model_dump(mode="json")} if own else {"network": name, "task": task.name}
        networks.append(MeasuredNetwork(name=name, task=task.name, source=source))
        names.append(name)
        parts.append(encode_designs([design]))
    for found in [space] if space is not None else list(SPACES):
        try:
            vectors = _members(found, task, FROM_SPACE if space is None else FROM_ONE_SPACE)
        except TaskTooSmall:
            if space is not None:
                raise
            continue
        for values in vectors.tolist():
            genotype = Genotype(space=found, task=task.name, values=tuple(values))
            title = find_space(found).title(task, np.array(values))
            kept: Source = {"genotype": genotype.model_dump(mode="json")}
            networks.append(MeasuredNetwork(name=title, task=task.name, source=kept))
            names.append(None)
        parts.append(find_space(found).rows(task, vectors))
    return Candidates(networks=tuple(networks), names=tuple(names), designs=joined(parts))


def _members(name: str, task: Task, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Distinct random members with the first choice of every precision and filter gene, at most `count` x G."""
    space = find_space(name)
    fixed = [gene.kind is not GeneKind.ARCHITECTURE for gene in space.genes(task)]
    vectors = space.sample(task, count, np.random.default_rng(SEED))
    vectors[:, fixed] = 0
    return np.unique(space.canonical(task, vectors), axis=0)


def suggest(
    profile: DeviceProfile,
    adaptation: Adaptation | None,
    measured: frozenset[str],
    *,
    task: str,
    space: str | None,
    count: int,
) -> tuple[Suggestion, ...]:
    """Networks to measure next, the most informative first.

    Args:
        profile: Of the device.
        adaptation: What was measured before.
        measured: Keys of the networks measured before: they are not suggested again.
        task: For which networks are suggested.
        space: That they come from; None = any, and networks by name.
        count: At most so many.

    Raises:
        UnknownName: No such task or space.
        TaskTooSmall: The space cannot expand for the task.
    """
    found = candidates(find_task(task), space)
    left = np.array([place for place, one in enumerate(found.networks) if one.key not in measured], dtype=np.int64)
    if not len(left):
        return ()
    best = next_measurements(describe(profile), found.designs.take(left), min(count, len(left)), adaptation)
    return tuple(
        Suggestion(
            name=found.networks[left[one.index]].name,
            task=task,
            network=found.names[left[one.index]],
            genotype=genotype_of(found.networks[left[one.index]].source),
            spread_before=one.spread_before,
            spread_after=one.spread_after,
        )
        for one in best
    )
