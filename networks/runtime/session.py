"""Sessions of onnxruntime: one thread unless more are asked for, and errors that say what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from networks.errors import InvalidArtefact
from networks.export.graph import BATCH

PROVIDERS = ("CPUExecutionProvider",)
ERRORS_ALONE = 3
EXACT_SUMS = ("session.x64quantprecision", "1")
"""On x86 without VNNI the runtime's usual kernels add pairs of products in 16 bits and cut what does not fit, which
spoils layers of 8-bit weights that read 8 bits. This entry asks for kernels that do not; elsewhere nothing changes."""
FloatArray = NDArray[np.float32]


def open_session(
    model: bytes | Path, *, threads: int = 1, optimised: bool = True, write_to: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session on the CPU.

    Args:
        model: The file or its content.
        threads: Within one operator.
        optimised: Let the runtime fuse and replace nodes, as it does by default.
        write_to: Where the runtime leaves the graph that it made of it.

    Raises:
        InvalidArtefact: The runtime does not take it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = ERRORS_ALONE
    options.add_session_config_entry(*EXACT_SUMS)
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    if write_to is not None:
        options.optimized_model_filepath = str(write_to)
    content = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(content, options, providers=list(PROVIDERS))
    except Exception as error:  # the classes of its errors are not public
        name = "the model" if isinstance(model, bytes) else model.name
        raise InvalidArtefact(
            f"{name} must be an ONNX model that onnxruntime {onnxruntime.__version__} loads",
            str(error).strip().splitlines()[0][:300],
            "Export the network again.",
        ) from error


def logits(session: onnxruntime.InferenceSession, images: FloatArray) -> FloatArray:
    """The first output for N x C x H x W pictures."""
    found: FloatArray = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: images})[0]
    return found


def with_values_shown(model: onnx.ModelProto, values: Sequence[str]) -> bytes:
    """The model with further values as outputs, behind its own."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    for value in values:
        kind: Any = onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, [BATCH, None, None, None])
        shown.graph.output.append(kind)
    return bytes(shown.SerializeToString())
