"""Description: what a model file says of itself, so that it can be run without this program."""

from __future__ import annotations

import json
from collections.abc import Sequence

from networks.training.batches import Normalisation


def description(
    *, design: str, task: str, classes: Sequence[str], normalisation: Normalisation, made_by: str
) -> dict[str, str]:
    """Metadata of an ONNX model, each a text; `networks/export/run_model.py` reads it.

    Args:
        design: Digest.
        task: Name.
        classes: Names, in the order of the logits.
        normalisation: What pictures on the scale 0 to 1 are centred and scaled by.
        made_by: Job or program.
    """
    return {
        "design": design,
        "task": task,
        "classes": json.dumps(list(classes), ensure_ascii=False),
        "mean": json.dumps(normalisation.mean),
        "deviation": json.dumps(normalisation.deviation),
        "made_by": made_by,
    }
