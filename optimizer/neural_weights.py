"""NeuralWeights: a generator, stored as one file for each space and signature of genes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from design.space import Space
from design.task import Task
from optimizer.gene_code import gene_code, signature
from optimizer.generator import Generator
from predictors.storage import InvalidWeights, Weights, load_weights, save_weights

KIND = "amortised_optimizer"
VERSION = "1"
WEIGHTS = Path(__file__).parent / "weights"
_OWN, _SCALE, _MOST = "generator.", ".scale", 127


@dataclass(frozen=True, kw_only=True)
class NeuralWeights:
    """What was fitted for one space and signature.

    Attributes:
        digest: Of the weights.
        facts: What the fit wants to be known.
    """

    generator: Generator
    digest: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path, facts: dict[str, str]) -> None:
        """Write matrices as 8-bit integers with a scale for each row: the networks only propose."""
        tensors: dict[str, Tensor] = {}
        for key, value in self.generator.state_dict().items():
            if value.dim() == 2:
                tensors[_OWN + key], tensors[_OWN + key + _SCALE] = narrowed(value)
            else:
                tensors[_OWN + key] = value.float()
        save_weights(Weights(kind=KIND, version=VERSION, tensors=tensors, facts=facts), path)

    @classmethod
    def load(cls, path: Path, width: int, families: int) -> NeuralWeights:
        """Read weights for W choices, of which the first gene has `families`.

        Raises:
            InvalidWeights: The file is damaged, of another kind or version.
        """
        stored = load_weights(path, kind=KIND, version=VERSION)
        generator, found = Generator(width, families), stored.tensors
        own = {
            key: value.float() * found.get(_OWN + key + _SCALE, torch.tensor(1.0))
            for key in generator.state_dict()
            if (value := found.get(_OWN + key)) is not None
        }
        try:
            generator.load_state_dict(own)
        except RuntimeError as error:
            raise InvalidWeights(
                f"{path.name} must hold a network for {width} choices",
                str(error).splitlines()[1].strip() if "\n" in str(error) else str(error),
                "Fit it again with `bespoke fit optimizer`, or restore the shipped file.",
            ) from error
        generator.eval().requires_grad_(False)
        return cls(generator=generator, digest=stored.digest, facts=dict(stored.facts))


def narrowed(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix as 8-bit integers, and what to multiply each row by."""
    scale = matrix.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _MOST
    return torch.round(matrix / scale).to(torch.int8), scale


def weights_file(space: Space, task: Task, folder: Path = WEIGHTS) -> Path:
    """Where the weights of a space for a task lie, if there are any."""
    return folder / f"{space.name}-{signature(space, task)}.safetensors"  # type: ignore[arg-type]  # by identity


@lru_cache(maxsize=64)
def neural_weights(space: Space, task: Task) -> NeuralWeights | None:
    """The shipped weights for a space and task, None where none were fitted.

    Raises:
        InvalidWeights: The shipped file is damaged.
    """
    path = weights_file(space, task)
    if not path.is_file():
        return None
    code = gene_code(space, task)  # type: ignore[arg-type]  # by identity
    return NeuralWeights.load(path, code.width, int(code.sizes[0]))
