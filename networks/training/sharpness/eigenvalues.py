"""The largest eigenvalues of a symmetric operator from products alone: from scratch, and from where they last were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from networks.training.errors import InvalidOptions
from networks.training.sharpness.hessian import FloatArray

DENSE = 24
"""Rows up to which the matrix itself is as cheap."""
NUDGE = 0.01
"""Length of what is added to a vector that is followed, so that an eigenvalue that overtakes it is noticed."""


class Symmetric(Protocol):
    """A symmetric matrix by its products."""

    size: int
    products: int

    def apply(self, vectors: FloatArray) -> FloatArray:
        """The product with each column (size x k)."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Eigenpairs:
    """The largest eigenvalues, largest first.

    Attributes:
        values: k.
        vectors: size x k, of length 1.
        residual: Largest |A v - value v| over |value|: how far from an eigenvector; the value's own error is about its
            square over the gap.
        converged: Whether the residual is within what was asked for.
        products: Products with one vector that it took.
    """

    values: FloatArray
    vectors: FloatArray
    residual: float
    converged: bool
    products: int


def lanczos(
    operator: Symmetric, count: int = 1, *, tolerance: float = 1e-6, start: FloatArray | None = None
) -> Eigenpairs:
    """Implicitly restarted Lanczos (ARPACK) for the largest (not the largest in magnitude) eigenvalues.

    Args:
        operator: Whose.
        count: How many.
        tolerance: Of the residual, relative.
        start: Vector (size) to begin with; None = random, the same every time.

    Raises:
        InvalidOptions: Fewer than one, or more than there are.
    """
    if not 1 <= count <= operator.size:
        raise InvalidOptions(f"the number of eigenvalues must be 1 to {operator.size}", f"{count}")
    before = operator.products
    if operator.size <= max(DENSE, count + 1):
        whole = operator.apply(np.eye(operator.size))
        values, vectors = np.linalg.eigh((whole + whole.T) / 2)
        values, vectors = values[::-1][:count].copy(), vectors[:, ::-1][:, :count].copy()
        return _told(operator, whole @ vectors, values, vectors, tolerance, before)
    if start is None:
        start = np.random.default_rng(0).standard_normal(operator.size)

    def product(vector: FloatArray) -> FloatArray:
        return operator.apply(vector.reshape(-1, 1))[:, 0]

    linear = LinearOperator((operator.size, operator.size), matvec=product, dtype=np.float64)
    width = min(operator.size, max(2 * count + 1, 10))
    try:
        values, vectors = eigsh(linear, k=count, which="LA", tol=tolerance, v0=start, ncv=width, maxiter=60)
    except ArpackNoConvergence as partial:
        if len(partial.eigenvalues) < count:
            return follow(operator, start[:, None], tolerance=tolerance, most=200)
        values, vectors = partial.eigenvalues, partial.eigenvectors
    order = np.argsort(values)[::-1]
    values, vectors = np.real(values)[order], np.real(vectors)[:, order]
    return _told(operator, operator.apply(vectors), values, vectors, tolerance, before)


def follow(
    operator: Symmetric, start: FloatArray, count: int | None = None, *, tolerance: float = 1e-2, most: int = 20
) -> Eigenpairs:
    """LOBPCG (Knyazev, 2001) from vectors that were eigenvectors a while ago: few products where they still are.

    Args:
        operator: Whose.
        start: size x k or more; the first subspace that is looked through.
        count: k; None = as many as there are vectors.
        tolerance: Of the residual, relative.
        most: Products after which it stops with what it has.
    """
    before = operator.products
    noise = np.random.default_rng(0).standard_normal(start.shape)
    unit = start / np.linalg.norm(start, axis=0)
    own = _orthonormal(unit + NUDGE * noise / np.linalg.norm(noise, axis=0))
    image = operator.apply(own)
    count = start.shape[1] if count is None else count
    values, turned = _ritz(own.T @ image)
    own, image = own @ turned, image @ turned
    past, past_image = own[:, count:], image[:, count:]
    values, own, image = values[:count], own[:, :count], image[:, :count]
    while True:
        residuals = image - own * values
        sizes = np.linalg.norm(residuals, axis=0)
        open_ = sizes > tolerance * np.abs(values)
        if not open_.any() or operator.products - before + int(open_.sum()) > most:
            break
        fresh = _orthonormal(_without(residuals[:, open_], own))
        basis, basis_image = np.hstack([own, fresh]), np.hstack([image, operator.apply(fresh)])
        basis, basis_image = _joined(basis, basis_image, past, past_image)
        values, chosen = _ritz(basis.T @ basis_image, count)
        rest = chosen.copy()
        rest[:count] = 0
        past, past_image = basis @ rest, basis_image @ rest
        own, image = basis @ chosen, basis_image @ chosen
    return _told(operator, image, values, own, tolerance, before)


def _told(
    operator: Symmetric, image: FloatArray, values: FloatArray, vectors: FloatArray, tolerance: float, before: int
) -> Eigenpairs:
    sizes = np.linalg.norm(image - vectors * values, axis=0)
    residual = float(np.max(sizes / np.maximum(np.abs(values), np.finfo(np.float64).tiny)))
    return Eigenpairs(
        values=values,
        vectors=vectors,
        residual=residual,
        converged=residual <= max(tolerance, 1e-6) * 1.01,
        products=operator.products - before,
    )


def _ritz(projected: FloatArray, count: int | None = None) -> tuple[FloatArray, FloatArray]:
    """Eigenpairs of a small matrix that should be symmetric, largest first."""
    values, vectors = np.linalg.eigh((projected + projected.T) / 2)
    return values[::-1][:count].copy(), vectors[:, ::-1][:, :count].copy()


def _without(vectors: FloatArray, basis: FloatArray) -> FloatArray:
    """The part that is orthogonal to an orthonormal basis; done twice, since once loses digits."""
    for _ in range(2):
        vectors = vectors - basis @ (basis.T @ vectors)
    return vectors


def _orthonormal(vectors: FloatArray) -> FloatArray:
    found: FloatArray = np.linalg.qr(vectors)[0]
    return found


def _joined(
    basis: FloatArray, image: FloatArray, past: FloatArray, past_image: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """An orthonormal basis with further vectors, whose images follow; those within the basis are dropped."""
    for column in range(past.shape[1]):
        vector, own_image = past[:, column], past_image[:, column]
        length = np.linalg.norm(vector)
        for _ in range(2):
            within = basis.T @ vector
            vector, own_image = vector - basis @ within, own_image - image @ within
        left = np.linalg.norm(vector)
        if left > 1e-6 * length:
            basis = np.column_stack([basis, vector / left])
            image = np.column_stack([image, own_image / left])
    return basis, image
