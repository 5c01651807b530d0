"""PruningPlan: how many filters each layer keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class PruningPlan(BaseModel):
    """Layer name -> filters kept; a layer that is not named keeps them all.

    Layers whose outputs meet in an addition (a residual group) or pass through a depthwise convolution keep the
    same number; what a grouped convolution reads and writes keeps equally many channels in each of its groups. The
    Design that carries the plan checks it (see `design.channels`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kept: Mapping[str, Annotated[int, Field(ge=1)]] = {}


def filters_kept(width: int, ratio: float) -> int:
    """Filters that remain of `width` at a share of `ratio` (at least one): the nearest multiple of 8, 4, 2 or 1.

    The multiple is the largest that is at most an eighth of the width, so that shares in steps of an eighth give
    different numbers for every width of 8 or more.
    """
    if ratio >= 1:
        return width
    step = next((step for step in (8, 4, 2) if 8 * step <= width), 1)
    return max(1, step * math.floor(width * ratio / step + 0.5))
