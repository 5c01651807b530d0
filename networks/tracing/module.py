"""PyTorch modules: exported to ATen operators by torch.export, which become the same graph as an ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node as FxNode

from design.errors import BespokeError
from networks.tracing.aten import TRANSLATIONS
from networks.tracing.constants import of_array
from networks.tracing.errors import InvalidModel, Unsupported
from networks.tracing.folding import MOST_FOLDED
from networks.tracing.graph import Constant, Dims, Graph
from networks.tracing.onnx_names import unique
from networks.tracing.shapes import checked
from networks.tracing.trace import Traced, trace
from networks.tracing.translation import Translation

SECONDS = 120.0


def trace_module(module: nn.Module, input_shape: Sequence[int], *, name: str | None = None) -> Traced:
    """Read a module by exporting it for one picture of zeros; it is not changed, and its mode does not matter.

    Args:
        module: Any module of one tensor; on the meta device no memory is needed.
        input_shape: Dimensions of one picture without batch: C x H x W, C x L or T x F.
        name: What to call it; None: its class.

    Raises:
        InvalidModel: It cannot be exported: control flow on values, several inputs, shapes that do not fit.
        UnsupportedModel: Operators without a place in the vocabulary; all of them are named.
    """
    shape = checked((1, *input_shape), "the picture")
    return trace(module_graph(module, shape, name or type(module).__name__), seconds=SECONDS)


def module_graph(module: nn.Module, shape: Dims, name: str) -> Graph:
    """The graph of a module for a picture of this shape, batch included."""
    return program_graph(exported(module, shape), shape, name)


def stored_tensors(program: torch.export.ExportedProgram) -> dict[str, Tensor]:
    """Name in the graph -> parameter, buffer or constant of an exported module."""
    signature = program.graph_signature
    owners = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    owners |= getattr(signature, "inputs_to_lifted_tensor_constants", {})
    stored = {**program.state_dict, **program.constants}
    return {name: stored[owner] for name, owner in owners.items() if isinstance(stored.get(owner), Tensor)}


def program_graph(program: torch.export.ExportedProgram, shape: Dims, name: str) -> Graph:
    """The graph of an exported module; what it cannot hold stands in it as refused, for `trace` to name."""
    signature = program.graph_signature
    owners = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    owners |= getattr(signature, "inputs_to_lifted_tensor_constants", {})
    stored = {**program.state_dict, **program.constants}
    constants: dict[str, Constant] = {}
    steps: list[FxNode] = []
    pictures: list[str] = []
    outputs: tuple[str, ...] = ()
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in owners:
            constants[node.name] = _constant(node.meta["val"], stored.get(owners[node.name]))
        elif node.op == "placeholder":
            pictures.append(node.name)
        elif node.op == "output":
            outputs = tuple(one.name for one in node.args[0] if isinstance(one, FxNode))
        else:
            steps.append(node)
    if len(pictures) != 1 or not outputs:
        raise InvalidModel(
            "a module must read one tensor and give tensors", f"{len(pictures)} inputs, {len(outputs)} outputs"
        )
    translation = Translation(constants, owners, pictures[0])
    for node, own in zip(steps, unique([_name(node, owners) for node in steps]), strict=True):
        target = getattr(node.target, "__name__", str(node.target)).partition(".")[0].rstrip("_")
        write, before = TRANSLATIONS.get(target), len(translation.nodes)
        translation.begin(node, own)
        try:
            if write is None:
                raise Unsupported("unknown operator")
            write(translation, node)
        except Unsupported as found:
            translation.refuse(target, found, before)
    return Graph(
        name=name[:200],
        input_name=pictures[0],
        input_shape=shape,
        outputs=tuple(translation.resolved(one) for one in outputs),
        nodes=tuple(translation.nodes),
        constants=translation.constants,
        version=20,
    )


def exported(module: nn.Module, shape: Dims) -> torch.export.ExportedProgram:
    """The module as functional ATen operators, in evaluation mode; its own mode is put back."""
    parameter = next((one for one in (*module.parameters(), *module.buffers()) if one.is_floating_point()), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    kind = parameter.dtype if parameter is not None else torch.float32
    modes = {own: own.training for own in module.modules()}
    module.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = torch.zeros(shape, device=device, dtype=kind)
            found: torch.export.ExportedProgram = torch.export.export(module, (picture,)).run_decompositions({})
            return found
    except BespokeError:
        raise
    except Exception as error:  # torch.export raises whatever the user's code raises
        reason = str(error).strip().partition("\n")[0][:300]
        raise InvalidModel(
            "a module must be exportable for one picture (torch.export)",
            f"{type(error).__name__}: {reason}",
            "Write conditions on values as tensor operations, or give the part that computes.",
        ) from error
    finally:
        for own, training in modes.items():
            own.training = training


def _constant(value: Any, stored: Any) -> Constant:
    shape, bits = tuple(int(side) for side in value.shape), 8 * value.element_size()
    if isinstance(stored, Tensor) and not stored.is_meta and stored.numel() <= MOST_FOLDED:
        own = stored.detach().cpu()
        array = (own.float() if own.is_floating_point() else own).numpy()
        return Constant(shape=shape, array=of_array(array).array, bits=bits, float_values=own.is_floating_point())
    return Constant(shape=shape, bits=bits, float_values=bool(value.is_floating_point()))


def _name(node: FxNode, owners: dict[str, str]) -> str:
    """The module that a node belongs to: its own name if that is one of PyTorch's, else with the operator behind it."""
    for one in node.args[1:2]:
        owner = owners.get(one.name, "") if isinstance(one, FxNode) else ""
        if owner.endswith(".weight"):
            return owner.removesuffix(".weight")
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    target = getattr(node.target, "__name__", str(node.target)).partition(".")[0].rstrip("_")
    single = kind.startswith("torch.nn.modules.") and not kind.endswith(("MultiheadAttention", "Sequential"))
    return path if path and single else ".".join(part for part in (path, target) if part)
