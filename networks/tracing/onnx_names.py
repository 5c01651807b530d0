"""Names of ONNX nodes as their author knows them: exporters hide modules in scopes, paths and names of weights."""

from __future__ import annotations

import ast
import re

from onnx import NodeProto

_LONGEST_SCOPE = 4_000
_WEIGHT = re.compile(r"[A-Za-z_][\w.\-]*")


def name_of(node: NodeProto) -> str:
    """What the author calls a node: the module that made it where the file says so, else what the file calls it."""
    for name in node.input[1:2]:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") and "::" not in name:
            stem = name.removesuffix(".weight")
            if stem != name and _WEIGHT.fullmatch(stem):
                return str(stem)
    for prop in node.metadata_props:
        if prop.key == "pkg.torch.onnx.name_scopes" and len(prop.value) < _LONGEST_SCOPE:
            scope = _scope(prop.value)
            if scope:
                return scope
    parts = [part for part in node.name.split("/") if part]
    if len(parts) > 1 and parts[-1].rstrip("_0123456789") in (node.op_type, ""):
        own = parts[-1] if node.op_type in ("Add", "Mul", "Concat", "Relu") else ""
        return ".".join((*parts[:-1], own)).rstrip(".")
    return ".".join(parts) or str(node.op_type).lower()


def _scope(text: str) -> str:
    """The module among the names of the scopes around a node."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        return ""
    module, own = names[-2], names[-1]
    leaf = own.rstrip("_0123456789")
    weighted = leaf in ("conv1d", "conv2d", "conv_transpose2d", "linear", "batch_norm", "layer_norm")
    return module if module and weighted else ".".join(part for part in (module, own) if part)


def unique(names: list[str]) -> list[str]:
    """The same names with a number where one comes again."""
    seen: dict[str, int] = {}
    taken = set(names)
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        own = name
        while seen[name] > 1 and own in taken:
            own = f"{name}.{seen[name]}"
            seen[name] += own in taken
        taken.add(own)
        found.append(own)
    return found
