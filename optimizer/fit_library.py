"""Make the shipped libraries (`bespoke fit libraries`).

For every space and every signature of its genes among the built-in tasks: search one proxy of each kind of device and
set of precisions under many limits, and keep, of the best and of what lies around them, designs that no other beats:
those farthest apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from design.constraints import Constraints
from design.counts import bit_operations, macs
from design.device import DeviceProfile
from design.encoding import FloatArray, IntArray
from design.space import Space
from design.spaces.registry import SPACES
from design.task import Task
from optimizer.exact import ExactSearch, suits
from optimizer.fit_groups import fit_groups, spread_out, tell
from optimizer.library import KIND, VERSION, library_file, save_library
from optimizer.objective import LIMITS, Objective
from optimizer.pareto import front, nondominated
from optimizer.problem import Problem
from optimizer.repair import mask_in
from optimizer.synthetic_profiles import HELD_OUT, training_devices
from optimizer.trials import Trials
from optimizer.uniform_search import UniformSearch
from predictors.descriptor import describe
from predictors.predictions import own_figures

MOST = 800
"""Designs of a library."""
LEVELS = np.linspace(0.02, 0.9, 9)
"""Limits: quantiles of what uniform designs cost on the proxy."""
KEPT = 20
"""Designs kept of each request: the best and others of its front."""
_CARD = """# Model card: library of designs, space `{space}`, genes {signature}

{count} genotypes (bytes), {size} bytes: what the predictors of this version call best on {proxies} proxy devices under
{requests} requests. A device judges all of them by its own predictors; nothing in it is a measurement.

Made by `bespoke fit libraries` for the tasks {tasks}: one proxy of each kind and set of precisions of the
catalogue, without the families of {held_out}.
Kept of {found} designs: those that no other beats in accuracy on these tasks, size, work in bits and
multiply-adds, farthest apart.
"""


def proxies() -> list[DeviceProfile]:
    """One device of each kind and set of precisions, the first by name; none of a family kept for tests."""
    found: dict[tuple[object, ...], DeviceProfile] = {}
    for device in sorted(training_devices(), key=lambda own: own.id):
        profile = device.profile(sorted(device.settings)[0])
        found.setdefault((profile.kind, tuple(describe(profile).supported_bits)), profile)
    return list(found.values())


def requests(space: Space, task: Task, profile: DeviceProfile) -> Iterator[Trials]:
    """Trials of each request on a proxy: limits on latency, on size, and on both."""
    device = describe(profile)
    mask = mask_in(space, task, tuple(device.supported_bits))  # type: ignore[arg-type]  # by identity
    if mask is None:
        return

    def trials(limits: dict[str, float]) -> Trials:
        asked = Constraints.model_validate(limits)
        problem = Problem(device=profile, task=task, constraints=asked, spaces=(space.name,))
        objective = Objective.of(problem, device)
        return Trials(space=space, mask=mask, device=device, objective=objective, problem=problem)

    first = trials({})
    searched(first)
    assert first.starts is not None
    names = ("latency_ms", "model_kb")
    levels = [np.quantile(first.starts.at_risk[:, LIMITS.index(name)], LEVELS) for name in names]
    yield first
    for one, other in zip(*levels, strict=True):
        for limits in ({names[0]: one}, {names[1]: other}, {names[0]: one, names[1]: other}):
            found = trials({name: float(limit) for name, limit in limits.items()})
            searched(found)
            yield found


def searched(trials: Trials) -> None:
    """All networks where they are few, uniform designs otherwise; exchanges from the best, and what lies around."""
    own = ExactSearch() if suits(trials.space, trials.task) else UniformSearch()
    own.propose(trials, 0)
    own.improve(trials)
    own.around(trials)


def of_request(trials: Trials) -> IntArray:
    """The best design and others of the front that was found, at most KEPT x G."""
    scores = trials.scores
    chosen = int((scores.genotypes == trials.best().genotypes).all(axis=1).argmax())
    costs = np.column_stack([-scores.accuracy, np.log(scores.latency_ms), np.log(scores.model_bytes)])
    near = scores.genotypes[front(costs, chosen, KEPT)]
    return np.concatenate([trials.best().genotypes, near])


def own_costs(space: Space, genotypes: IntArray, tasks: Sequence[Task]) -> FloatArray:
    """What designs are on any device, logarithms, all minimised, N x (tasks + 3).

    Error on each task, size, work in bits and multiply-adds, the last three for pictures of the first task.
    """
    sets = [space.rows(task, space.canonical(task, genotypes)) for task in tasks]
    errors = [1 - own_figures(one, task).accuracy.median for one, task in zip(sets, tasks, strict=True)]
    work = [own_figures(sets[0], tasks[0]).model_bytes, bit_operations(sets[0]), macs(sets[0])]
    return np.log(np.maximum(np.column_stack(errors + work), 1e-9))


def farthest_first(points: FloatArray, count: int, weights: FloatArray) -> IntArray:
    """Indices of at most `count` of N x K points, each the farthest from all before it; the first has the least sum.

    Args:
        points: N x K; distances are in shares of the range of each column.
        count: At most so many.
        weights: K, of squared distances.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0) * np.sqrt(weights)
    taken = [int(points.sum(axis=1).argmin())]
    away = ((scaled - scaled[taken[0]]) ** 2).sum(axis=1)
    while len(taken) < min(count, len(points)):
        taken.append(int(away.argmax()))
        away = np.minimum(away, ((scaled - scaled[taken[-1]]) ** 2).sum(axis=1))
    return np.array(taken, dtype=np.int64)


