"""Accuracy of any network from its size, depth and bits: the prior where no table and no training speaks.

Odds of error, in the form of a scaling law, times what coarse bits cost:

    accuracy = chance + (1 - chance) / (1 + odds)
    odds = exp(difficulty of the task + plain + bits) * (floor + C^-a + M^-b + D^-c)

C: connections over what the task demands, the sum over layers of weights x (k^2)^(r - 1), so that a 3x3 kernel counts
for more than a 1x1 but not for nine; linear layers count for less, depthwise ones for more. M: the same times output
positions, relative to the picture and to what the task demands. D: layers that see more than one position.
`plain` is paid by networks without residual additions. `bits` is the mean over weighted layers of a cost of their
weight bits and a cost of their activation bits (depthwise convolutions pay more), plus the mean over additions of a
cost of the bits they are kept at. All costs fall with every bit and C and M rise with every filter, so the accuracy
never falls when a layer gets more bits or keeps more filters. All figures are fitted on `literature.FACTS`, see
`fit_prior`; the form is that of the scaling laws of arXiv 2001.08361, the constant step of binary networks in log odds
is what the facts themselves show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from design.encoding import OPS, Column, EncodedDesigns
from design.layer import Op
from design.task import TASKS, Task
from predictors.storage import WEIGHTS, Weights, load_weights, parameter

KIND = "accuracy_prior"
VERSION = "1"
FITTED_TASKS: tuple[str, ...] = (
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "mnist",
    "digits",
    "imagenet16_120",
    "imagenet",
)
LEVELS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Bits at which costs are fitted; between them they are linear in log2(bits)."""
ADD = 1 + OPS.index(Op.ADD)
FC = 1 + OPS.index(Op.FC)
REFERENCE_PIXELS = 32 * 32
REFERENCE_CLASSES = 10
CONNECTION_UNIT = 1e5
COMPUTATION_UNIT = 1e7
DEPTH_UNIT = 20.0
RESIDUALS_UNIT = 2.0
SHAPES: dict[str, tuple[int, ...]] = {
    "difficulty": (len(FITTED_TASKS),),
    "log_floor": (),
    "log_share": (3,),
    "log_exponent": (3,),
    "demand": (len(FITTED_TASKS), 2),
    "kernel": (),
    "log_linear_share": (),
    "log_plain": (),
    "log_weight_steps": (len(LEVELS) - 1,),
    "log_activation_steps": (len(LEVELS) - 1,),
    "log_residual_steps": (len(LEVELS) - 1,),
    "log_depthwise": (),
    "log_depthwise_share": (),
}
"""Fitted figures; `share` and `exponent` are of connections, computations, depth; `demand` of the first two."""


class Feature(IntEnum):
    """Columns of the features of a design: sums over its layers."""

    CONNECTIONS = 0
    COMPUTATIONS = 1
    DEPTH = 2
    WEIGHTED = 3  # layers with weights
    WEIGHT_COST = 4
    ACTIVATION_COST = 5
    ADDITIONS = 6
    RESIDUAL_COST = 7


FEATURES = len(Feature)


def costs(steps: Tensor) -> Tensor:
    """Cost of each of LEVELS from the log of the steps between neighbours: 0 at 32 bits, more with every step down."""
    down = torch.flip(torch.exp(steps), (0,)).cumsum(0)
    return torch.cat([torch.flip(down, (0,)), torch.zeros_like(down[:1])])


def cost_at(bits: Tensor, *tables: Tensor) -> list[Tensor]:
    """Costs of any bits from 1 to 32 by tables as from `costs`: linear in log2(bits) between LEVELS, differentiable."""
    place = torch.log2(bits.clamp(LEVELS[0], LEVELS[-1]))
    below = place.detach().clamp(max=len(LEVELS) - 2).long()
    share = place - below
    return [table[below] + (table[1:] - table[:-1])[below] * share for table in tables]


