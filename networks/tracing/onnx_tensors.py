"""Tensors of an ONNX file: shapes and bits of all, values of small ones; nothing is read from outside the file."""

from __future__ import annotations

import numpy as np
from onnx import SparseTensorProto, TensorProto, numpy_helper

from networks.tracing.constants import of_array
from networks.tracing.errors import InvalidModel
from networks.tracing.folding import MOST_FOLDED
from networks.tracing.graph import Constant, Dims, elements
from networks.tracing.shapes import MOST_ELEMENTS, MOST_RANK

FLOATS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.DOUBLE: 64,
    TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16,
    TensorProto.FLOAT8E4M3FN: 8,
    TensorProto.FLOAT8E4M3FNUZ: 8,
    TensorProto.FLOAT8E5M2: 8,
    TensorProto.FLOAT8E5M2FNUZ: 8,
    TensorProto.FLOAT4E2M1: 4,
}
"""Element type -> bits."""
WHOLE: dict[int, int] = {
    TensorProto.BOOL: 8,
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.INT8: 8,
    TensorProto.UINT8: 8,
    TensorProto.INT16: 16,
    TensorProto.UINT16: 16,
    TensorProto.INT32: 32,
    TensorProto.UINT32: 32,
    TensorProto.INT64: 64,
    TensorProto.UINT64: 64,
}
_TYPED = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def bits_of(kind: int, what: str) -> tuple[int, bool]:
    """Bits of an element type, and whether it is a floating-point number.

    Raises:
        InvalidModel: Neither numbers nor truth values.
    """
    if kind in FLOATS:
        return FLOATS[kind], True
    if kind in WHOLE:
        return WHOLE[kind], False
    raise InvalidModel(f"{what} must hold numbers", f"element type {kind}")


def dims_of(dims: Dims, what: str) -> Dims:
    """Dimensions of a stored tensor; 0 stands for an empty one.

    Raises:
        InvalidModel: Too many, negative, or too many elements.
    """
    if len(dims) > MOST_RANK or any(side < 0 for side in dims) or elements(dims) > MOST_ELEMENTS:
        raise InvalidModel(
            f"{what} must have at most {MOST_RANK} dimensions and {MOST_ELEMENTS:.0e} elements", str(list(dims)[:9])
        )
    return dims


def read_tensor(tensor: TensorProto, what: str) -> Constant:
    """A tensor of the file.

    Raises:
        InvalidModel: It lies outside the file, or its data are not as long as its shape says.
    """
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise InvalidModel(
            f"{what} must be stored in the model file", "external data", "Save the model as one file: onnx.save(model)."
        )
    bits, floats = bits_of(tensor.data_type, what)
    shape = dims_of(tuple(tensor.dims), what)
    count = elements(shape)
    stored = len(tensor.raw_data)
    if stored or not count:
        whole = stored == -(-count * bits // 8)
    else:
        held = max(len(getattr(tensor, name)) for name in _TYPED)
        whole = held == count or (bits < 8 and held == -(-count * bits // 8))
    if not whole:
        raise InvalidModel(
            f"{what} must hold {count} elements of {bits} bits", f"{stored} bytes", "The file is damaged."
        )
    if count > MOST_FOLDED:
        return Constant(shape=shape, bits=bits, float_values=floats)
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
        array = array if array.dtype.kind in "fiub" else array.astype(np.float32 if floats else np.int64)
    except (ValueError, TypeError) as error:
        raise InvalidModel(f"{what} must be readable", str(error)[:200], "The file is damaged.") from error
    found = of_array(array.reshape(shape), bits)
    return Constant(shape=shape, array=found.array, bits=bits, float_values=floats)


def read_sparse(tensor: SparseTensorProto, what: str) -> Constant:
    """The shape of a sparse tensor: it is never unpacked, and counted as if it were dense.

    Raises:
        InvalidModel: Its shape is out of bounds.
    """
    bits, floats = bits_of(tensor.values.data_type, what)
    return Constant(shape=dims_of(tuple(tensor.dims), what), bits=bits, float_values=floats)
