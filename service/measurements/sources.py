"""Measured networks as they are kept, and as the arrays that predictors take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from design.design import Design, Genotype
from design.encoding import EncodedDesigns, encode_designs
from design.joined import joined
from design.spaces.registry import find_space
from design.task import find_task
from design.zoo import find_network

LONGEST_NAME = 200
Source = dict[str, Any]
"""`{"genotype": ...}`, `{"network": name, "task": name}` or `{"design": ...}`."""


@dataclass(frozen=True, kw_only=True)
class MeasuredNetwork:
    """The network of one row.

    Attributes:
        name: For people.
        source: As it is kept: the shortest form that gives the design again.
        key: SHA-256 of `source`: equal for equal members of a space, however they were named.
    """

    name: str
    task: str
    source: Source

    @cached_property
    def key(self) -> str:
        """See the class."""
        text = json.dumps(self.source, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class Figures(Protocol):
    """What was measured of one network."""

    @property
    def latency_ms(self) -> float | None:
        """Of one inference call."""

    @property
    def energy_mj(self) -> float | None:
        """Of one inference call."""

    @property
    def measured_at(self) -> datetime | None:
        """When."""

    @property
    def note(self) -> str | None:
        """Anything worth knowing."""


def measured_design(design: Design, task: str, *, name: str | None = None) -> MeasuredNetwork:
    """A design for a task, called as it was named or as its space or architecture calls it."""
    if design.genotype is not None:
        return member(design.genotype, name=name)
    called = name or design.architecture.name[:LONGEST_NAME]
    return MeasuredNetwork(name=called, task=task, source={"design": design.model_dump(mode="json")})


def member(genotype: Genotype, name: str | None = None) -> MeasuredNetwork:
    """A member of a space, by its canonical vector, called as it was named or as the space calls it."""
    if name is None:
        name = find_space(genotype.space).title(find_task(genotype.task), np.array(genotype.values))[:LONGEST_NAME]
    return MeasuredNetwork(name=name, task=genotype.task, source={"genotype": genotype.model_dump(mode="json")})


def genotype_of(source: Source) -> Genotype | None:
    """The vector of a network that comes from a space."""
    return Genotype.model_validate(source["genotype"]) if "genotype" in source else None


def encoded(sources: Sequence[Source]) -> tuple[EncodedDesigns, list[int]]:
    """Networks as arrays, whole spaces at once; and the places in `sources` (M of N, rising) that they stand for.

    What this version of the library can no longer build is left out.
    """
    distinct: dict[str, int] = {}
    keys = [json.dumps(source, sort_keys=True) for source in sources]
    groups: dict[tuple[str, str], list[str]] = {}
    for key, source in zip(keys, sources, strict=True):
        if key not in distinct:
            distinct[key] = len(distinct)
            own = source.get("genotype")
            groups.setdefault((own["space"], own["task"]) if own else ("", ""), []).append(key)
    parts: list[EncodedDesigns] = []
    places: dict[str, int] = {}
    for (space, task), members in sorted(groups.items()):
        part, kept = _designs(members) if not space else _vectors(space, task, members)
        first = sum(len(one) for one in parts)
        places |= {key: first + number for number, key in enumerate(kept)}
        if kept:
            parts.append(part)
    found = [place for place, key in enumerate(keys) if key in places]
    if not found:
        return joined([]), []
    return joined(parts).take(np.array([places[keys[place]] for place in found])), found


def _vectors(space: str, task: str, members: list[str]) -> tuple[EncodedDesigns, list[str]]:
    """Members of one space; one by one where one of them is no longer a member."""
    try:
        vectors = np.array([json.loads(key)["genotype"]["values"] for key in members], dtype=np.int64)
        return find_space(space).rows(find_task(task), vectors), members
    except ValueError:  # vectors of different lengths, or BespokeError
        if len(members) == 1:
            return joined([]), []
    found = [(part, kept) for part, kept in (_vectors(space, task, [key]) for key in members) if kept]
    return joined([part for part, _ in found]), [key for _, kept in found for key in kept]


def _designs(members: list[str]) -> tuple[EncodedDesigns, list[str]]:
    """Named networks and designs of the user's own."""
    designs: list[Design] = []
    kept: list[str] = []
    for key in members:
        source = json.loads(key)
        try:
            if "network" in source:
                designs.append(find_network(source["network"]).design(find_task(source["task"])))
            else:
                designs.append(Design.model_validate(source["design"]))
        except ValueError:  # a BespokeError, or a document that is no design any more
            continue
        kept.append(key)
    return encode_designs(designs), kept
