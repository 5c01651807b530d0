"""Networks as packed bytes: every weight at its own number of bits, and nothing else that could be left out.

Layout, little-endian: `BSPK`, version (2 bytes), length of the options (4), length of the payload (8), SHA-256 of all
other bytes (32), digest of the design (32), options as JSON (those that are not the default), payload.

The payload holds the layers in the design's order. A layer with weights has: under 16 bits one float32 scale a filter
and the whole numbers at 1, 2, 4 or 8 bits, filters first, filled up to whole bytes; at 16 bits the halves; at 32
float32. Then float32 biases, what its activation quantizer has learned (a step, or shifts), and norms as scale and
shift. Version 2 is written where a shortcut without weights has channels of its own order (a network that was cut):
each of them then has the channel read at every channel of its output, -1 for zeros, at 32 bits. Shapes are not stored:
they follow from the design, whose digest must fit. The size is what `design.counts.model_bytes` says, plus 84 bytes in
front, 4 for each learned step of activations and 4 for each of those channels.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from design.design import Design
from networks.bits import packed, packed_size, unpacked
from networks.build import build
from networks.errors import InvalidArtefact, InvalidSelection
from networks.layers import Norm, Quantized
from networks.network import Network, weighted_parts
from networks.operations import Sum
from networks.options import DEFAULT, BuildOptions, Order
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

MAGIC = b"BSPK"
USUAL_PADS, OWN_PADS = VERSIONS = 1, 2
_FRONT = struct.Struct("<4sHIQ")
_DIGEST = hashlib.sha256().digest_size
FRONT_BYTES = _FRONT.size + 2 * _DIGEST
"""Bytes in front of options and payload."""


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
    version = OWN_PADS if any(pad.source is not None for pad in _pads(network)) else USUAL_PADS
    payload = b"".join(_written(network, version))
    options = options_to_text(network.options).encode()
    front = _FRONT.pack(MAGIC, version, len(options), len(payload))
    digest = bytes.fromhex(design.digest)
    return front + _checksum(front, digest, options, payload) + digest + options + payload


def unpack(data: bytes, design: Design) -> Network:
    """The packed network, for inference: in evaluation mode, weights as they are computed with, norms folded.

    Its logits are bit for bit those of the network that was packed, in evaluation mode.

    Raises:
        InvalidArtefact: Bytes that are no packed network, truncated, damaged, of a later version or another design.
    """
    version, options, payload = _opened(data, design)
    network = build(design, options=options)
    rest = _Bytes(payload)
    with torch.no_grad():
        for kind, module in _stored(network, version):
            _read(kind, module, rest)
    if rest.left:
        raise InvalidArtefact("a packed network must end behind its last layer", f"{rest.left} bytes more")
    return network.eval().requires_grad_(False)


def payload_bytes(data: bytes) -> int:
    """Bytes of weights, scales, biases, norms and learned steps, without what stands in front."""
    return int(_FRONT.unpack_from(data)[3])


def _pads(network: Network) -> list[Pad]:
    return [unit.operation for unit in network.units() if isinstance(unit.operation, Pad)]


def _stored(network: Network, version: int) -> Iterator[tuple[str, nn.Module]]:
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
        if isinstance(unit.operation, Pad) and version == OWN_PADS:
            yield "pad", unit.operation
        for added in (unit.operation, unit.sum):
            if isinstance(added, Sum):
                for quantizer in added.quantizers:
                    yield "learned", quantizer


def _written(network: Network, version: int) -> Iterator[bytes]:
    for kind, module in _stored(network, version):
        if kind == "weight":
            assert isinstance(module, Quantized)
            yield from _weight_written(module)
        elif kind == "norm":
            assert isinstance(module, Norm)
            yield from (_floats(values) for values in module.folded())
        elif isinstance(module, Pad):
            yield np.asarray(module.channel_sources, dtype="<i4").tobytes()
        else:
            yield from (_floats(values) for values in module.parameters())


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


def _read(kind: str, module: nn.Module, rest: _Bytes) -> None:
    if kind == "weight":
        assert isinstance(module, Quantized)
        _weight_read(module, rest)
    elif kind == "norm":
        assert isinstance(module, Norm)
        module.eps = 0.0  # mean 0 and variance 1 stay as built: the folded form is the scale and shift read here
        module.weight.copy_(rest.floats(module.weight))
        module.bias.copy_(rest.floats(module.bias))
    elif isinstance(module, Pad):
        sources = np.frombuffer(rest.take(4 * module.channels), dtype="<i4")
        try:
            module.set_sources(sources.tolist())
        except InvalidSelection as error:
            raise InvalidArtefact(
                "the pads of a packed network must read channels that are there", error.got
            ) from error
    else:
        for values in module.parameters():
            values.copy_(rest.floats(values))
        if isinstance(module, StartsFromData):
            module.started.fill_(True)


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


def _checksum(front: bytes, digest: bytes, options: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(b"".join((front, digest, options, payload))).digest()


def _opened(data: bytes, design: Design) -> tuple[int, BuildOptions, bytes]:
    """Version, options and payload of intact bytes of this design."""
    if len(data) < FRONT_BYTES or data[: len(MAGIC)] != MAGIC:
        raise InvalidArtefact(f"a packed network must begin with {MAGIC.decode()}", f"{data[:4]!r}, {len(data)} bytes")
    _, version, options_length, payload_length = _FRONT.unpack_from(data)
    if version not in VERSIONS:
        raise InvalidArtefact(
            f"the version of a packed network must be at most {max(VERSIONS)}",
            str(version),
            "Use a later release to read it.",
        )
    whole = FRONT_BYTES + options_length + payload_length
    if len(data) != whole:
        raise InvalidArtefact(f"the packed network must have {whole} bytes", f"{len(data)}", "The file is incomplete.")
    checksum, digest = data[_FRONT.size : _FRONT.size + _DIGEST], data[_FRONT.size + _DIGEST : FRONT_BYTES]
    options, payload = data[FRONT_BYTES : FRONT_BYTES + options_length], data[FRONT_BYTES + options_length :]
    if _checksum(data[: _FRONT.size], digest, options, payload) != checksum:
        raise InvalidArtefact("the checksum of a packed network must fit its content", "damaged bytes")
    if digest.hex() != design.digest:
        raise InvalidArtefact(
            f"a packed network must be of the design {design.digest[:12]}", f"one of {digest.hex()[:12]}"
        )
    return version, options_from_text(options), payload


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
