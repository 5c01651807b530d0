"""The table of NAS-Bench-201 cells: true accuracies and latencies, and trials in which accuracies are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from design.constraints import Constraints, Preferences
from design.device import DeviceProfile
from design.encoding import EncodedDesigns, FloatArray, IntArray
from design.spaces.nasbench201 import NasBench201Space
from design.spaces.nasbench201_cells import OPERATIONS
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.families import family
from optimizer.objective import LIMITS, Objective, Scores
from optimizer.problem import Problem
from optimizer.repair import usable_spaces
from optimizer.trials import Trials
from predictors.adapt import Adaptation
from predictors.descriptor import describe
from predictors.predictions import Predictions

SPACE, TASK, ACCURACY_ROW = "nasbench201", "cifar100", "cifar100"
RISK = 0.1
LEAST_ACCURACY = 10.0


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The table.

    Attributes:
        cells: Row of the table -> number of the cell.
        row_of_cell: The other way round.
        accuracy: Percent, by row.
        latency_ms: Device -> latency by row.
        known: Whether the optimizer is told the accuracies.
    """

    cells: IntArray
    row_of_cell: IntArray
    accuracy: FloatArray
    latency_ms: Mapping[str, FloatArray]
    known: bool = True

    def row(self, genotype: IntArray) -> int:
        """The row of a design."""
        return int(self.row_of_cell[NasBench201Space.cell_numbers(genotype[None, :6])[0]])


class KnownTrials(Trials):
    """Trials in which the accuracy of every cell is that of the table."""

    def __init__(self, truth: Truth, trials: Trials, problem: Problem) -> None:
        super().__init__(
            space=trials.space, mask=trials.mask, device=trials.device, objective=trials.objective, problem=problem
        )
        self.truth = truth

    def family(self, policy: tuple[int, ...]) -> EncodedDesigns:
        """See Trials: all of them, since their accuracies are others here."""
        return family(self.space, self.task, policy)  # type: ignore[arg-type]  # by identity

    def _scored(self, designs: EncodedDesigns, predictions: Predictions) -> Scores:
        super()._scored(designs, predictions)
        assert designs.genotypes is not None
        cells = NasBench201Space.cell_numbers(designs.genotypes[:, :6])
        accuracy = self.truth.accuracy[self.truth.row_of_cell[cells]] / 100
        at_risk = self._parts[-1].at_risk.copy()
        at_risk[:, LIMITS.index("min_accuracy")] = accuracy
        self._parts[-1] = replace(self._parts[-1], accuracy=accuracy, at_risk=at_risk)
        return self._parts[-1]


def read_truth(folder: Path, latency_ms: Mapping[str, FloatArray]) -> Truth:
    """The table in a folder of data, with latencies by row."""
    with np.load(folder / "nb201.npz", allow_pickle=False) as stored:
        names = [str(name) for name in stored["op_names"]]
        operations = np.array([OPERATIONS.index(name) for name in names])[stored["ops"].astype(np.int64)]
        accuracy = stored["acc_test_mean"][[str(one) for one in stored["datasets"]].index(ACCURACY_ROW)]
    cells = NasBench201Space.cell_numbers(operations)
    row_of_cell = np.empty(len(cells), dtype=np.int64)
    row_of_cell[cells] = np.arange(len(cells))
    return Truth(cells=cells, row_of_cell=row_of_cell, accuracy=np.asarray(accuracy), latency_ms=latency_ms)


def designs_of(truth: Truth, rows: IntArray) -> EncodedDesigns:
    """Rows of the table at full precision, encoded."""
    genotypes = np.zeros((len(rows), len(SPACES[SPACE].genes(find_task(TASK)))), dtype=np.int64)
    genotypes[:, :6] = np.stack(np.unravel_index(truth.cells[rows], (len(OPERATIONS),) * 6), axis=1)
    return SPACES[SPACE].rows(find_task(TASK), genotypes)


def trials_of(
    truth: Truth, profile: DeviceProfile, adaptation: Adaptation | None, limit: float | None, preferences: Preferences
) -> Trials:
    """Of a request under full precision, which all latencies of the table are of; nothing tried yet."""
    problem = Problem(
        device=profile,
        task=find_task(TASK),
        spaces=(SPACE,),
        constraints=Constraints(latency_ms=limit, risk=RISK),
        preferences=preferences,
        adaptation=adaptation,
    )
    device = describe(profile)
    space, mask = usable_spaces(problem.spaces, SPACES, problem.task, device)[0]
    mask = replace(mask, choices=(*mask.choices[:6], *((0,) for _ in mask.choices[6:])), table=mask.table.copy())
    mask.table[6:] = 0
    found = Trials(space=space, mask=mask, device=device, objective=Objective.of(problem, device), problem=problem)
    return KnownTrials(truth, found, problem) if truth.known else found
