"""Accuracy of designs: the published table where it speaks, a prior fitted on the literature everywhere else."""

from __future__ import annotations

from functools import cache

import numpy as np

from design.encoding import Column, EncodedDesigns, FloatArray, IntArray
from design.prediction import AccuracyBasis
from design.spaces.nasbench201_cells import OPERATIONS
from design.task import TASKS, Task
from predictors.accuracy_prior import AccuracyPrior, load_prior
from predictors.accuracy_table import TABLE_TASKS, AccuracyTable, load_table
from predictors.descriptor import Descriptor
from predictors.predictor import Estimates
from predictors.prior_arrays import PriorArrays, accuracy_at

TABLE_SPACE = "nasbench201"
OPERATION_GENES = 6
TABLE_CHANNELS = (16, 32, 64)
TABLE_CELLS = 5
"""Channels of the three stages of the table's networks, and cells in each."""
TABLE_BITS = 16
"""The table stands for networks in which nothing is stored or multiplied at fewer bits."""
_LEAST = 1e-9


class AccuracyPredictor:
    """Test accuracy as a fraction (logit scale). See `accuracy_table` and `accuracy_prior` for what is computed.

    Under 16 bits the table's accuracy is lowered by the prior's cost of bits, in log odds of error above chance.
    """

    name = "accuracy"

    def __init__(self, table: AccuracyTable, prior: AccuracyPrior) -> None:
        self.table = table
        self.prior = prior
        self._arrays = PriorArrays(prior)
        self.version = f"1+{table.digest[:8]}.{prior.digest[:8]}"

    def basis(self, designs: EncodedDesigns, task: Task) -> AccuracyBasis:
        """What the figures rest on: the weakest basis of the designs given, so `table` only if it stands for all."""
        return "table" if self._in_table(designs, task) and _least_bits(designs) >= TABLE_BITS else "prior"

    def predict(self, designs: EncodedDesigns, device: Descriptor | None, task: Task) -> Estimates:
        """Accuracy of N designs; the device has no part in it."""
        del device
        features = self._arrays.aggregate(designs)
        if self._in_table(designs, task):
            return self._from_table(designs, task, features)
        median, spread = self._arrays.accuracy(features, task), self._arrays.spread(features, task)
        return Estimates(median=median, spread=spread, scale="logit")

    def _in_table(self, designs: EncodedDesigns, task: Task) -> bool:
        known = task.name in TABLE_TASKS and TASKS[task.name] == task
        if not known or designs.space != TABLE_SPACE or designs.genotypes is None:
            return False
        operations = designs.genotypes[:, :OPERATION_GENES]
        if operations.shape[1] < OPERATION_GENES or not ((operations >= 0) & (operations < len(OPERATIONS))).all():
            return False
        return bool(np.array_equal(designs.total(designs.column(Column.WEIGHTS)), _weights(operations, task)))

    def _from_table(self, designs: EncodedDesigns, task: Task, features: FloatArray) -> Estimates:
        assert designs.genotypes is not None
        logits, spread = self.table.predict(designs.genotypes[:, :OPERATION_GENES], task.name)
        chance = 1 / task.classes
        share = np.clip((1 / (1 + np.exp(-logits)) - chance) / (1 - chance), _LEAST, 1 - _LEAST)
        cost = self._arrays.bit_cost(features)
        median = accuracy_at(cost - np.log(share / (1 - share)), task.classes)
        return Estimates(median=median, spread=np.hypot(spread, self.prior.coarse_spread * cost), scale="logit")


def _weights(operations: IntArray, task: Task) -> FloatArray:
    """Weights of NAS-Bench-201 networks (N x 6 operations), N: what a design that says it is one of them must have."""
    first, second, third = TABLE_CHANNELS
    fixed = 9 * task.input_channels * first + third * task.classes
    for narrow, wide in ((first, second), (second, third)):
        fixed += 9 * narrow * wide + 9 * wide * wide + narrow * wide
    large = (operations == OPERATIONS.index("nor_conv_3x3")).sum(axis=1)
    small = (operations == OPERATIONS.index("nor_conv_1x1")).sum(axis=1)
    cells = TABLE_CELLS * sum(channels**2 for channels in TABLE_CHANNELS)
    return np.asarray(fixed + cells * (9 * large + small), dtype=np.float64)


def _least_bits(designs: EncodedDesigns) -> float:
    """Fewest bits of weights, activations or sums in any layer of the designs; 32 without layers."""
    used: FloatArray = designs.rows[designs.named]
    weights, activations = used[:, Column.WEIGHT_BITS], used[:, Column.ACTIVATION_BITS]
    return float(min(np.where(bits > 0, bits, 32).min(initial=32) for bits in (weights, activations)))


@cache
def accuracy_predictor() -> AccuracyPredictor:
    """The shipped predictor.

    Raises:
        InvalidWeights: The shipped weights are damaged or of another version.
    """
    return AccuracyPredictor(load_table(), load_prior())
