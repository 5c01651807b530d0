"""Reproduce the shipped weights of the amortised optimizer: python -m optimizer.fit_optimizer [--only SPACE].

For every space and every signature of its genes among the built-in tasks: fit the surrogate to the predictors, fit the
generator to the surrogate, let it propose, refit both where it proposes. Needs no data but the shipped predictors.
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

from design.spaces.registry import SPACES
from optimizer.fit_generator import fit_generator, proposed
from optimizer.fit_groups import fit_groups, spread_out, tell
from optimizer.fit_pool import CHUNK, Chunk, Park, random_genotypes
from optimizer.fit_surrogate import centre, fit_surrogate, held_out_error
from optimizer.gene_code import gene_code, signature
from optimizer.generator import Generator
from optimizer.neural_weights import KIND, VERSION, WEIGHTS, NeuralWeights, weights_file
from optimizer.surrogate import FIGURES, Surrogate
from optimizer.synthetic_profiles import HELD_OUT, synthetic_profiles

SEED = 0
_CARD = """# Model card: amortised optimizer, space `{space}`, genes {signature}

`{kind}`, form {version}: {size} bytes, 8-bit matrices. It proposes designs; the predictors judge them.

Fitted by `python -m optimizer.fit_optimizer` (seed {seed}) for the tasks {tasks} on {devices} synthetic device
profiles: the catalogue, jittered and thinned out, without the families of {held_out}.
Labels: none; the gradient of a surrogate fitted to the predictors ({options}).

Surrogate on {validation} profiles and {designs} designs that it was not fitted on: median error of latency
{latency:.1%}, of energy {energy:.1%}; of the log odds of accuracy {accuracy:.3f}.

Limits: genes of another signature (pictures of another size class) have no network; requests for them are searched.
Predictors of another version make its proposals worse, never its answers wrong: those are scored by the predictors.
"""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How much is fitted; the defaults made the shipped weights.

    Attributes:
        devices, validation: Synthetic profiles.
        chunks: Of designs for each task.
        surrogate_steps, generator_steps: First fit, second fit.
    """

    devices: int = 1200
    validation: int = 60
    chunks: int = 40
    surrogate_steps: tuple[int, int] = (2500, 1500)
    generator_steps: tuple[int, int] = (1200, 2500)


def fit_group(space_name: str, tasks: Sequence[str], options: FitOptions, out: Path, seed: int = SEED) -> str:
    """Fit one space for tasks of one signature and write weights and card; what to tell people."""
    torch.set_num_threads(1)
    started, space = perf_counter(), SPACES[space_name]
    say = partial(tell, f"{space_name} ({', '.join(tasks)})")
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    codes = [gene_code(space, task) for task in spread_out(tasks)]  # type: ignore[arg-type]  # by identity
    known = [code.task for code in codes]
    park = Park.of(codes, synthetic_profiles(options.devices, seed))
    unseen = Park.of(codes, synthetic_profiles(options.validation, seed + 1))
    chunks = [Chunk.of(code, random_genotypes(code, CHUNK, rng)) for code in codes for _ in range(options.chunks)]
    aside = [Chunk.of(code, random_genotypes(code, CHUNK, rng)) for code in codes for _ in range(2)]
    surrogate = Surrogate(codes[0].width)
    generator = Generator(codes[0].width, int(codes[0].sizes[0]))
    centre(surrogate, chunks)
    generator.centre.copy_(torch.cat([torch.zeros(FIGURES - 4), surrogate.own_mean]))
    say(f"{len(park)} devices, {len(chunks)} x {CHUNK} designs after {perf_counter() - started:.0f} s")
    for steps, again in zip(options.surrogate_steps, options.generator_steps, strict=True):
        fit_surrogate(surrogate, chunks, park, known, steps=steps, rng=rng, progress=say)
        fit_generator(generator, surrogate, codes, chunks, park, steps=again, rng=rng, progress=say)
        for number, code in enumerate(codes):
            hot = torch.cat([chunk.hot for chunk in chunks if chunk.code is code])
            for _ in range(options.chunks):
                found = proposed(generator, surrogate, code, number, hot, park, CHUNK, rng)
                chunks.append(Chunk.of(code, found))
    errors = held_out_error(surrogate, aside, unseen, known)
    path = weights_file(space, known[0], out)
    facts = {"space": space_name, "tasks": ", ".join(tasks), "seed": str(seed), "options": repr(asdict(options))}
    NeuralWeights(generator=generator, surrogate=surrogate).save(path, facts)
    card = _CARD.format(
        space=space_name,
        signature=signature(space, known[0]),  # type: ignore[arg-type]  # by identity
        kind=KIND,
        version=VERSION,
        size=path.stat().st_size,
        seed=seed,
        tasks=", ".join(task.name for task in known),
        devices=len(park),
        held_out=", ".join(sorted(HELD_OUT)),
        options=", ".join(f"{name} {value}" for name, value in asdict(options).items()),
        validation=len(unseen),
        designs=len(aside) * CHUNK,
        latency=errors[0],
        energy=errors[1],
        accuracy=errors[2],
    )
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    return f"{path.name}: {perf_counter() - started:.0f} s, surrogate errors {errors[0]:.3f} {errors[1]:.3f}"


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
    fit = partial(_fit_group, chosen)
    fit_groups(fit, f"{KIND} {VERSION} {SEED} {chosen}", out, progress, only=only, processes=processes)


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
