"""Approaches: how designs are found, why one of the ways served a request, and in which version."""

from __future__ import annotations

from optimizer.exact import ExactSearch
from optimizer.genetic import GeneticSearch
from optimizer.library_search import LibrarySearch
from optimizer.neural import NeuralSearch

WHY: dict[str, str] = {
    ExactSearch.approach: "the space has few enough networks for all of them to be compared on this device",
    LibrarySearch.approach: "designs found on proxy devices were judged by the predictors of this one, and the best "
    "was polished",
    NeuralSearch.approach: "networks proposed designs, the predictors of this device judged them, and the best were "
    "polished",
    GeneticSearch.approach: "a search was asked for, or nothing that is proposed without one keeps the limits",
}

VERSIONS: dict[str, str] = {
    ExactSearch.approach: "enumeration-1",
    LibrarySearch.approach: "library-4",
    NeuralSearch.approach: "network-4",
}
"""Of what answers without a search."""
SEARCH_VERSION = "search-2"
"""Of all that is searched: NSGA-II, or enumeration with climbing behind it."""


def why(approach: str) -> str | None:
    """Why an approach served; None for one that is not known, as of designs stored by another version."""
    return WHY.get(approach)