def fit_library(space: Space, tasks: Sequence[str], out: Path, say: Callable[[str], None]) -> str:
    """Make the library of one space for tasks of one signature, with its card; what to tell people."""
    started = perf_counter()
    known, devices, asked = spread_out(tasks), proxies(), 0
    found: list[IntArray] = []
    for task in known:
        for number, profile in enumerate(devices, start=1):
            for trials in requests(space, task, profile):
                found.append(of_request(trials))
                asked += 1
            say(f"{task.name}, {number} of {len(devices)} devices: {len(found)} requests")
    distinct = np.unique(np.concatenate(found), axis=0)
    costs = own_costs(space, distinct, known)
    kept = nondominated(costs)
    weights = np.array([*np.full(len(known), 1 / len(known)), 1.0, 1.0, 1.0])  # tasks count as one together
    chosen = kept[farthest_first(costs[kept], MOST, weights)]
    path = library_file(space, known[0], out)
    facts = {"space": space.name, "tasks": ", ".join(tasks)}
    save_library(distinct[chosen], path, facts)
    card = _CARD.format(
        space=space.name,
        signature=path.stem.rsplit("-", 1)[1],
        count=len(chosen),
        size=path.stat().st_size,
        proxies=len(devices),
        requests=asked,
        tasks=", ".join(task.name for task in known),
        held_out=", ".join(sorted(HELD_OUT)),
        found=len(distinct),
    )
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    seconds = perf_counter() - started
    return f"{path.name}: {len(chosen)} of {len(kept)} on the front of {len(distinct)}, {seconds:.0f} s"


def fit_libraries(out: Path, progress: Callable[[str], None], *, only: str | None = None, processes: int = 2) -> None:
    """Make every library, several at a time; what was cut off goes on.

    Args:
        out: Folder that is written to.
        progress: Told what is done.
        only: Name of one space.
        processes: How many at a time, one thread each.
    """
    about = f"{KIND} {VERSION} {MOST} {KEPT} {LEVELS.tolist()}"
    fit_groups(_fit_group, about, out, progress, only=only, processes=processes)


def _fit_group(name: str, tasks: Sequence[str], out: Path) -> str:
    torch.set_num_threads(1)
    return fit_library(SPACES[name], tasks, out, partial(tell, name))
