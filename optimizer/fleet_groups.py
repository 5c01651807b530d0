"""Groups of a fleet: few designs that together serve every device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from design.encoding import FloatArray, IntArray
from design.space import Space
from design.spaces.registry import SPACES
from optimizer.cover import fewest
from optimizer.offers import Name

SHARED = 300
"""Designs that serve most devices: candidates to be shared, beside what is best for each."""
MOST_LOST = 0.02
"""Accuracy that a device gives up at most for a design shared with others."""


@dataclass(frozen=True, kw_only=True)
class FleetGroup:
    """Devices that one design serves: within all their limits, and no more than MOST_LOST less accurate than their own.

    Attributes:
        members: Positions of the devices.
        accuracy_lost: Mean over the members of the accuracy of their own design less that of the shared one.
    """

    space: Space
    genotype: IntArray
    members: tuple[int, ...]
    accuracy: float
    accuracy_lost: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What one device thinks of the N designs offered to it.

    Attributes:
        number: Position of the device.
        rows: N, numbers of the designs among all that are offered to any device.
        keeps: N, whether every limit is kept.
        utility, accuracy: N.
        best: Index of the best for it.
    """

    number: int
    rows: IntArray
    keeps: NDArray[np.bool_]
    utility: FloatArray
    accuracy: FloatArray
    best: int

    def joined_by(
        self,
        rows: IntArray,
        keeps: NDArray[np.bool_],
        utility: FloatArray,
        accuracy: FloatArray,
        best: int | None = None,
    ) -> Judged:
        """With K more designs.

        Args:
            rows: Their numbers, K.
            keeps: Whether they keep every limit, K.
            utility: K.
            accuracy: K.
            best: Which of them is the best of all now; None: none.
        """
        return replace(
            self,
            rows=np.append(self.rows, rows),
            keeps=np.append(self.keeps, keeps),
            utility=np.append(self.utility, utility),
            accuracy=np.append(self.accuracy, accuracy),
            best=self.best if best is None else len(self.rows) + best,
        )

    @property
    def able(self) -> bool:
        """Whether the best keeps every limit."""
        return bool(self.keeps[self.best])

    @property
    def served(self) -> NDArray[np.bool_]:
        """Which of the designs serve it, N."""
        return np.asarray(self.keeps & (self.accuracy >= self.accuracy[self.best] - MOST_LOST))


def groups(judged: Sequence[Judged], names: Sequence[Name]) -> tuple[FleetGroup, ...]:
    """Greedy cover of the devices that can be served, largest group first.

    Args:
        judged: Devices.
        names: Of all designs offered to any of them.
    """
    able = [one for one in judged if one.able]
    if not able:
        return ()
    reach = np.zeros(len(names), dtype=np.int64)
    for one in able:
        reach[one.rows[one.served]] += 1
    used = np.union1d(np.argsort(-reach, kind="stable")[:SHARED], [one.rows[one.best] for one in able])
    place = np.full(len(names), -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    serves = np.zeros((len(used), len(able)), dtype=np.bool_)
    worth, accuracy = np.full(serves.shape, -np.inf), np.zeros(serves.shape)
    for column, one in enumerate(able):
        rows = place[one.rows]
        kept = rows >= 0
        rows = rows[kept]
        serves[rows, column] = one.served[kept]
        worth[rows, column], accuracy[rows, column] = one.utility[kept], one.accuracy[kept]
    chosen = fewest(serves, worth)
    found = []
    for number in np.unique(chosen).tolist():
        mine = np.flatnonzero(chosen == number)
        space, genotype = names[int(used[number])]
        alone = np.array([able[at].accuracy[able[at].best] for at in mine.tolist()])
        found.append(
            FleetGroup(
                space=SPACES[space],
                genotype=np.frombuffer(genotype, dtype=np.uint8).astype(np.int64),
                members=tuple(able[at].number for at in mine.tolist()),
                accuracy=float(accuracy[number, mine[0]]),
                accuracy_lost=float((alone - accuracy[number, mine]).mean()),
            )
        )
    return tuple(sorted(found, key=lambda group: -len(group.members)))
