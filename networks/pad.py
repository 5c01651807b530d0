"""Pad: a shortcut without weights, which says of every channel where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.errors import InvalidSelection


class Pad(nn.Module):
    """Every `stride`-th position and other channels, those that come from nowhere zero (option A of arXiv 1512.03385).

    Without a `source` the channels read come first, missing ones are zero behind them and surplus ones left out, as in
    a network that is built anew. A network whose channels were cut, or a user's that pads on both sides, says which
    channel stands where. The state dictionary has `source` only then, so one without it is of the usual form.

    Attributes:
        source: C of the output, whole numbers: the channel read, or -1 for zeros; None for the usual ones.
    """

    source: Tensor | None

    def __init__(self, read: int, channels: int, stride: int, border: int) -> None:
        super().__init__()
        self.read, self.channels, self.stride, self.border = read, channels, stride, border
        self.register_buffer("source", None)

    @property
    def channel_sources(self) -> tuple[int, ...]:
        """The channel read at each channel of the output, -1 for zeros."""
        if self.source is not None:
            return tuple(self.source.tolist())
        return self._usual()

    def _usual(self) -> tuple[int, ...]:
        return tuple(channel if channel < self.read else -1 for channel in range(self.channels))

    def set_sources(self, sources: Sequence[int]) -> None:
        """Say which channel stands where.

        Raises:
            InvalidSelection: Another number of channels, or one that is not read.
        """
        found = tuple(sources)
        if len(found) != self.channels or not all(-1 <= one < self.read for one in found):
            raise InvalidSelection(
                f"a pad must name one of {self.read} channels, or -1, for each of its {self.channels}",
                f"{len(found)}: {found[:8]}",
            )
        device = None if self.source is None else self.source.device
        self.source = None if found == self._usual() else torch.tensor(found, dtype=torch.int64, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """N x channels x H x W, behind it `border` zeros on each side."""
        x = x[:, :, :: self.stride, :: self.stride]
        missing = 0
        if self.source is None:
            x = x[:, : self.channels]
            missing = self.channels - x.shape[1]
        else:
            place = self.source.to(x.device)
            x = x.index_select(1, place.clamp(min=0)) * (place >= 0).to(x.dtype)[:, None, None]
        if missing or self.border:
            x = functional.pad(x, (self.border,) * 4 + (0, missing))
        return x

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, _metadata: Any, _strict: bool, *lists: list[str]
    ) -> None:
        """Take the sources of a state dictionary, or the usual ones where it has none."""
        found = state_dict.get(f"{prefix}source")
        if found is None:
            self.source = None
            return
        try:
            self.set_sources(found.tolist())
        except InvalidSelection as error:
            lists[-1].append(f"{prefix}source: {error}")
