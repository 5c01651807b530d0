"""Scalars: numbers and truth values are taken as they are; text and truth values are no numbers.

Left to itself pydantic reads `true` as 1, "1_0" as 10 and "yes" as true. Readers of text turn it into numbers
themselves.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError


def _refuses(kind: Literal["float_type", "int_type"]) -> BeforeValidator:
    """What is no number is refused as pydantic's own error `kind`; what is one passes."""

    def check(value: object) -> object:
        if isinstance(value, bool | np.bool_ | str | bytes):
            raise PydanticKnownError(kind)
        return value

    return BeforeValidator(check)


NUMBER = _refuses("float_type")
"""Beside `float` in `Annotated`, after its bounds."""
WHOLE = _refuses("int_type")
"""The same beside `int`."""


def _truth(value: object) -> object:
    """Truth values of numpy are some; numbers and words are none."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise PydanticKnownError("bool_type")


TRUTH = BeforeValidator(_truth)
"""The same beside `bool`."""
