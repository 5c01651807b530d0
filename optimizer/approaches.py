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
"""Where nothing is known of how it was asked for, as of designs stored before methods were kept."""

NOTHING_PROPOSED = "nothing that is proposed without a search keeps the limits, or a space has nothing to propose from"
NOTHING_BETTER = "a search beside that, which was asked for, found nothing better"
WHY_BY_METHOD: dict[tuple[str, str], str] = {
    (GeneticSearch.approach, "search"): "a search was asked for",
    (GeneticSearch.approach, "both"): "a search was asked for beside what is proposed without one, none of which is "
    "better",
    (GeneticSearch.approach, "auto"): NOTHING_PROPOSED,
    (GeneticSearch.approach, "network"): NOTHING_PROPOSED,
    (LibrarySearch.approach, "both"): f"{WHY[LibrarySearch.approach]}; {NOTHING_BETTER}",
    (NeuralSearch.approach, "both"): f"{WHY[NeuralSearch.approach]}; {NOTHING_BETTER}",
}
"""Where the method that was asked for says more."""

WHY_SHARED = "designs found on other devices were judged by the predictors of this one"
"""Of what devices of a fleet judge: designs of proxy devices, and what was proposed for others of the fleet."""
WHY_ALONE = "what all devices of the fleet judge breaks a limit of this one; by itself"
"""Of a device that was looked at by itself, before the reason for what served it then."""

VERSIONS: dict[str, str] = {
    ExactSearch.approach: "enumeration-2",
    LibrarySearch.approach: "library-5",
    NeuralSearch.approach: "network-5",
}
"""Of what answers without a search."""
SEARCH_VERSION = "search-3"
"""Of all that is searched: NSGA-II, or enumeration with climbing behind it."""


def why(approach: str, method: str | None) -> str | None:
    """Why an approach served a request, in one sentence.

    Args:
        approach: How the design was found.
        method: As requested (`optimizer.problem.Method`); None where it was not kept.

    Returns:
        None for an approach that is not known, as of designs stored by another version.
    """
    return WHY_BY_METHOD.get((approach, method or ""), WHY.get(approach))


def why_in_fleet(approach: str, *, alone: bool) -> str:
    """Why an approach served a device of a fleet: one that all devices judge, or was proposed for this one `alone`."""
    return f"{WHY_ALONE}, {WHY[approach]}" if alone else WHY_SHARED
