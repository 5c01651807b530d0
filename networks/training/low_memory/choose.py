"""Choose: whether a network is trained the standard way or with little memory, under a limit."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from design.design import Design
from design.encoding import encode_designs
from design.training_memory import LOW_MEMORY, STANDARD, TrainingOptim, largest_batch, training_bytes
from networks.network import Network
from networks.training.errors import InvalidOptions
from networks.training.low_memory.network import to_low_memory
from networks.training.options import FitOptions

OPTIMS = {"adamw": TrainingOptim.ADAM, "sgd": TrainingOptim.SGD}


@dataclass(frozen=True, kw_only=True)
class TrainingChoice:
    """How to train.

    Attributes:
        low_memory: With `to_low_memory`, else the network as it is.
        batch_size: As wanted, or the most that fits.
        memory_bytes: Of a step by the memory model.
        reason: One sentence for people.
    """

    low_memory: bool
    batch_size: int
    memory_bytes: int
    reason: str

    def prepared(self, network: Network) -> nn.Module:
        """What to give to `fit`."""
        return to_low_memory(network) if self.low_memory else network


def choose_training(design: Design, options: FitOptions, limit_bytes: float | None) -> TrainingChoice:
    """Standard training where it fits, else low-memory training, else that with a smaller batch.

    Args:
        design: What is trained.
        options: Batch size and what steps the weights.
        limit_bytes: Memory for training; None = any.

    Raises:
        InvalidOptions: Not even one picture fits.
    """
    encoded, optim, batch = encode_designs([design]), OPTIMS[options.optim], options.batch_size
    standard = int(training_bytes(encoded, batch_size=batch, method=STANDARD, optim=optim)[0])
    if limit_bytes is None or standard <= limit_bytes:
        reason = "no limit on training memory" if limit_bytes is None else "a standard step fits the training memory"
        return TrainingChoice(low_memory=False, batch_size=batch, memory_bytes=standard, reason=reason)
    binary = any(own.activation_bits == 1 for own in design.policy.layers.values())
    method, name = (LOW_MEMORY, "low-memory") if binary else (STANDARD, "standard")
    fits = int(largest_batch(encoded, limit_bytes, method=method, optim=optim)[0])
    if fits < 1:
        least = training_bytes(encoded, batch_size=1, method=method, optim=optim)[0]
        raise InvalidOptions(
            f"the training memory must be at least {least / 1e6:.3g} MB for a {name} step of one picture",
            f"{limit_bytes / 1e6:.3g} MB",
            "Train on another machine, or choose a smaller design.",
        )
    chosen = min(batch, fits)
    smaller = "" if chosen == batch else f" with {chosen} pictures instead of {batch}"
    return TrainingChoice(
        low_memory=binary,
        batch_size=chosen,
        memory_bytes=int(training_bytes(encoded, batch_size=chosen, method=method, optim=optim)[0]),
        reason=f"a standard step takes {standard / 1e6:.3g} MB; a {name} step fits{smaller}",
    )
