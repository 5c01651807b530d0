"""MonitorOptions: what a training is watched for, and what that may cost."""

from __future__ import annotations

from dataclasses import dataclass

from networks.training.errors import InvalidOptions
from networks.training.sharpness.surrogate import Statistics


@dataclass(frozen=True, kw_only=True)
class MonitorOptions:
    """How a training is watched.

    Attributes:
        share: Of the time of training itself that watching may take; readings are spaced so that it holds.
        every: Steps between readings instead, whatever they cost.
        most: Readings of a whole run, at about equal distances where time allows more.
        pictures: Training pictures, not augmented, that curvature is measured on (all, if there are fewer). A training
            too short to afford a dozen readings gets fewer, down to one chunk.
        chunk: Of them in one pass, at most a batch of the training: with batch statistics each is normalised by itself.
            Second derivatives hold about four times the memory of a training step of as many pictures.
        exact: Measure the largest eigenvalue beside critical sharpness. None: where the network rounds nothing, since a
            quantized one has only the Hessian of its latent float network, which is not what it computes.
        products: Most Hessian-vector products of a reading; the first may take three times as many.
        tolerance: Relative residual of the eigenvector that ends them sooner.
        statistics: What batch norms use.
        seed: Which pictures.

    Raises:
        InvalidOptions: Figures out of range.
    """

    share: float = 0.08
    every: int | None = None
    most: int = 300
    pictures: int = 256
    chunk: int = 64
    exact: bool | None = None
    products: int = 8
    tolerance: float = 0.03
    statistics: Statistics = Statistics.BATCH
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InvalidOptions("share must be over 0 and at most 1", f"{self.share}", pointer="/share")
        whole = {"every": self.every or (1 if self.every is None else 0), "most": self.most}
        whole |= {"pictures": self.pictures, "chunk": self.chunk, "products": self.products}
        for name, number in whole.items():
            if number < 1:
                raise InvalidOptions(f"{name} must be at least 1", f"{number}", pointer=f"/{name}")
