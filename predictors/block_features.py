"""Features of inverted-residual stacks for latency: the FBNet and Once-for-all tables."""

from __future__ import annotations

from functools import cache

import numpy as np

from design.encoding import FloatArray, IntArray
from predictors.amounts import AMOUNTS, FBNET_SKELETON, Amount, ofa_skeleton
from predictors.experts import SpaceFeatures
from predictors.standard import RelativeSum, Standard

REFERENCE_SIZE = 4096
REFERENCE_SEED = 0

FBNET_CHANNELS = (16, *[24] * 4, *[32] * 4, *[64] * 4, *[112] * 4, *[184] * 4, 352)
FBNET_STRIDES = (1, 1, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
FBNET_STAGES = np.array([0, *[1] * 4, *[2] * 4, *[3] * 4, *[4] * 4, *[5] * 4, 6])
FBNET_SIDE = 32
FBNET_OPERATIONS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1), None)
"""(kernel, expansion, groups) of each operation of the table, in its order; None is the skip."""
SKIP = 8
LATE_STAGE = 4
POINTWISE, GROUPED, SMALL_DEPTHWISE, LARGE_DEPTHWISE, TRAFFIC, WEIGHTS, LAUNCHES = range(7)

OFA_CHANNELS = (24, 40, 80, 112, 160)
OFA_STRIDES = (2, 2, 2, 1, 2)
OFA_STEM_CHANNELS = 16
OFA_BLOCKS = 4
"""Slots of each of the five stages."""


def fbnet_features(operations: IntArray) -> SpaceFeatures:
    """Features of N networks of the FBNet table (CIFAR-100 form, 3 x 32 x 32).

    Args:
        operations: N x 22 indices into FBNET_OPERATIONS.
    """
    return _standardised(_fbnet_raw(np.asarray(operations, dtype=np.int64)), _fbnet_standards())


def ofa_features(kernel: IntArray, expansion: IntArray, depth: IntArray, resolution: IntArray) -> SpaceFeatures:
    """Features of N networks of the Once-for-all table (MobileNetV3 form).

    Args:
        kernel: N x 20, 3, 5 or 7; what stands in inactive slots has no effect.
        expansion: N x 20, 3, 4 or 6.
        depth: N x 5, 2 to 4 blocks of each stage.
        resolution: N, side of the picture.
    """
    return _standardised(_ofa_raw(kernel, expansion, depth, resolution), _ofa_standards())


Raw = tuple[dict[str, FloatArray], FloatArray, FloatArray, FloatArray]
"""Feature groups, work (arithmetic, traffic, launches), terms and physical amounts."""
Standards = tuple[dict[str, Standard], RelativeSum]


def _standardised(raw: Raw, standards: Standards) -> SpaceFeatures:
    groups, work, terms, amounts = raw
    by_group, by_work = standards
    plain = {name: by_group[name].plain(group) for name, group in groups.items()}
    return SpaceFeatures(
        groups={name: by_group[name].scaled(group) for name, group in groups.items()},
        flat=np.hstack([plain[name] * _FLAT_WEIGHT.get(name, 1.0) for name in plain]),
        structure=np.hstack(list(plain.values())),
        work=by_work.of(work),
        terms=terms,
        amounts=amounts,
    )


_FLAT_WEIGHT = {"counts": 0.5, "choices": 0.3}
"""In distances, many single choices together weigh no more than the totals."""


def _standards_of(raw: Raw) -> Standards:
    groups, work, _, _ = raw
    return {name: Standard.of(group) for name, group in groups.items()}, RelativeSum.learn(work)


@cache
def _fbnet_standards() -> Standards:
    rng = np.random.default_rng(REFERENCE_SEED)
    return _standards_of(_fbnet_raw(rng.integers(0, len(FBNET_OPERATIONS), size=(REFERENCE_SIZE, 22))))


