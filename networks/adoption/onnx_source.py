"""Adopting ONNX files: weights from their initializers, values from onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from networks.adoption.adopt import Adopted, adopt
from networks.adoption.source import Array, check_floats
from networks.runtime.session import open_session
from networks.tracing.graph import Graph
from networks.tracing.onnx_model import read_onnx


class OnnxSource:
    """See Source.

    Args:
        content: The file.
        name: What to call it.
        input_shape: Of one picture, where the model leaves it open.
    """

    def __init__(self, content: bytes, name: str, input_shape: Sequence[int] | None) -> None:
        self.graph: Graph = read_onnx(content, name=name, input_shape=input_shape)
        self._model = onnx.ModelProto()
        self._model.ParseFromString(content)
        self._stored = {tensor.name: tensor for tensor in self._model.graph.initializer}

    @property
    def metadata(self) -> dict[str, str]:
        """Text that travels with the file."""
        return {entry.key: entry.value for entry in self._model.metadata_props}

    def stored(self, name: str) -> Array | None:
        """See Source."""
        tensor = self._stored.get(name)
        if tensor is not None:
            return np.asarray(numpy_helper.to_array(tensor))
        known = self.graph.constants.get(name)
        return None if known is None else known.array

    def tensors(self, images: Array, names: Sequence[str]) -> dict[str, Array]:
        """See Source; one picture at a time, as its batch may be fixed."""
        shown = onnx.ModelProto()
        shown.CopyFrom(self._model)
        wanted = list(dict.fromkeys(names))
        del shown.graph.output[:]
        shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
        session = open_session(bytes(shown.SerializeToString()), optimised=False)
        kind = session.get_inputs()[0].type
        own = images.astype(np.float16 if "float16" in kind else np.float64 if "double" in kind else np.float32)
        rows: list[list[Any]] = [session.run(wanted, {self.graph.input_name: image[None]}) for image in own]
        for name, found in zip(wanted, rows[0], strict=True):
            check_floats(name, str(np.asarray(found).dtype))
        return {
            name: np.stack([np.asarray(row[place], dtype=np.float32)[0] for row in rows])
            for place, name in enumerate(wanted)
        }


def adopt_onnx(content: bytes, *, name: str = "model", input_shape: Sequence[int] | None = None) -> Adopted:
    """Rebuild an ONNX model (see `networks.adoption.adopt.adopt`).

    Args:
        content: The file.
        name: What to call it.
        input_shape: C, H, W of one picture, where the model leaves them open.

    Raises:
        InvalidModel: Not an ONNX model, or damaged.
        UnsupportedModel: See `adopt`.
        NotAdopted: See `adopt`.
    """
    return adopt(OnnxSource(content, name, input_shape))
