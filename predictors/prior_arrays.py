"""PriorArrays: the accuracy prior in numpy, for inference. `AccuracyPrior` is its slow twin, which has gradients."""

from __future__ import annotations

import numpy as np
import torch

from design.encoding import Column, EncodedDesigns, FloatArray
from design.task import Task
from predictors.accuracy_prior import (
    ADD,
    COMPUTATION_UNIT,
    CONNECTION_UNIT,
    DEPTH_UNIT,
    FC,
    FEATURES,
    LEVELS,
    REFERENCE_PIXELS,
    RESIDUALS_UNIT,
    AccuracyPrior,
    Feature,
    cost_at,
    costs,
)

_BITS = int(LEVELS[-1]) + 1


class PriorArrays:
    """What `AccuracyPrior` computes, as arrays; sums over layers are added up in float64.

    Args:
        prior: The fitted prior.
    """

    def __init__(self, prior: AccuracyPrior) -> None:
        self._prior = prior
        figures = prior.figures
        bits = torch.arange(_BITS, dtype=torch.float64)
        self._bit_costs = [
            cost_at(bits, costs(figures[name]))[0].numpy().astype(np.float64)
            for name in ("log_weight_steps", "log_activation_steps", "log_residual_steps")
        ]
        self._linear = float(torch.exp(figures["log_linear_share"]))
        self._depthwise = float(torch.exp(figures["log_depthwise"]))
        self._depthwise_share = float(torch.exp(figures["log_depthwise_share"]))
        self._area = float(torch.sigmoid(figures["kernel"])) - 1
        self._floor = float(torch.exp(figures["log_floor"]))
        self._share = figures["log_share"].numpy().astype(np.float64)
        self._exponent = np.exp(figures["log_exponent"].numpy().astype(np.float64))
        self._plain = float(torch.exp(figures["log_plain"]))
        self._units = np.log([CONNECTION_UNIT, COMPUTATION_UNIT, DEPTH_UNIT])

    def aggregate(self, designs: EncodedDesigns) -> FloatArray:
        """Features of N designs, N x Feature."""
        return designs.total(self.row_features(designs.rows))

    def row_features(self, rows: FloatArray) -> FloatArray:
        """What each layer row (R x Column) adds to its design's features, R x Feature."""
        op, positions = rows[:, Column.OP], rows[:, Column.OUT_POSITIONS]
        weighted = rows[:, Column.WEIGHT_BITS] > 0
        addition = op == ADD
        single = (rows[:, Column.IN_CHANNELS] == 1) & (rows[:, Column.OUT_CHANNELS] == 1)
        depthwise = (rows[:, Column.DEPTHWISE] > 0) | single
        area = np.maximum(rows[:, Column.KERNEL_HEIGHT] * rows[:, Column.KERNEL_WIDTH], 1.0)
        share = np.where(op == FC, self._linear, 1.0) * np.where(depthwise, 1 + self._depthwise_share, 1.0)
        sensitivity = weighted * np.where(depthwise, 1 + self._depthwise, 1.0)
        weight_cost, activation_cost, residual_cost = self._bit_costs
        reads = rows[:, Column.ACTIVATION_BITS].astype(np.int64)
        found = np.empty((len(rows), FEATURES))
        found[:, Feature.CONNECTIONS] = rows[:, Column.WEIGHTS] * share * area**self._area
        found[:, Feature.COMPUTATIONS] = found[:, Feature.CONNECTIONS] * positions
        found[:, Feature.DEPTH] = weighted & (positions > 1)
        found[:, Feature.WEIGHTED] = weighted
        found[:, Feature.WEIGHT_COST] = sensitivity * weight_cost[rows[:, Column.WEIGHT_BITS].astype(np.int64)]
        found[:, Feature.ACTIVATION_COST] = sensitivity * activation_cost[reads]
        found[:, Feature.ADDITIONS] = addition
        found[:, Feature.RESIDUAL_COST] = addition * residual_cost[reads]
        return found

    @staticmethod
    def bit_cost(features: FloatArray) -> FloatArray:
        """What the bits of each design add to its log odds of error, N."""
        layers = np.maximum(features[:, Feature.WEIGHTED], 1.0)
        additions = np.maximum(features[:, Feature.ADDITIONS], 1.0)
        own = (features[:, Feature.WEIGHT_COST] + features[:, Feature.ACTIVATION_COST]) / layers
        return np.asarray(own + features[:, Feature.RESIDUAL_COST] / additions)

    def accuracy(self, features: FloatArray, task: Task) -> FloatArray:
        """Accuracy of N designs from their features (N x Feature)."""
        return accuracy_at(self.log_odds(features, task), task.classes)

    def log_odds(self, features: FloatArray, task: Task) -> FloatArray:
        """Log odds of error above chance, N."""
        demand = self._prior.of_task("demand", task).numpy()
        pixels = task.input_height * task.input_width / REFERENCE_PIXELS
        away = self._units + np.array([demand[0], np.log(pixels) + demand[1], 0.0])
        sizes = np.log(np.maximum(features[:, : Feature.DEPTH + 1], 1.0)) - away
        terms = np.exp(self._share - self._exponent * sizes).sum(axis=1)
        plain = self._plain * np.exp(features[:, Feature.ADDITIONS] / -RESIDUALS_UNIT)
        difficulty = float(self._prior.of_task("difficulty", task))
        return np.asarray(difficulty + np.log(self._floor + terms) + plain + self.bit_cost(features))

    def spread(self, features: FloatArray, task: Task) -> FloatArray:
        """Standard deviation of the logit of accuracy, N; see `AccuracyPrior.spread`."""
        recipe, coarse, small, unknown = self._prior.spreads.tolist()
        of_task = self._prior.task_spread(task, unknown)
        connections = np.maximum(features[:, Feature.CONNECTIONS], 1.0)
        missing = np.maximum(np.log10(CONNECTION_UNIT / 10 / connections), 0.0)
        variance = (coarse * self.bit_cost(features)) ** 2 + (small * missing) ** 2
        return np.asarray(np.sqrt(recipe**2 + of_task**2 + variance))


def accuracy_at(log_odds_of_error: FloatArray, classes: int) -> FloatArray:
    """Accuracy (fraction) that belongs to log odds of error above chance, N."""
    chance = 1 / classes
    return np.asarray(chance + (1 - chance) / (1 + np.exp(np.minimum(log_odds_of_error, 700.0))))
