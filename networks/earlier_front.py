"""The front of packed networks of versions 1 and 2, which are read but no longer written.

Layout, little-endian: `BSPK`, version (2 bytes), length of the options (4), length of the payload (8), SHA-256 of all
other bytes (32), digest of the design (32), options as JSON, payload. In version 2 pads say which channels they read,
at 32 bits each.
"""

from __future__ import annotations

import hashlib
import struct

from design.design import Design
from networks.errors import InvalidArtefact
from networks.packing_front import MAGIC, Content

USUAL_PADS, OWN_PADS = VERSIONS = 1, 2
_FRONT = struct.Struct("<4sHIQ")
_DIGEST = hashlib.sha256().digest_size
FRONT_BYTES = _FRONT.size + 2 * _DIGEST
"""Bytes in front of options and payload."""


def is_earlier(data: bytes) -> bool:
    """Whether bytes begin as those of an earlier version."""
    return data[: len(MAGIC)] == MAGIC and data[len(MAGIC) : len(MAGIC) + 1] in (b"\1", b"\2")


def opened_earlier(data: bytes, design: Design) -> Content:
    """What intact bytes of this design hold.

    Raises:
        InvalidArtefact: Incomplete or damaged bytes, or those of another design.
    """
    if len(data) < FRONT_BYTES:
        raise InvalidArtefact(f"a packed network must have more than {FRONT_BYTES} bytes", f"{len(data)}")
    _, version, options_length, payload_length = _FRONT.unpack_from(data)
    whole = FRONT_BYTES + options_length + payload_length
    if len(data) != whole:
        raise InvalidArtefact(f"the packed network must have {whole} bytes", f"{len(data)}", "The file is incomplete.")
    checksum, digest = data[_FRONT.size : _FRONT.size + _DIGEST], data[_FRONT.size + _DIGEST : FRONT_BYTES]
    if hashlib.sha256(data[: _FRONT.size] + data[_FRONT.size + _DIGEST :]).digest() != checksum:
        raise InvalidArtefact("the checksum of a packed network must fit its content", "damaged bytes")
    if digest.hex() != design.digest:
        raise InvalidArtefact(
            f"a packed network must be of the design {design.digest[:8]}", f"one of {digest.hex()[:8]}"
        )
    own = version == OWN_PADS
    options, payload = data[FRONT_BYTES : FRONT_BYTES + options_length], data[FRONT_BYTES + options_length :]
    return Content(payload=payload, options=options, own_pads=own, wide_pads=own)