def row_features(figures: Mapping[str, Tensor], rows: Tensor) -> Tensor:
    """What each layer adds to its design's features, R x Feature, differentiable in bits and channel counts.

    Args:
        figures: Fitted figures, see SHAPES.
        rows: R x Column, float64.
    """
    column = rows.T.contiguous()
    weighted = (column[Column.WEIGHT_BITS] > 0).to(rows)
    addition = (column[Column.OP] == ADD).to(rows)
    linear = (column[Column.OP] == FC).to(rows)
    single = (column[Column.IN_CHANNELS] == 1) & (column[Column.OUT_CHANNELS] == 1)
    depthwise = torch.maximum(column[Column.DEPTHWISE], single.to(rows))
    positions = column[Column.OUT_POSITIONS]
    area = torch.log((column[Column.KERNEL_HEIGHT] * column[Column.KERNEL_WIDTH]).clamp(min=1))
    share = 1 + linear * (torch.exp(figures["log_linear_share"]) - 1)
    share = share * (1 + depthwise * torch.exp(figures["log_depthwise_share"]))
    connections = column[Column.WEIGHTS] * share * torch.exp(area * (torch.sigmoid(figures["kernel"]) - 1))
    sensitivity = weighted * (1 + depthwise * torch.exp(figures["log_depthwise"]))
    (weight_cost,) = cost_at(column[Column.WEIGHT_BITS], costs(figures["log_weight_steps"]))
    activation_cost, residual_cost = cost_at(
        column[Column.ACTIVATION_BITS], costs(figures["log_activation_steps"]), costs(figures["log_residual_steps"])
    )
    return torch.stack(
        [
            connections,
            connections * positions,
            weighted * (positions > 1).to(rows),
            weighted,
            sensitivity * weight_cost,
            sensitivity * activation_cost,
            addition,
            addition * residual_cost,
        ],
        dim=1,
    )


def bit_cost(features: Tensor) -> Tensor:
    """What the bits of each design add to its log odds of error, N; 0 at 32 bits everywhere."""
    layers = features[..., Feature.WEIGHTED].clamp(min=1)
    additions = features[..., Feature.ADDITIONS].clamp(min=1)
    own = (features[..., Feature.WEIGHT_COST] + features[..., Feature.ACTIVATION_COST]) / layers
    return own + features[..., Feature.RESIDUAL_COST] / additions


def log_odds(
    figures: Mapping[str, Tensor], features: Tensor, pixels: Tensor, difficulty: Tensor, demand: Tensor
) -> Tensor:
    """Log odds of error above chance of N designs, N; the task's figures are scalars or N."""
    sizes = torch.stack(
        [
            torch.log(features[..., Feature.CONNECTIONS].clamp(min=1) / CONNECTION_UNIT) - demand[..., 0],
            torch.log(features[..., Feature.COMPUTATIONS].clamp(min=1) / COMPUTATION_UNIT)
            - torch.log(pixels / REFERENCE_PIXELS)
            - demand[..., 1],
            torch.log(features[..., Feature.DEPTH].clamp(min=1) / DEPTH_UNIT),
        ],
        dim=-1,
    )
    terms = torch.exp(figures["log_share"] - torch.exp(figures["log_exponent"]) * sizes)
    error = torch.log(torch.exp(figures["log_floor"]) + terms.sum(dim=-1))
    plain = torch.exp(figures["log_plain"]) * torch.exp(-features[..., Feature.ADDITIONS] / RESIDUALS_UNIT)
    return difficulty + error + plain + bit_cost(features)


def accuracy_of(log_odds_of_error: Tensor, classes: Tensor) -> Tensor:
    """Accuracy (fraction) that belongs to log odds of error above chance."""
    chance = 1 / classes
    return chance + (1 - chance) * torch.sigmoid(-log_odds_of_error)


