"""The figures of the pruning study, from its finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from benchmarks.hybrid_runs import Result, machines
from benchmarks.pruning_recipe import METHODS, PARENT
from benchmarks.report import say


def table(runs: Sequence[Result], kept: Sequence[float]) -> dict[str, Any]:
    """Mean accuracies over seeds, before and after the further epochs: method -> percent of parameters kept -> figures.

    `behind_parent` compares each run with its own parent given the same further epochs, in percentage points.
    """
    parents = {run["seed"]: run for run in runs if run["method"] == PARENT}
    found: dict[str, Any] = {}
    if parents:
        found[PARENT] = _figures(list(parents.values()), parents)
    for method in METHODS:
        rows = {}
        for keep in kept:
            own = [run for run in runs if run["method"] == method and run["keep"] == keep]
            if own:
                rows[percent(keep)] = _figures(own, parents)
        if rows:
            found[method] = rows
    return found


def percent(keep: float) -> str:
    """The key of a share: percent of the parameters."""
    return f"{round(100 * keep)}"


def _figures(own: Sequence[Result], parents: dict[int, Result]) -> dict[str, Any]:
    after = [run["test_accuracy"] for run in own]
    behind = [
        100 * (parents[run["seed"]]["test_accuracy"] - run["test_accuracy"]) for run in own if run["seed"] in parents
    ]
    return {
        "accuracy": mean(after),
        "accuracy_sd": stdev(after) if len(after) > 1 else None,
        "accuracy_before": mean(run["test_accuracy_before"] for run in own),
        "behind_parent": mean(behind) if behind else None,
        "parameters": mean(run["parameters"] for run in own),
        "macs": mean(run["macs"] for run in own),
        "bytes": mean(run["bytes"] for run in own),
        "seeds": sorted(run["seed"] for run in own),
        "trained_on": machines(own),
    }


def leads(runs: Sequence[Result], kept: Sequence[float]) -> dict[str, dict[str, dict[str, Any]]]:
    """By how much the provable method is ahead of others on the same parents: percent kept -> method -> points.

    Mean over seeds, their standard deviation, and on how many of how many seeds it is ahead.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for keep in kept:
        by_method = {
            method: {
                run["seed"]: run["test_accuracy"] for run in runs if run["method"] == method and run["keep"] == keep
            }
            for method in METHODS
        }
        own = by_method["provable"]
        for method in METHODS[1:]:
            points = [100 * (own[seed] - value) for seed, value in by_method[method].items() if seed in own]
            if points:
                found.setdefault(percent(keep), {})[method] = {
                    "points": mean(points),
                    "sd": stdev(points) if len(points) > 1 else None,
                    "seeds_ahead": sum(one > 0 for one in points),
                    "seeds": len(points),
                }
    return found


def floors(found: dict[str, Any], kept: Sequence[float]) -> dict[str, bool | None]:
    """What the study must show; None where runs of a seed are missing that has a parent.

    within_half_a_point: at 60 % of the parameters the provable method is at most .5 points behind its parent.
    ahead: at every share it is ahead of random and uniform after training.
    """
    provable, parents = found.get("provable", {}), found.get(PARENT, {}).get("seeds", [])
    own = provable.get("60", {})
    behind = own.get("behind_parent") if own.get("seeds") == parents else None
    pairs = [
        (provable.get(percent(keep), {}), found.get(other, {}).get(percent(keep), {}))
        for keep in kept
        for other in ("random", "uniform")
    ]
    whole = all(own.get("seeds") == other.get("seeds") == parents for own, other in pairs)
    ahead = all(own["accuracy"] > other["accuracy"] for own, other in pairs) if whole else None
    return {"within_half_a_point": None if behind is None else behind <= 0.5, "ahead": ahead}


def tell(network: str, found: dict[str, Any]) -> None:
    """The table for people."""
    say(f"{network}: accuracy before and after the further epochs, points behind the parent, MACs")
    for method, rows in found.items():
        for keep, row in ({"100": rows} if method == PARENT else rows).items():
            behind = "" if row["behind_parent"] is None else f"{row['behind_parent']:+6.2f}"
            say(
                f"  {method:10} {keep:>4} %  {row['accuracy_before']:.4f}  {row['accuracy']:.4f}  {behind:>6}  "
                f"{row['macs'] / 1e6:6.2f} M  seeds {row['seeds']}"
            )
