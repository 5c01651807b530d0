"""SeveralCpus: the facts of several CPUs as one, for formulas that price the layers of all of them in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

from predictors.cpu_facts import CpuFacts
from predictors.descriptors import Figure, shared


@dataclass(frozen=True, kw_only=True)
class SeveralCpus:
    """Facts of D CPUs that layers are priced with: numbers where all agree, else D x 1. See `CpuFacts`."""

    clock_ghz: Figure
    vector_bits: Figure
    bandwidth_gbps: Figure
    cache_kb: Figure
    macs_per_second: Figure
    float_bytes: Figure

    @classmethod
    def of(cls, cpus: Sequence[CpuFacts]) -> Self:
        """One for several."""
        return cls(**{one.name: shared([getattr(cpu, one.name) for cpu in cpus]) for one in fields(cls)})


AnyCpu = CpuFacts | SeveralCpus
