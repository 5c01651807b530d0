"""What can be wrong with a request to build, quantize, pack or unpack a network."""

from __future__ import annotations

from design.errors import BespokeError


class UnsupportedLayer(BespokeError):
    """An operation that cannot be run here."""


class InvalidPolicy(BespokeError):
    """A precision policy that does not fit the module it is put on."""


class InvalidArtefact(BespokeError):
    """Packed bytes that are damaged, of a later version, or of another design."""


class InvalidSelection(BespokeError):
    """Filters to keep that do not fit the network they are chosen from."""


class NotAdopted(BespokeError):
    """A user's model that was read but cannot be rebuilt here with its weights.

    Args:
        must: What must hold.
        got: What came.
        way_out: What the user can do.
        layer: The first layer at fault.
    """

    def __init__(self, must: str, got: str, way_out: str = "", *, layer: str = "") -> None:
        self.layer = layer
        super().__init__(must, got, way_out)