class AccuracyPrior:
    """The fitted prior. Accuracies lie between chance and a ceiling that the task's floor sets."""

    def __init__(self, weights: Weights) -> None:
        self.figures = {name: parameter(weights, name, shape) for name, shape in SHAPES.items()}
        self.spreads = parameter(weights, "spreads", (4,))
        self.task_spreads = parameter(weights, "task_spreads", (len(FITTED_TASKS),))
        self.coarse_spread = float(self.spreads[1])
        self.digest = weights.digest

    def row_features(self, rows: Tensor) -> Tensor:
        """What each layer row (R x Column) adds to its design's features, R x Feature."""
        return row_features(self.figures, rows)

    def aggregate(self, designs: EncodedDesigns) -> Tensor:
        """Features of N designs, N x Feature."""
        return gather_sum(self.row_features(torch.from_numpy(designs.rows)), designs)

    def log_odds(self, features: Tensor, task: Task) -> Tensor:
        """Log odds of error above chance, N."""
        pixels = torch.tensor(float(task.input_height * task.input_width), dtype=features.dtype)
        own = self.of_task("difficulty", task), self.of_task("demand", task)
        return log_odds(self.figures, features, pixels, *own)

    def accuracy(self, features: Tensor, task: Task) -> Tensor:
        """Accuracy of N designs from their features (N x Feature), differentiable."""
        return accuracy_of(self.log_odds(features, task), torch.tensor(float(task.classes), dtype=features.dtype))

    def of_task(self, name: str, task: Task) -> Tensor:
        """A figure of a built-in task as fitted; of any other from CIFAR-10 and CIFAR-100, by its classes."""
        own = self.figures[name]
        if TASKS.get(task.name) == task:
            return own[FITTED_TASKS.index(task.name)]
        few, many = own[FITTED_TASKS.index("cifar10")], own[FITTED_TASKS.index("cifar100")]
        return few + (many - few) * math.log10(task.classes / REFERENCE_CLASSES)

    def spread(self, features: Tensor, task: Task) -> Tensor:
        """Standard deviation of the logit of accuracy, N.

        The parts, added as variances: training recipe, how sure the task's difficulty is, coarse bits (in proportion
        to their cost), and networks smaller than any reported (per factor of ten).
        """
        recipe, coarse, small, unknown = self.spreads.unbind()
        of_task = self.task_spread(task, float(unknown))
        missing = torch.log10(CONNECTION_UNIT / 10 / features[..., Feature.CONNECTIONS].clamp(min=1)).clamp(min=0)
        variance = recipe**2 + of_task**2 + (coarse * bit_cost(features)) ** 2 + (small * missing) ** 2
        return torch.sqrt(variance)

    def task_spread(self, task: Task, unknown: float) -> float:
        """How sure the difficulty of a task is; `unknown` of tasks that are not built in."""
        known = TASKS.get(task.name) == task
        return float(self.task_spreads[FITTED_TASKS.index(task.name)]) if known else unknown


def gather_sum(per_row: Tensor, designs: EncodedDesigns) -> Tensor:
    """Sum per-row features (R x K) over the layers of each design, N x K; `row_ids` point at row 0 where none is.

    Added up in float32, layer by layer in their order (rounding keeps the order of sums, so it cannot make a design
    with more bits worse): many times faster than in float64.
    """
    count, longest = designs.row_ids.shape
    places = torch.arange(count) * longest
    flat = torch.from_numpy(np.ascontiguousarray(designs.row_ids)).reshape(-1)
    found: Tensor = torch.nn.functional.embedding_bag(flat, per_row.float(), places, mode="sum")
    return found.to(per_row)


def load_prior(path: Path = WEIGHTS / f"{KIND}.safetensors") -> AccuracyPrior:
    """The shipped prior, or one fitted elsewhere.

    Raises:
        InvalidWeights: See `load_weights`.
    """
    return AccuracyPrior(load_weights(path, kind=KIND, version=VERSION))
