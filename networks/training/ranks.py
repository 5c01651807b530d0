"""Ranks: processes that train one network together, each on its share of every batch, with averaged gradients.

All begin with the same weights, draw the same batches and take the same steps, so their weights stay equal to the
digit; norms see the pictures of their own process, as is usual (Goyal et al., arXiv 1706.02677).
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from networks.quantizers.start import StartsFromData
from networks.training.errors import InvalidOptions


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """One of the processes.

    Attributes:
        number: From 0; that process keeps checkpoints and results.
        of: How many there are; with 1, nothing here does anything.
    """

    number: int = 0
    of: int = 1

    @classmethod
    def joined(cls, device: str = "cpu") -> Ranks:
        """This process as its launcher has set it up; it meets the others first.

        Args:
            device: `cuda` for a GPU a process, else the CPU.
        """
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
        return cls(number=int(os.environ["RANK"]), of=int(os.environ["WORLD_SIZE"]))

    @property
    def leads(self) -> bool:
        """Whether this process keeps what comes of it."""
        return self.number == 0

    def check(self, batch_size: int, pictures: int) -> None:
        """See that every batch can be shared evenly.

        Raises:
            InvalidOptions: It cannot.
        """
        if self.of > 1 and (batch_size % self.of or pictures < batch_size):
            must = f"the batch size must be a multiple of {self.of} processes and at most {pictures} pictures"
            raise InvalidOptions(must, f"{batch_size}", pointer="/batch_size")

    def average_gradients(self, module: nn.Module) -> None:
        """Each process has the gradient of the whole batch afterwards."""
        if self.of > 1:
            self._average([one.grad for one in module.parameters() if one.grad is not None])

    def average_statistics(self, module: nn.Module) -> None:
        """Running means and variances of norms become those of all pictures."""
        if self.of > 1:
            self._average([one for one in module.buffers() if one.is_floating_point()])

    def _average(self, tensors: Iterable[Tensor]) -> None:
        """In one message for each kind of number."""
        kinds: dict[torch.dtype, list[Tensor]] = {}
        for one in tensors:
            kinds.setdefault(one.dtype, []).append(one)
        for own in kinds.values():
            flat = torch.cat([one.detach().reshape(-1) for one in own])
            distributed.all_reduce(flat)
            flat /= self.of
            with torch.no_grad():
                for one, part in zip(own, torch.split(flat, [one.numel() for one in own]), strict=True):
                    one.copy_(part.view_as(one))

    def summed(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Sums over all processes."""
        if self.of == 1:
            return list(values)
        held = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(held)
        found: list[float] = held.tolist()
        return found

    def start(self, module: nn.Module, images: Tensor) -> None:
        """Start what starts from data on the whole first batch, so that all processes start alike.

        Args:
            module: About to be trained.
            images: N x C x H x W, the same in all processes.
        """
        if self.of == 1:
            return
        shown = copy.deepcopy(module).train()
        with torch.random.fork_rng(), torch.no_grad():
            shown(images)
        for name, part in shown.named_modules():
            if isinstance(part, StartsFromData):
                module.get_submodule(name).load_state_dict(part.state_dict())


ALONE = Ranks()