@cache
def _fbnet_costs() -> FloatArray:
    """22 x 9 x 7: what each operation costs in each place."""
    costs = np.zeros((22, len(FBNET_OPERATIONS), 7))
    side, before = FBNET_SIDE, 16
    for place, (channels, stride) in enumerate(zip(FBNET_CHANNELS, FBNET_STRIDES, strict=True)):
        inner, outer = side**2, (side // stride) ** 2
        same = before == channels and stride == 1
        for index, operation in enumerate(FBNET_OPERATIONS):
            if operation is None:
                if not same:
                    macs = before * channels
                    costs[place, index] = (macs * outer, 0, 0, 0, before * inner + channels * outer, macs, 1)
                continue
            kernel, expansion, groups = operation
            middle = before * expansion
            pointwise = (before * middle * inner + middle * channels * outer) / groups
            depthwise = kernel**2 * middle * outer
            traffic = before * inner + 2 * middle * inner + 2 * middle * outer + channels * outer * (2 if same else 1)
            weights = (before * middle + middle * channels) / groups + kernel**2 * middle
            costs[place, index] = (
                pointwise * (groups == 1),
                pointwise * (groups > 1),
                depthwise * (kernel == 3),
                depthwise * (kernel > 3),
                traffic,
                weights,
                3 if groups == 1 else 5,
            )
        side, before = side // stride, channels
    return costs


def _fbnet_raw(operations: IntArray) -> Raw:
    places = np.arange(22)
    costs = _fbnet_costs()[places, operations]
    total = costs.sum(axis=1)
    macs = total[:, POINTWISE : LARGE_DEPTHWISE + 1].sum(axis=1)
    chosen = (operations[:, :, None] == np.arange(len(FBNET_OPERATIONS))).astype(np.float64)
    stages = [chosen[:, stage == FBNET_STAGES].sum(axis=1) for stage in range(1, 6)]
    large = np.array([bool(one and one[0] == 5) for one in FBNET_OPERATIONS])
    expansions = np.array([one[1] if one else 0 for one in FBNET_OPERATIONS])
    depth = (operations != SKIP).sum(axis=1)
    groups = {
        "macs": np.column_stack([macs, total[:, :2].sum(axis=1), total[:, 2:4].sum(axis=1)]),
        "weights": total[:, [WEIGHTS]],
        "depth": np.column_stack([depth, total[:, LAUNCHES]]),
        "shape": np.column_stack(
            [large[operations].sum(axis=1), expansions[operations].sum(axis=1), total[:, TRAFFIC]]
        ),
        "counts": np.hstack([chosen.sum(axis=1), *stages]),
        "choices": chosen.reshape(len(chosen), -1),
    }
    late = FBNET_STAGES >= LATE_STAGE
    arithmetic = [costs[:, where, kind].sum(axis=1) for kind in range(TRAFFIC) for where in (late, ~late)]
    work = np.column_stack([macs, total[:, TRAFFIC], total[:, LAUNCHES]])
    terms = np.column_stack([*arithmetic, total[:, WEIGHTS], total[:, TRAFFIC], total[:, LAUNCHES]])
    return groups, work, terms, _fbnet_amounts(operations, total)


def _fbnet_amounts(operations: IntArray, total: FloatArray) -> FloatArray:
    """N x Amount; `total` are the costs summed over the places. Channel shuffles and sums are the other layers."""
    shuffles = 2.0 * np.array([bool(one and one[2] > 1) for one in FBNET_OPERATIONS])[operations].sum(axis=1)
    sums = ((operations != SKIP) & _same_shape()).sum(axis=1)
    found = np.zeros((len(operations), AMOUNTS))
    for amount, value in FBNET_SKELETON.items():
        found[:, amount] = value
    found[:, Amount.DENSE_MACS] += total[:, POINTWISE]
    found[:, Amount.GROUPED_MACS] += total[:, GROUPED]
    found[:, Amount.DEPTHWISE_MACS] += total[:, SMALL_DEPTHWISE] + total[:, LARGE_DEPTHWISE]
    found[:, Amount.CONV_ELEMENTS] += total[:, TRAFFIC]
    found[:, Amount.CONV_LAYERS] += total[:, LAUNCHES] - shuffles
    found[:, Amount.OTHER_LAYERS] += shuffles + sums
    return found


def _same_shape() -> FloatArray:
    """Places where a block's input is added to its output, 22."""
    before = np.array([16, *FBNET_CHANNELS[:-1]])
    return np.asarray((before == np.array(FBNET_CHANNELS)) & (np.array(FBNET_STRIDES) == 1))


@cache
def _ofa_standards() -> Standards:
    rng = np.random.default_rng(REFERENCE_SEED)
    return _standards_of(
        _ofa_raw(
            rng.choice([3, 5, 7], size=(REFERENCE_SIZE, 20)),
            rng.choice([3, 4, 6], size=(REFERENCE_SIZE, 20)),
            rng.integers(2, 5, size=(REFERENCE_SIZE, 5)),
            rng.choice(np.arange(128, 225, 4), size=REFERENCE_SIZE),
        )
    )


def _ofa_raw(kernel: IntArray, expansion: IntArray, depth: IntArray, resolution: IntArray) -> Raw:
    kernel, expansion = np.asarray(kernel, dtype=np.float64), np.asarray(expansion, dtype=np.float64)
    depth, side = np.asarray(depth, dtype=np.int64), np.asarray(resolution, dtype=np.float64) / 2
    count = len(depth)
    pointwise, depthwise, traffic, weights = (np.zeros((count, 5)) for _ in range(4))
    active = np.zeros((count, 20))
    before = np.full(count, float(OFA_STEM_CHANNELS))
    for stage, (channels, stride) in enumerate(zip(OFA_CHANNELS, OFA_STRIDES, strict=True)):
        for block in range(OFA_BLOCKS):
            place = OFA_BLOCKS * stage + block
            on = (block < depth[:, stage]).astype(np.float64)
            active[:, place] = on
            after = side / (stride if block == 0 else 1)
            middle = before * expansion[:, place]
            pointwise[:, stage] += on * (before * middle * side**2 + middle * channels * after**2)
            depthwise[:, stage] += on * kernel[:, place] ** 2 * middle * after**2
            traffic[:, stage] += on * (middle * (2 * side**2 + 2 * after**2) + (before + channels) * after**2)
            weights[:, stage] += on * (middle * (before + channels) + kernel[:, place] ** 2 * middle)
            side, before = after, np.full(count, float(channels))
    layers = depth.sum(axis=1).astype(np.float64)
    area = (np.asarray(resolution, dtype=np.float64) / 224) ** 2
    kernels = np.stack([((kernel == size) * active).reshape(count, 5, 4).sum(axis=2) for size in (5, 7)], axis=2)
    wide = np.stack([((expansion == size) * active).reshape(count, 5, 4).sum(axis=2) for size in (4, 6)], axis=2)
    macs = (pointwise + depthwise).sum(axis=1)
    groups = {
        "macs": np.column_stack([macs, pointwise.sum(axis=1), depthwise.sum(axis=1)]),
        "weights": weights.sum(axis=1, keepdims=True),
        "depth": np.column_stack([layers, depth]),
        "shape": np.column_stack([area, traffic.sum(axis=1), area * layers]),
        "counts": np.hstack([pointwise, depthwise, traffic]),
        "choices": np.hstack([kernels.reshape(count, -1), wide.reshape(count, -1)]),
    }
    terms = np.column_stack([pointwise, depthwise, weights.sum(axis=1), traffic.sum(axis=1), layers])
    amounts = ofa_skeleton(np.asarray(resolution, dtype=np.float64))
    amounts[:, Amount.DENSE_MACS] += pointwise.sum(axis=1)
    amounts[:, Amount.DEPTHWISE_MACS] += depthwise.sum(axis=1)
    amounts[:, Amount.CONV_ELEMENTS] += traffic.sum(axis=1)
    amounts[:, Amount.CONV_LAYERS] += 3 * layers
    amounts[:, Amount.OTHER_LAYERS] += layers - len(OFA_CHANNELS)
    return groups, np.column_stack([macs, traffic.sum(axis=1), layers]), terms, amounts
