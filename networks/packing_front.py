"""The front of a packed network: what it is, how it is built, of which design it is, and that it is whole.

Layout: `BSPK`, one byte of version (its lower half) and flags (its upper half), the first 4 bytes of the design's
digest, the first 8 bytes of a SHA-256 over all other bytes and the whole digest, options, payload. The options are
there if their flag is set: their length (2 bytes, little-endian) and JSON. So a network built as usual has 17 bytes in
front, which is 1 % of the smallest networks that the spaces know. The digest is not stored, but every byte of it is
checked. 64 bits notice damage; they are no signature.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from design.design import Design
from networks.errors import InvalidArtefact

MAGIC = b"BSPK"
VERSION = 3
_FRONT = struct.Struct("<4sB4s8s")
_LENGTH = 2
FRONT_BYTES = _FRONT.size
"""Bytes in front of options and payload."""
_OPTIONS, _OWN_PADS = 16, 32
"""Flags beside the version."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What stands behind the front.

    Attributes:
        payload: Weights and all else that a network has learned.
        options: How the module is built, as JSON; empty: as usual.
        own_pads: The payload says which channels pads read.
        wide_pads: It says so at 32 bits each, as versions before 3 did.
    """

    payload: bytes
    options: bytes = b""
    own_pads: bool = False
    wide_pads: bool = False


def with_front(content: Content, design: Design) -> bytes:
    """The bytes of a packed network of a design."""
    form = VERSION | _OPTIONS * bool(content.options) | _OWN_PADS * content.own_pads
    options = len(content.options).to_bytes(_LENGTH, "little") + content.options if content.options else b""
    rest, digest = options + content.payload, bytes.fromhex(design.digest)
    return _FRONT.pack(MAGIC, form, digest[:4], _checksum(form, digest, rest)) + rest


def opened(data: bytes, design: Design) -> Content:
    """What intact bytes of this design hold.

    Raises:
        InvalidArtefact: Bytes that are no packed network, incomplete, damaged, of a later version or another design.
    """
    if len(data) < FRONT_BYTES or data[: len(MAGIC)] != MAGIC:
        raise InvalidArtefact(f"a packed network must begin with {MAGIC.decode()}", f"{data[:4]!r}, {len(data)} bytes")
    _, form, begin, checksum = _FRONT.unpack_from(data)
    if form & ~(_OPTIONS | _OWN_PADS) != VERSION:
        raise InvalidArtefact(
            f"the version of a packed network must be 1 to {VERSION}", str(form), "Use a later release to read it."
        )
    rest, digest = data[FRONT_BYTES:], bytes.fromhex(design.digest)
    if begin != digest[:4]:
        raise InvalidArtefact(f"a packed network must be of the design {design.digest[:8]}", f"one of {begin.hex()}")
    if _checksum(form, digest, rest) != checksum:
        raise InvalidArtefact(
            "the checksum of a packed network must fit its content", "damaged or incomplete bytes", "Fetch it again."
        )
    options, own_pads = b"", bool(form & _OWN_PADS)
    if form & _OPTIONS:
        length = int.from_bytes(rest[:_LENGTH], "little")
        options, rest = rest[_LENGTH : _LENGTH + length], rest[_LENGTH + length :]
    return Content(payload=rest, options=options, own_pads=own_pads)


def _checksum(form: int, digest: bytes, rest: bytes) -> bytes:
    return hashlib.sha256(b"".join((MAGIC, bytes([form]), digest, rest))).digest()[:8]
