"""Failing in words: how long a step took, and what the libraries say is wrong becomes the reason of a failed job."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from torch.cuda import OutOfMemoryError

from design.errors import BespokeError
from networks.runtime.errors import ExportDisagrees
from service.worker.trainer import Report, StepFailed

Json = dict[str, Any]
Program = Callable[[Json, Report], Json]
SECONDS = "took_s"
"""Added to the result of each step: how long it ran, without the start of its process."""
_NO_MEMORY = "can't allocate memory"
"""What torch says where the C library has none left on the CPU."""


def in_words(program: Program) -> Program:
    """A program whose errors are told: trying again would not help, so the step fails at once.

    Raises:
        StepFailed: In place of errors that say what must hold; an export that disagrees names its layer.
        MemoryError: In place of what torch raises for want of memory.
    """

    @wraps(program)
    def run(job: Json, report: Report) -> Json:
        begun = time.perf_counter()
        try:
            return program(job, report) | {SECONDS: round(time.perf_counter() - begun, 3)}
        except ExportDisagrees as error:
            raise StepFailed(str(error), **error.members()) from error
        except BespokeError as error:
            raise StepFailed(str(error)) from error
        except OutOfMemoryError as error:
            raise MemoryError(str(error)) from error
        except RuntimeError as error:
            if _NO_MEMORY in str(error):
                raise MemoryError(str(error)) from error
            raise

    return run
