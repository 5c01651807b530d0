"""Approaches: how designs are found, and why one of the ways served a request."""

from __future__ import annotations

from optimizer.exact import ExactSearch
from optimizer.genetic import GeneticSearch
from optimizer.library_search import LibrarySearch
from optimizer.neural import NeuralSearch

WHY: dict[str, str] = {
    ExactSearch.approach: "the space has few enough networks for all of them to be predicted on this device",
    LibrarySearch.approach: "devices of a kind rank designs alike: what was best on proxies was judged by the "
    "predictors of this device, and the best was polished",
    NeuralSearch.approach: "networks were asked for, or no library was made for this space and task",
    GeneticSearch.approach: "a search was asked for, or what was proposed without one breaks a limit",
}


def why(approach: str) -> str | None:
    """Why an approach served; None for one that is not known, as of designs stored by another version."""
    return WHY.get(approach)
