"""Networks as packed bytes: every weight at its own number of bits, and nothing else that could be left out.

Behind a small front (`networks.packing_front`) stands the payload, little-endian, with the layers in the design's
order. A layer with weights has: under 16 bits one float32 scale a filter and the whole numbers at 1, 2, 4 or 8 bits,
filters first, filled up to whole bytes; at 16 bits the halves; at 32 float32. Then float32 biases, what its activation
quantizer has learned (a step, or shifts), and norms as scale and shift. Where a shortcut without weights has channels
of its own order (a network that was cut), all of them have 1 plus the channel read at every channel of their output, 0
for zeros, at as few bits as hold that. Shapes are not stored: they follow from the design, whose digest must fit. The
size is what `design.counts.model_bytes` says (of a network that is built as usual), plus 17 bytes in front and those
channels. Files of versions 1 and 2 are read as well (`networks.earlier_front`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from design.design import Design
from networks.bits import packed, packed_size, unpacked
from networks.build import build
from networks.earlier_front import is_earlier, opened_earlier
from networks.errors import InvalidArtefact, InvalidSelection
from networks.layers import Norm, Quantized
from networks.network import Network, weighted_parts
from networks.operations import Sum
from networks.options import DEFAULT, BuildOptions, Order
from networks.packing_front import Content, opened, with_front
from networks.pad import Pad
from networks.quantizers.half import HalfPrecision
from networks.quantizers.options import (
    Half,
    QuantizerOptions,
    ScaleGradient,
    SignGradient,
    UniformQuantizer,
)
from networks.quantizers.quantizer import Codes
from networks.quantizers.start import StartsFromData


def pack(network: Network, design: Design) -> bytes:
    """A built network as bytes.

    Args:
        network: Its learned steps must have started, that is it has seen at least one batch.
        design: The one that it was built from.

    Raises:
        InvalidArtefact: The design is another one, or the network has not seen a batch.
    """
    if network.architecture.layers != design.pruned.layers or network.policy != design.policy:
        raise InvalidArtefact("a network must be packed with the design it was built from", repr(design.digest[:12]))
    idle = [name for name, one in network.named_modules() if isinstance(one, StartsFromData) and not bool(one.started)]
    if idle:
        raise InvalidArtefact(
            "learned steps must have started before a network is packed", idle[0], "Run one batch through the network."
        )
    own_pads = any(pad.source is not None for pad in _pads(network))
    payload = b"".join(_written(network, own_pads))
    options = b"" if network.options == DEFAULT else options_to_text(network.options).encode()
    return with_front(Content(payload=payload, options=options, own_pads=own_pads), design)


def unpack(data: bytes, design: Design) -> Network:
    """The packed network, for inference: in evaluation mode, weights as they are computed with, norms folded.

    Its logits are bit for bit those of the network that was packed, in evaluation mode and contiguous: `fit` leaves
    networks channels last, whose sums are added up in another order.

    Raises:
        InvalidArtefact: Bytes that are no packed network, truncated, damaged, of a later version or another design.
    """
    content = _opened(data, design)
    network = build(design, options=options_from_text(content.options) if content.options else DEFAULT)
    rest = _Bytes(content.payload)
    with torch.no_grad():
        for kind, module in _stored(network, content.own_pads):
            _read(kind, module, rest, wide_pads=content.wide_pads)
    if rest.left:
        raise InvalidArtefact("a packed network must end behind its last layer", f"{rest.left} bytes more")
    return network.eval().requires_grad_(False)


def pad_bytes(network: Network) -> int:
    """Bytes of the channels that pads read, which follow from no design; 0 unless one has an order of its own."""
    pads = _pads(network)
    return sum(len(_pad_written(pad)) for pad in pads) if any(pad.source is not None for pad in pads) else 0


def _opened(data: bytes, design: Design) -> Content:
    return opened_earlier(data, design) if is_earlier(data) else opened(data, design)


def _pads(network: Network) -> list[Pad]:
    return [unit.operation for unit in network.units() if isinstance(unit.operation, Pad)]


def _stored(network: Network, own_pads: bool) -> Iterator[tuple[str, nn.Module]]:
    """What is stored, in order: weights, what activation quantizers have learned, norms, pads of their own order."""
    for layer in network.architecture.layers:
        unit = network.unit(layer.name)
        if unit.input_norm is not None:
            yield "norm", unit.input_norm
        for part in weighted_parts(unit):
            yield "weight", part
            if part.activation_quantizer is not None:
                yield "learned", part.activation_quantizer
        if unit.norm is not None:
            yield "norm", unit.norm
        if isinstance(unit.operation, Pad) and own_pads:
            yield "pad", unit.operation
        for added in (unit.operation, unit.sum):
            if isinstance(added, Sum):
                for quantizer in added.quantizers:
                    yield "learned", quantizer


def _written(network: Network, own_pads: bool) -> Iterator[bytes]:
    for kind, module in _stored(network, own_pads):
        if kind == "weight":
            assert isinstance(module, Quantized)
            yield from _weight_written(module)
        elif kind == "norm":
            assert isinstance(module, Norm)
            yield from (_floats(values) for values in module.folded())
        elif isinstance(module, Pad):
            yield _pad_written(module)
        else:
            yield from (_floats(values) for values in module.parameters())


def _pad_bits(pad: Pad) -> int:
    """The fewest bits that hold 0 to the number of channels read."""
    return next(bits for bits in (1, 2, 4, 8, 16, 32) if pad.read < 1 << bits)


def _pad_written(pad: Pad) -> bytes:
    bits, numbers = _pad_bits(pad), 1 + np.array(pad.channel_sources)
    return packed(numbers.astype(np.uint8), bits) if bits <= 8 else numbers.astype(f"<u{bits // 8}").tobytes()


def _floats(values: Tensor) -> bytes:
    return values.detach().cpu().to(torch.float32).numpy().astype("<f4").tobytes()


def _weight_written(part: Quantized) -> Iterator[bytes]:
    weight = part.filters_first(part.weight.detach())
    bits = part.precision.weight_bits
    if part.weight_codes is not None:
        codes, (lowest, stride) = part.weight_codes.codes(weight), part.weight_codes.grid
        yield _floats(codes.scale)
        numbers = (codes.values - lowest) // stride
        yield packed(numbers.cpu().numpy().astype(np.uint8).ravel(), bits)
    elif bits == 16:
        halves = part.filters_first(part.quantized_weight().detach()).to(_half(part))
        yield halves.contiguous().cpu().view(torch.int16).numpy().astype("<i2").tobytes()
    else:
        yield _floats(weight)
    if isinstance(part.bias, Tensor):
        yield _floats(part.bias)


def _half(part: Quantized) -> torch.dtype:
    assert isinstance(part.weight_quantizer, HalfPrecision)
    return part.weight_quantizer.dtype


class _Bytes:
    """Bytes that are read from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, number: int) -> bytes:
        if number > self.left:
            raise InvalidArtefact("a packed network must hold all its layers", f"{number - self.left} bytes too few")
        self.at += number
        return self.data[self.at - number : self.at]

    def floats(self, like: Tensor) -> Tensor:
        values = np.frombuffer(self.take(4 * like.numel()), dtype="<f4").astype(np.float32)
        return torch.from_numpy(values).reshape(like.shape)


