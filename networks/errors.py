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


class OutOfReach(InvalidSelection):
    """A target that pruning cannot reach.

    Args:
        target: What was asked for.
        least: The least that can be reached.
        left: What is left then, in words.
        way_out: What the caller can do.
    """

    def __init__(self, target: float, least: float, left: str, way_out: str) -> None:
        self.target, self.least, self.left = target, least, left
        super().__init__(f"pruning must be able to reach {target:g}", f"{least:g} with {left}", way_out)


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
