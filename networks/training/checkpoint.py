"""Checkpoint: everything that a training goes on from, written after every epoch."""

from __future__ import annotations

import os
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from networks.training.errors import CheckpointMismatch
from networks.training.identity import LATER
from networks.training.progress import Epoch

FORMAT = 1
State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The state between two epochs.

    Attributes:
        identity: Settings, data and shapes that it belongs to; a run with others must not go on from it.
        epochs: What has been.
        module: Weights and statistics.
        optim: Momenta.
        average: Averaged state and its steps, where there is an average.
        best: Weights of the best epoch, and its number from 1.
        random: State of PyTorch's random numbers on the CPU, and of the device's where that is another.
    """

    identity: dict[str, str]
    epochs: tuple[Epoch, ...]
    module: State
    optim: dict[str, Any]
    average: tuple[State, int] | None
    best: tuple[State, int]
    random: tuple[Tensor, ...]

    def save(self, path: Path) -> None:
        """Write beside, then rename: a killed process leaves the old checkpoint or the new one, never half of one.

        Raises:
            OSError: It cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content["epochs"] = [asdict(epoch) for epoch in self.epochs]
        content["format"] = FORMAT
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with beside.open("wb") as file:
                torch.save(content, file)
            os.replace(beside, path)
        except RuntimeError as error:  # what torch makes of a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise
        finally:
            beside.unlink(missing_ok=True)


def load_checkpoint(path: Path, identity: dict[str, str]) -> Checkpoint | None:
    """The checkpoint at a path, None where there is none. Only tensors and plain values are read.

    Args:
        path: Where it was saved.
        identity: What the run about to go on says of itself.

    Raises:
        CheckpointMismatch: Another format, settings, data or network, or a damaged file.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != FORMAT:
            raise CheckpointMismatch(f"{path} must have format {FORMAT}", "another one", "Remove it to start anew.")
        content["epochs"] = tuple(Epoch(**epoch) for epoch in content["epochs"])
        found = Checkpoint(**content)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointMismatch(
            f"{path} must be a whole checkpoint", str(error), "Remove it to start anew."
        ) from error
    known = [name for name in identity if name in found.identity or name not in LATER]
    differing = sorted(name for name in known if found.identity.get(name) != identity[name])
    if differing:
        raise CheckpointMismatch(
            f"{path} must belong to this run", f"other {', '.join(differing)}", "Remove it or give another path."
        )
    return found
