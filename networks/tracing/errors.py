"""What can be wrong with a user's model."""

from __future__ import annotations

from collections.abc import Sequence

from design.errors import BespokeError

MOST_NAMED = 20


class InvalidModel(BespokeError):
    """A model that cannot be read: damaged, too large, or of shapes that do not fit or are not known."""


class UnsupportedModel(BespokeError):
    """A model with operators that have no place in the vocabulary; all of them are named, for whatever reason.

    Args:
        must: What must hold.
        got: What came.
        way_out: What the user can do.
        operators: The operators, each with its node and why it cannot be taken.
    """

    def __init__(self, must: str, got: str, way_out: str = "", *, operators: Sequence[str] = ()) -> None:
        self.operators = tuple(operators)
        super().__init__(must, got, way_out)


class Unsupported(Exception):
    """Raised while one node is read; collected, so that the user learns of all of them at once.

    Args:
        what: What cannot be taken.
        way_out: What the user can do.
    """

    def __init__(self, what: str, way_out: str = "") -> None:
        self.what, self.way_out = what, way_out
        super().__init__(what)


def unsupported(found: Sequence[tuple[str, Unsupported]]) -> UnsupportedModel:
    """One error that names every node that cannot be taken.

    Args:
        found: (operator and node, why), in the order of the graph.
    """
    named = [f"{where}: {one.what}" for where, one in found[:MOST_NAMED]]
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    ways = dict.fromkeys(one.way_out for _, one in found if one.way_out)
    return UnsupportedModel(
        "every operator of the model must be supported (docs/tracing.md lists them)",
        f"{len(found)} that {'is' if len(found) == 1 else 'are'} not: {'; '.join(named)}{more}",
        " ".join(ways) or "Replace these operators, or export the part of the model without them.",
        operators=named,
    )
