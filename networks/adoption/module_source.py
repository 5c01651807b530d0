"""Adopting PyTorch modules: weights from the module, values from the operators that torch.export writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from networks.adoption.adopt import Adopted, adopt
from networks.adoption.source import Array, check_floats
from networks.errors import NotAdopted
from networks.tracing.module import exported, program_graph, stored_tensors
from networks.tracing.shapes import checked


class ModuleSource:
    """See Source.

    Args:
        module: Not changed.
        input_shape: Of one picture, without batch.
        name: What to call it.
    """

    def __init__(self, module: nn.Module, input_shape: Sequence[int], name: str) -> None:
        if any(one.is_meta for one in module.parameters()):
            raise NotAdopted("a module must have its weights to be rebuilt", "parameters on the meta device")
        shape = checked((1, *input_shape), "the picture")
        self._program = exported(module, shape)
        self._stored = stored_tensors(self._program)
        self.graph = program_graph(self._program, shape, name)

    def stored(self, name: str) -> Array | None:
        """See Source."""
        if name in self._stored:
            own = self._stored[name].detach().cpu()
            return np.asarray((own.float() if own.is_floating_point() else own).numpy())
        known = self.graph.constants.get(name)
        return None if known is None else known.array

    def tensors(self, images: Array, names: Sequence[str]) -> dict[str, Array]:
        """See Source; one picture at a time, as the module was exported for."""
        found: dict[str, list[Array]] = {}
        for image in images:
            seen = self._run(torch.from_numpy(image[None]))
            for name in (one for one in dict.fromkeys(names) if one in seen):
                check_floats(name, str(seen[name].dtype))
                found.setdefault(name, []).append(seen[name][0].float().cpu().numpy())
        return {name: np.stack(rows) for name, rows in found.items()}

    def _run(self, image: Tensor) -> dict[str, Tensor]:
        runner = _Watching(self._program.graph_module)
        owned = next((one for one in self._stored.values() if one.is_floating_point()), image)
        picture = image.to(owned)
        placeholders = [node.name for node in self._program.graph.nodes if node.op == "placeholder"]
        with torch.no_grad():
            runner.run(*(self._stored.get(name, picture) for name in placeholders))
        return runner.seen


class _Watching(fx.Interpreter):
    """Keeps what every node computes."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.seen: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """See fx.Interpreter."""
        found = super().run_node(n)
        self.seen[n.name] = found[0] if isinstance(found, tuple | list) and found else found
        return found


def adopt_module(module: nn.Module, input_shape: Sequence[int], *, name: str | None = None) -> Adopted:
    """Rebuild a module (see `networks.adoption.adopt.adopt`); it is not changed.

    Args:
        module: Any module of one tensor.
        input_shape: C, H, W of one picture.
        name: What to call it; None: its class.

    Raises:
        InvalidModel: It cannot be exported.
        UnsupportedModel: See `adopt`.
        NotAdopted: See `adopt`.
    """
    return adopt(ModuleSource(module, input_shape, name or type(module).__name__))
