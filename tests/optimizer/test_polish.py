"""Polishing: what it promises is what the surrogate says, and it never makes a design worse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optimizer.ask import ask_of, excess, utility
from optimizer.gene_code import gene_code
from optimizer.neural_weights import neural_weights
from optimizer.observation import observe
from optimizer.polish import TRIED, Polish, polish, slack_of
from optimizer.surrogate import Figure
from optimizer.trials import Trials
from tests.optimizer.asking import ask, trials_of


def polish_of(trials: Trials) -> Polish:
    code = gene_code(trials.space, trials.task)  # type: ignore[arg-type]
    weights = neural_weights(trials.space, trials.task)  # type: ignore[arg-type]
    assert weights is not None
    seen = observe(trials.space, trials.task, trials.device, trials.energy_model)
    asked = ask_of(trials.objective, trials.risk, seen)
    return Polish(code, weights.surrogate, seen, asked, torch.from_numpy(code.allowed(trials.mask)))


def trials() -> Trials:
    return trials_of(ask("raspberry-pi-4", "vgg", task="digits", latency_ms=0.5, model_kb=20))


def test_changes_are_all_single_ones_as_the_surrogate_prices_them() -> None:
    own = trials()
    helper = polish_of(own)
    genotype = own.allowed(own.mask.sample(1, np.random.default_rng(0)))[0]
    found = helper.changes(genotype)
    active = helper.code.active(genotype[None])[0]
    expected = {
        (gene, choice)
        for gene, choices in enumerate(own.mask.choices)
        if active[gene]
        for choice in choices
        if choice != genotype[gene]
    }
    assert set(zip(found.genes.tolist(), found.choices.tolist(), strict=True)) == expected
    base = helper.figures(torch.from_numpy(helper.code.hot(genotype[None])))
    for at in range(0, len(found.genes), 7):
        changed = helper.code.hot(genotype[None])
        gene, choice = int(found.genes[at]), int(found.choices[at])
        changed[0, helper.code.offsets[gene] + genotype[gene]] = 0
        changed[0, helper.code.offsets[gene] + choice] = 1
        figures = helper.figures(torch.from_numpy(changed))
        gain = float(utility(figures, helper.ask) - utility(base, helper.ask))
        assert found.gain[at] == pytest.approx(gain, abs=1e-5)
        relief = (excess(base, helper.ask) - excess(figures, helper.ask))[0].numpy()
        assert found.relief[at] == pytest.approx(relief, abs=1e-5)


def test_likely_changes_are_priced_as_all_are_and_hold_the_best_gainer() -> None:
    own = trials()
    helper = polish_of(own)
    for genotype in own.allowed(own.mask.sample(4, np.random.default_rng(2))):
        every, likely = helper.changes(genotype), helper.changes(genotype, 12)
        assert len(likely.genes) <= 24 < len(every.genes)
        price = dict(zip(zip(every.genes.tolist(), every.choices.tolist(), strict=True), every.gain, strict=True))
        for gene, choice, gain in zip(likely.genes.tolist(), likely.choices.tolist(), likely.gain, strict=True):
            assert gain == pytest.approx(price[gene, choice], abs=1e-5)
        assert likely.gain.max() == pytest.approx(every.gain.max(), abs=1e-5)
        assert all(
            (one == other).all()
            for one, other in zip(
                (every.genes, every.choices),
                (helper.changes(genotype, 10_000).genes, helper.changes(genotype, 10_000).choices),
                strict=True,
            )
        )


def test_never_worse_and_within_its_budget() -> None:
    for seed in range(3):
        own = trials()
        helper = polish_of(own)
        own.score(own.mask.sample(8, np.random.default_rng(seed)))
        before, asked = own.objective.rank(own.best()), own.evaluations
        polish(own, helper, 2)
        assert own.objective.rank(own.best()) <= before
        assert own.evaluations <= asked + 2 * TRIED


def test_slack_is_how_far_limits_are() -> None:
    own = trials()
    score = own.score(own.mask.sample(1, np.random.default_rng(1)))
    found = slack_of(own, score)
    assert found[Figure.MODEL_BYTES] == pytest.approx(np.log(20_000 / score.model_bytes[0]))
    assert np.isinf(found[Figure.ACCURACY])
