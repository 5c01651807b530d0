"""Fit the networks of the amortised optimizer: python -m optimizer.fit_optimizer [--only SPACE].

For every space and every signature of its genes among the built-in tasks: ask synthetic devices, take the best of what
their predictors say of a pool of designs (`optimizer.labels`), and fit a network to answer so. Needs no data but
the shipped predictors and libraries.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from design.spaces.registry import SPACES
from optimizer.drawn_requests import draw_request
from optimizer.fit_groups import contents, fit_groups, spread_out, tell
from optimizer.fit_pool import CHUNK, Chunk, random_genotypes
from optimizer.fit_to_labels import fitted
from optimizer.gene_code import GeneCode, gene_code, signature
from optimizer.labels import Labels, labelled
from optimizer.network_check import Nearness, check_network
from optimizer.neural import NeuralSearch
from optimizer.neural_weights import KIND, VERSION, WEIGHTS, NeuralWeights, weights_file
from optimizer.surrogate import COSTS
from optimizer.synthetic_profiles import HELD_OUT, synthetic_profiles

SEED = 0
_SOURCES = tuple(sorted(Path(__file__).parent.glob("*.py")))
"""Code that a fit which was cut off must have been begun with: all of it may decide answers."""
_CARD = """# Model card: amortised optimizer, space `{space}`, genes {signature}

`{kind}`, form {version}: {size} bytes, 8-bit matrices. It proposes designs; the predictors judge them.

Fitted by `bespoke fit optimizer` (seed {seed}; {options}) to {labels} answers for the tasks {tasks} on
{devices} synthetic device profiles: the catalogue, jittered and thinned out, without the families of
{held_out}. An answer is the best, of all or of one kind of network, that the predictors of a
device know of its library (all networks where they are few), random designs and exchanges.

On {requests} requests to {validation} synthetic profiles that it was not fitted to, beside what answers by default:

| | keeps every limit | points of accuracy lost where only that counts |
|---|---|---|
| first answer, not judged by predictors | {first} |
| best of its answers | {answers} |
| and a round of exchanges | {polished} |

Limits: genes of another signature (pictures of another size class) have no network; requests for them are searched.
Predictors of another version make its proposals worse, never its answers wrong: those are scored by the predictors.
Arithmetic in bfloat16 gives the same weights on like processors only.
"""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How much is fitted; the defaults made the shipped weights.

    Attributes:
        devices: Synthetic profiles, shared out among the tasks.
        validation: Others, and as many requests to them, to tell how near the network comes.
        steps: Of the fit.
    """

    devices: int = 2000
    validation: int = 60
    steps: int = 8000


def fit_group(space_name: str, tasks: Sequence[str], options: FitOptions, out: Path, seed: int = SEED) -> str:
    """Fit one space for tasks of one signature and write weights and card; what to tell people."""
    torch.set_num_threads(1)
    started, space = perf_counter(), SPACES[space_name]
    say = partial(tell, f"{space_name} ({', '.join(tasks)})")
    rng = np.random.default_rng(seed)
    codes = [gene_code(space, task) for task in spread_out(tasks)]  # type: ignore[arg-type]  # by identity
    profiles = synthetic_profiles(options.devices, seed)
    parts = [labelled(code, profiles[number :: len(codes)], rng) for number, code in enumerate(codes)]
    answers = Labels.joined(parts)
    say(f"{len(answers)} answers after {perf_counter() - started:.0f} s")
    network = fitted(codes[0], answers, centre_of(codes, rng), steps=options.steps, rng=rng, progress=say)
    known = [code.task for code in codes]
    path = weights_file(space, known[0], out)
    facts = {"space": space_name, "tasks": ", ".join(tasks), "seed": str(seed), "options": repr(asdict(options))}
    NeuralWeights(generator=network).save(path, facts)
    unseen = synthetic_profiles(options.validation, seed + 1)
    problems = [draw_request(space, known[at % len(known)], unseen, rng) for at in range(options.validation)]
    stored = NeuralWeights.load(path, codes[0].width, int(codes[0].sizes[0]))
    check = check_network(NeuralSearch(stored), problems)
    card = _CARD.format(
        space=space_name,
        signature=signature(space, known[0]),  # type: ignore[arg-type]  # by identity
        kind=KIND,
        version=VERSION,
        size=path.stat().st_size,
        seed=seed,
        options=", ".join(f"{name} {value}" for name, value in asdict(options).items()),
        labels=len(answers),
        tasks=", ".join(task.name for task in known),
        devices=options.devices,
        held_out=", ".join(sorted(HELD_OUT)),
        requests=check.requests,
        validation=options.validation,
        **{name: _told(getattr(check, name)) for name in ("first", "answers", "polished")},
    )
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    near = check.answers
    lost = "" if near.points is None else f", {near.points:.2f} points behind the default"
    return f"{path.name}: {perf_counter() - started:.0f} s, best answers keep every limit in {near.feasible:.0%}{lost}"


def centre_of(codes: Sequence[GeneCode], rng: np.random.Generator) -> Tensor:
    """What limits are read relative to, FIGURES: means over random designs (costs are relative to the device)."""
    own = torch.cat([Chunk.of(code, random_genotypes(code, CHUNK, rng)).own for code in codes])
    return torch.cat([torch.zeros(COSTS), own.mean(dim=0)])


def _told(nearness: Nearness) -> str:
    return f"{nearness.feasible:.0%} | " + ("-" if nearness.points is None else f"{nearness.points:.2f}")


def fit_optimizer(
    out: Path,
    progress: Callable[[str], None],
    *,
    only: str | None = None,
    processes: int = 2,
    options: FitOptions | None = None,
) -> None:
    """Fit every group, several at a time; a fit that was cut off goes on.

    Args:
        out: Folder that is written to.
        progress: Told what is done.
        only: Name of one space.
        processes: How many at a time, one thread each.
        options: How much is fitted.
    """
    chosen = options or FitOptions()
    rests_on = [*sorted(WEIGHTS.glob("library-*.safetensors")), *_SOURCES]
    fit = partial(_fit_group, chosen)
    about = f"{KIND} {VERSION} {SEED} {chosen} {contents(rests_on)}"
    fit_groups(fit, about, out, progress, only=only, processes=processes)


def _fit_group(options: FitOptions, name: str, tasks: Sequence[str], out: Path) -> str:
    return fit_group(name, tasks, options, out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fit the amortised optimizer.")
    parser.add_argument("--out", type=Path, default=WEIGHTS, metavar="DIR", help="where weights and cards go")
    parser.add_argument("--only", choices=sorted(SPACES), help="one space alone")
    parser.add_argument("--processes", type=int, default=2)
    found = parser.parse_args(arguments)
    fit_optimizer(found.out, partial(tell, "optimizer"), only=found.only, processes=found.processes)


if __name__ == "__main__":
    main()
