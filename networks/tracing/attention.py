"""Attention: the layers of a self-attention block joined into one, where they have the form of `Op.ATTENTION`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from design.layer import Activation, Layer, Op
from networks.tracing.lowering import LayerBits

_MOVES = frozenset({Op.OTHER, Op.FLATTEN})


@dataclass(frozen=True, kw_only=True)
class Block:
    """The parts of one block.

    Attributes:
        projections: The fully connected layers that make queries, keys and values (one for all, or three).
        out: The one behind.
        inner: Names of everything between, projections included.
    """

    projections: tuple[Layer, ...]
    out: Layer
    heads: int
    inner: frozenset[str]


def join_attention(
    layers: Mapping[str, Layer], bits: Mapping[str, LayerBits]
) -> tuple[list[Layer], dict[str, LayerBits], dict[str, str]]:
    """Put one attention layer in place of each block of F features: q, k, v and output F x F, one set of tokens.

    Blocks of any other form (windows, cross attention, shared keys) stay as they are: their parts are priced.

    Returns:
        The layers in order, bits of those with weights, and old name -> new name of the blocks' last layers.
    """
    readers: dict[str, list[str]] = {}
    for layer in layers.values():
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer.name)
    own_bits, names = dict(bits), dict[str, str]()
    gone: set[str] = set()
    joined: dict[str, Layer] = {}
    for layer in layers.values():
        block = _block(layer, layers, readers) if layer.op is Op.SOFTMAX else None
        if block is None or gone & block.inner:
            continue
        parts = (*block.projections, block.out)
        name = block.out.name.rpartition(".")[0] or block.out.name
        taken = name in layers and name not in block.inner
        name = block.out.name if taken or name in names.values() else name
        names[block.out.name] = name
        gone |= block.inner
        joined[block.out.name] = _attention(name, block, layers)
        own_bits[name] = LayerBits(
            weight_bits=max(own_bits[part.name].weight_bits for part in parts),
            activation_bits=max(own_bits[part.name].activation_bits for part in parts),
        )
    found = []
    for layer in layers.values():
        if layer.name in gone:
            continue
        left = joined.get(layer.name, layer)
        found.append(left.model_copy(update={"inputs": tuple(names.get(name, name) for name in left.inputs)}))
    return found, own_bits, names


def _attention(name: str, block: Block, layers: Mapping[str, Layer]) -> Layer:
    parts = (*block.projections, block.out)
    biases, features = sum(part.biases for part in parts), block.out.out_channels
    constants = sum(layers[inner].constants for inner in block.inner if layers[inner].op is Op.ADD)
    return block.out.model_copy(
        update={
            "name": name,
            "op": Op.ATTENTION,
            "inputs": block.projections[0].inputs,
            "heads": block.heads,
            "bias": biases == 4 * features,
            "constants": constants + (0 if biases == 4 * features else biases),
        }
    )


def _block(softmax: Layer, layers: Mapping[str, Layer], readers: Mapping[str, list[str]]) -> Block | None:
    """The block around a softmax, if it has the form."""
    inner: set[str] = {softmax.name}

    def back(name: str, wanted: Op, through: frozenset[Op]) -> Layer | None:
        """Up to the layer that computes, over layers with one input that scale, mask or move."""
        while (layer := layers.get(name)) is not None:
            inner.add(name)
            if layer.op is wanted:
                return layer
            if layer.op not in through or len(layer.inputs) != 1 or layer.activation is not Activation.NONE:
                return None
            name = layer.inputs[0]
        return None

    def ahead(name: str, wanted: Op) -> Layer | None:
        """Down to the layer that computes, over layers that move and that nobody else reads."""
        while len(readers.get(name, ())) == 1:
            layer = layers[readers[name][0]]
            if layer.op is wanted:
                return layer
            if layer.op not in _MOVES or len(layer.inputs) != 1:
                return None
            inner.add(layer.name)
            name = layer.name
        return None

    scores = back(softmax.inputs[0], Op.MATMUL, _MOVES | {Op.MULTIPLY, Op.ADD})
    mixed = ahead(softmax.name, Op.MATMUL)
    if scores is None or mixed is None:
        return None
    inner.add(mixed.name)
    out = ahead(mixed.name, Op.FC)
    sources = (scores.inputs[0], scores.inputs[1], mixed.inputs[1])
    made = [back(name, Op.FC, _MOVES | {Op.MULTIPLY}) for name in sources]
    projections = tuple({layer.name: layer for layer in made if layer is not None}.values())
    if out is None or None in made or not _fits(projections, out, scores, mixed):
        return None
    if any(reader not in inner and reader != out.name for name in inner for reader in readers.get(name, ())):
        return None
    return Block(projections=projections, out=out, heads=scores.in_height, inner=frozenset(inner))


def _fits(projections: tuple[Layer, ...], out: Layer, scores: Layer, mixed: Layer) -> bool:
    """Whether the shapes are those that `attention` counts."""
    features, tokens = out.out_channels, out.in_height * out.in_width
    heads, own = scores.in_height, scores.in_channels
    widths = {1: 3 * features, 3: features}
    return (
        out.in_channels == features == heads * own
        and all(layer.inputs == projections[0].inputs for layer in projections)
        and all(layer.out_channels == widths.get(len(projections)) for layer in projections)
        and all(layer.in_shape == (features, *projections[0].in_shape[1:]) for layer in projections)
        and projections[0].in_height * projections[0].in_width == tokens
        and (scores.in_width, scores.out_channels) == (tokens, tokens)
        and (mixed.in_channels, mixed.out_channels, mixed.in_height) == (tokens, own, heads)
        and all(layer.activation is Activation.NONE and not layer.batch_norm for layer in (*projections, out))
    )