def _read(kind: str, module: nn.Module, rest: _Bytes, *, wide_pads: bool) -> None:
    if kind == "weight":
        assert isinstance(module, Quantized)
        _weight_read(module, rest)
    elif kind == "norm":
        assert isinstance(module, Norm)
        module.eps = 0.0  # mean 0 and variance 1 stay as built: the folded form is the scale and shift read here
        module.weight.copy_(rest.floats(module.weight))
        module.bias.copy_(rest.floats(module.bias))
    elif isinstance(module, Pad):
        _pad_read(module, rest, wide=wide_pads)
    else:
        for values in module.parameters():
            values.copy_(rest.floats(values))
        if isinstance(module, StartsFromData):
            module.started.fill_(True)


def _pad_read(pad: Pad, rest: _Bytes, *, wide: bool) -> None:
    bits = _pad_bits(pad)
    if wide:
        sources = np.frombuffer(rest.take(4 * pad.channels), dtype="<i4").astype(np.int64)
    elif bits <= 8:
        content = rest.take(packed_size(pad.channels, bits))
        sources = unpacked(content, pad.channels, bits).astype(np.int64) - 1
    else:
        content = rest.take(bits // 8 * pad.channels)
        sources = np.frombuffer(content, dtype=f"<u{bits // 8}").astype(np.int64) - 1
    try:
        pad.set_sources(sources.tolist())
    except InvalidSelection as error:
        raise InvalidArtefact("the pads of a packed network must read channels that are there", error.got) from error


def _weight_read(part: Quantized, rest: _Bytes) -> None:
    like = part.filters_first(part.weight)
    bits = part.precision.weight_bits
    if part.weight_codes is not None:
        lowest, stride = part.weight_codes.grid
        scale = rest.floats(like.flatten(1)[:, 0])
        numbers = unpacked(rest.take(packed_size(like.numel(), bits)), like.numel(), bits)
        values = torch.from_numpy(numbers.astype(np.int16)).reshape(like.shape) * stride + lowest
        weight = Codes(values=values, scale=scale).dequantized()
    elif bits == 16:
        halves = np.frombuffer(rest.take(2 * like.numel()), dtype="<i2").astype(np.int16)
        weight = torch.from_numpy(halves).view(_half(part)).reshape(like.shape).to(torch.float32)
    else:
        weight = rest.floats(like)
    part.weight.copy_(part.as_stored(weight))
    part.weight_quantizer = None
    if isinstance(part.bias, Tensor):
        part.bias.copy_(rest.floats(part.bias))


def options_to_text(options: BuildOptions) -> str:
    """Those that are not the default, as JSON."""
    own, usual = asdict(options), asdict(DEFAULT)
    quantizers = {k: v for k, v in own.pop("quantizers").items() if v != usual["quantizers"][k]}
    changed = {k: v for k, v in own.items() if v != usual[k]} | ({"quantizers": quantizers} if quantizers else {})
    return json.dumps(changed, separators=(",", ":"), sort_keys=True)


def options_from_text(written: str | bytes) -> BuildOptions:
    """Undo `options_to_text`.

    Raises:
        InvalidArtefact: Options that are not known.
    """
    try:
        return _with_changes(json.loads(written))
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidArtefact("the options of a packed network must be known ones", repr(written[:80])) from error


def _with_changes(changed: dict[str, Any]) -> BuildOptions:
    kinds: dict[str, Any] = {
        "order": Order,
        "sign_gradient": SignGradient,
        "scale_gradient": ScaleGradient,
        "uniform": UniformQuantizer,
        "half": Half,
    }
    quantizers = {k: kinds.get(k, bool)(v) for k, v in changed.pop("quantizers", {}).items()}
    own = {k: kinds.get(k, bool)(v) for k, v in changed.items()}
    return replace(DEFAULT, **own, quantizers=replace(QuantizerOptions(), **quantizers))
