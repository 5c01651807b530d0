"""LowMemoryNetwork: a built network whose binary layers train with bits between forward and backward."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from design.architecture import INPUT
from design.layer import Op
from networks.network import Network
from networks.training.errors import InvalidOptions
from networks.training.low_memory.block import Block
from networks.training.low_memory.chain import Signs
from networks.training.low_memory.convert import Place, make_blocks
from networks.training.low_memory.options import LOW_MEMORY, LowMemoryOptions


def to_low_memory(network: Network, options: LowMemoryOptions = LOW_MEMORY) -> LowMemoryNetwork:
    """The network, to be trained with little memory: give it to `fit` in the place of the network.

    It shares all parameters; layers that are not binary stay as they are. Latent weights of binary layers become
    float16 where the options say so, and scales of the norms concerned are no longer trained: a sign follows.

    Raises:
        InvalidOptions: No layer of the network can be trained so.
    """
    return LowMemoryNetwork(network, options)


def to_standard(module: LowMemoryNetwork) -> Network:
    """The network itself again, with 32-bit weights, to be packed, exported or trained on as usual."""
    for block in module.blocks():
        block.norm.weight.requires_grad_(True)
    return module.network.float()


def plain_copy(module: LowMemoryNetwork) -> Network:
    """A copy of the network itself with 32-bit weights, for looks from outside; the same parameters are trained."""
    return copy.deepcopy(module.network).float()


class LowMemoryNetwork(nn.Module):
    """N x C x H x W in, N x classes out, as `network`; see `to_low_memory`.

    Attributes:
        network: The network as it was built.
    """

    def __init__(self, network: Network, options: LowMemoryOptions) -> None:
        super().__init__()
        self.network, self.options = network, options
        found = make_blocks(network, options)
        if not any(place.binary for place, _ in found.values()):
            raise InvalidOptions(
                "low-memory training must have a binary layer with a norm behind it",
                f"none among {[unit.step.layer.name for unit in network.units()][:10]}",
                "Train it the standard way.",
            )
        self._blocks = nn.ModuleDict({name.replace(".", "/"): block for name, (_, block) in found.items()})
        for place, block in found.values():
            place.norm.weight.requires_grad_(False)
            layer = place.unit.operation
            if options.half_state and block.chain.binary_weights:
                layer.weight.data = layer.weight.data.half()
        self._program = self._steps(network, {name: place for name, (place, _) in found.items()})
        self.train(network.training)

    def blocks(self) -> list[Block]:
        """All blocks, in the order in which they run."""
        return [block for block in self._blocks.children() if isinstance(block, Block)]

    def _steps(self, network: Network, places: dict[str, Place]) -> list[tuple[str, str, tuple[str, ...], str]]:
        """Kind, layer, what is read and what is written, in order."""
        pools = {place.output for place in places.values() if place.output != place.name}
        found = []
        for unit in network.units():
            step = unit.step
            name = step.layer.name
            if name in pools:
                continue
            reads = step.inputs if step.beside is None else (*step.inputs, step.beside)
            kind = "block" if name in places else ("flatten" if step.layer.op is Op.FLATTEN else "unit")
            output = places[name].output if name in places else name
            found.append((kind, name, reads, output))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Logits of N pictures."""
        tensors: dict[str, Tensor | Signs] = {INPUT: x}
        last = {name: index for index, (_, _, reads, _) in enumerate(self._program) for name in reads}
        found: Tensor | Signs = x
        for index, (kind, name, reads, output) in enumerate(self._program):
            own = [tensors[read] for read in reads]
            if kind == "block":
                found = self._blocks[name.replace(".", "/")](*own)
            elif kind == "flatten" and isinstance(own[0], Signs):
                found = own[0]  # the layer behind it flattens
            else:
                found = self.network.unit(name)(*own)
            own.clear()
            for read in reads:
                if last[read] == index:
                    tensors.pop(read, None)
            tensors[output] = found
        assert isinstance(found, Tensor)
        return found.flatten(1) if found.shape[2:] == (1, 1) else found
