"""Parameters and buffers that take their first value from the first batch that they see."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class StartsFromData(nn.Module):
    """Mix-in of quantizers with a parameter or buffer that starts from data, once, in training or evaluation.

    Whether it has started is part of the state dictionary, so a loaded quantizer never starts again.
    """

    started: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self._started = False
        self.register_load_state_dict_post_hook(_read_started)  # type: ignore[no-untyped-call]

    def start(self, x: Tensor) -> None:
        """Set the parameters from a batch."""
        raise NotImplementedError

    def start_once(self, x: Tensor) -> None:
        """Start unless that has been done."""
        if self._started or x.is_meta:
            return
        self._started = bool(self.started)
        if not self._started:
            with torch.no_grad():
                self.start(x.detach())
                self.started.fill_(True)
            self._started = True

    def restart(self) -> None:
        """Take the next batch as the first."""
        self.started.fill_(False)
        self._started = False


def _read_started(module: nn.Module, _keys: object) -> None:
    """The state dictionary may have changed the buffer."""
    assert isinstance(module, StartsFromData)
    module._started = False
