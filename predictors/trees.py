"""Trees: an average of regression trees as flat arrays, evaluated for many rows at once without scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from design.encoding import FloatArray

_LEAF = -1
FEW = 64
"""Rows from which on it pays to decide first what is known."""


@dataclass(frozen=True, kw_only=True)
class TreeOptions:
    """Extremely randomised trees (Geurts et al. 2006)."""

    trees: int = 60
    min_leaf: int = 2
    feature_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Trees:
    """All nodes of all trees, depth first: a left child stands right behind its parent.

    Attributes:
        feature: Nodes; index of the feature asked for, -1 at a leaf.
        number: Nodes; the threshold (left at or below), at a leaf its value.
        skip: Nodes; how far behind its parent the right child stands, 0 at a leaf.
        root: Trees; first node of each.
        depth: Of the deepest tree.
    """

    feature: NDArray[np.int8]
    number: NDArray[np.float32]
    skip: NDArray[np.uint16]
    root: NDArray[np.int32]
    depth: int

    def fixed(self, features: FloatArray) -> TreeWalk:
        """The trees for rows whose first features (F' of them) are known: what these decide is decided here."""
        known, feature = len(features), self.feature.view(np.uint8)  # of a leaf: 255
        value = np.concatenate([features.astype(np.float32), np.zeros(1, np.float32)])

        def decided(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
            """Where these nodes lead by what is known."""
            nodes, asked = nodes.copy(), feature.take(nodes)
            here = (asked < known).nonzero()[0]
            asked = asked.take(here)
            while len(here):
                own = nodes.take(here)
                own += np.where(value.take(asked) <= self.number.take(own), 1, self.skip.take(own))
                nodes[here] = own
                asked = feature.take(own)
                going = (asked < known).nonzero()[0]
                here, asked = here.take(going), asked.take(going)
            return nodes

        front = decided(self.root.astype(np.int64))
        levels, children, count = [front], [], len(front)
        while True:
            own = (self.feature.take(front) >= 0).nonzero()[0]
            inner = front.take(own)
            below = decided(np.concatenate([inner + 1, inner + self.skip.take(inner)]))
            child = np.repeat(np.arange(count - len(front), count), 2).reshape(-1, 2)
            child[own] = count + np.arange(len(below)).reshape(2, -1).T
            children.append(child)
            if not len(below):
                break
            front, count = below, count + len(below)
            levels.append(front)
        nodes = np.concatenate(levels)
        leaf = self.feature[nodes] < 0
        return TreeWalk(
            feature=np.where(leaf, 0, self.feature[nodes].astype(np.int64) - known),
            number=np.where(leaf, np.inf, self.number[nodes]).astype(np.float32),
            child=np.concatenate(children).ravel(),
            value=self.number[nodes],
            root=np.arange(len(self.root)),
            depth=len(levels) - 1,
        )

    def knowing(self, features: FloatArray) -> KnownTrees:
        """The trees for rows whose first features (F') are known, for few rows and for many."""
        return KnownTrees(self, features)

    def predict(self, features: FloatArray) -> FloatArray:
        """Mean over the trees, N, of N x F features."""
        feature, (count, width) = self.feature.view(np.uint8), features.shape  # of a leaf: 255
        compared = np.ascontiguousarray(features, dtype=np.float32).ravel()
        node = np.repeat(self.root.astype(np.int64), count)
        start = np.tile(np.arange(count) * width, len(self.root))
        here, own = np.arange(len(node)), node
        while True:
            asked = feature.take(own)
            inner = (asked < width).nonzero()[0]
            if not len(inner):
                break
            here, own, start = here.take(inner), own.take(inner), start.take(inner)
            below = compared.take(start + asked.take(inner)) <= self.number.take(own)
            own += np.where(below, 1, self.skip.take(own))
            node[here] = own
        return _mean(self.number.take(node), len(self.root))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What is stored."""
        names = ("feature", "number", "skip", "root")
        return {name: getattr(self, name) for name in names} | {"depth": np.array([self.depth], dtype=np.int32)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Trees:
        """The trees stored as `arrays`."""
        return cls(
            feature=arrays["feature"].astype(np.int8),
            number=arrays["number"].astype(np.float32),
            skip=arrays["skip"].astype(np.uint16),
            root=arrays["root"].astype(np.int32),
            depth=int(arrays["depth"][0]),
        )


@dataclass(frozen=True, kw_only=True)
class TreeWalk:
    """Trees ready to walk down for many rows at once; every node has two children, a leaf is its own.

    Attributes:
        feature, number, value: Nodes; feature asked for, threshold (infinite at a leaf), value at a leaf.
        child: 2 Nodes; left and right child of each node in turn.
        root: Trees.
        depth: Steps to the deepest leaf.
    """

    feature: NDArray[np.int64]
    number: NDArray[np.float32]
    child: NDArray[np.int64]
    value: NDArray[np.float32]
    root: NDArray[np.int64]
    depth: int

    def predict(self, features: FloatArray) -> FloatArray:
        """Mean over the trees, N, of N x F features (those not fixed)."""
        compared = np.ascontiguousarray(features, dtype=np.float32).ravel()
        count, width = features.shape
        node = np.repeat(self.root, count)
        start = np.tile(np.arange(count) * width, len(self.root))
        for _ in range(self.depth):
            goes_right = compared.take(start + self.feature.take(node)) > self.number.take(node)
            node = self.child.take(2 * node + goes_right)
        return _mean(self.value.take(node), len(self.root))


class KnownTrees:
    """Trees for rows whose first features are known: what these decide is decided once, when enough is asked.

    Args:
        trees: As fitted.
        features: F', the known ones.
    """

    def __init__(self, trees: Trees, features: FloatArray) -> None:
        self._trees, self._features = trees, features
        self._walk: TreeWalk | None = None
        self._asked = 0

    def predict(self, features: FloatArray) -> FloatArray:
        """Mean over the trees, N, of N x F features (those not known)."""
        self._asked += len(features)
        if self._walk is None and self._asked < FEW:
            known = np.broadcast_to(self._features, (len(features), len(self._features)))
            return self._trees.predict(np.concatenate([known, features], axis=1))
        self._walk = self._walk or self._trees.fixed(self._features)
        return self._walk.predict(features)


def _mean(leaves: NDArray[np.float32], trees: int) -> FloatArray:
    """Mean over the trees of the leaves that each row (N) comes to, tree by tree."""
    return np.asarray(leaves.reshape(trees, -1).mean(axis=0, dtype=np.float64))


def fit_trees(features: FloatArray, target: FloatArray, options: TreeOptions, seed: int) -> Trees:
    """Fit with scikit-learn and keep the nodes alone."""
    forest = ExtraTreesRegressor(
        options.trees,
        min_samples_leaf=options.min_leaf,
        max_features=options.feature_share,
        random_state=seed,
    ).fit(features, target)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    leaf = np.concatenate([tree.children_left == _LEAF for tree in trees])
    own = np.concatenate([np.arange(tree.node_count) for tree in trees])
    right = np.concatenate([tree.children_right for tree in trees])
    threshold = np.concatenate([tree.threshold for tree in trees])
    value = np.concatenate([tree.value[:, 0, 0] for tree in trees])
    sizes = np.cumsum([0, *(tree.node_count for tree in trees)])
    return Trees(
        feature=np.where(leaf, _LEAF, np.concatenate([tree.feature for tree in trees])).astype(np.int8),
        number=np.where(leaf, value, threshold).astype(np.float32),
        skip=np.where(leaf, 0, right - own).astype(np.uint16),
        root=sizes[:-1].astype(np.int32),
        depth=max(tree.max_depth for tree in trees),
    )
