"""Labels keep the limits that they answer, and a network fitted to them answers as they do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.ask import SIGNS
from optimizer.drawn_requests import draw_request
from optimizer.exact import ExactSearch, suits
from optimizer.fit_optimizer import centre_of
from optimizer.fit_to_labels import fitted, tightened
from optimizer.gene_code import GeneCode, gene_code
from optimizer.generator import Places
from optimizer.labels import Labels, answered, best_of_families, labelled, measured, within
from optimizer.library import NoLibrary
from optimizer.library_search import LibrarySearch
from optimizer.network_check import Nearness, check_network
from optimizer.neural import NeuralSearch
from optimizer.neural_weights import neural_weights
from optimizer.objective import LIMITS
from optimizer.polish import polish
from optimizer.problem import Problem
from optimizer.proposals import proposed
from optimizer.repair import NoUsableSpace, mask_in
from optimizer.surrogate import FIGURES, Figure
from optimizer.synthetic_profiles import synthetic_profiles
from optimizer.trials import Trials
from predictors.descriptor import describe
from predictors.predict import predict
from tests.optimizer.asking import ask, trials_of

CIFAR = find_task("cifar10")
SPACES_ASKED = ("nasbench201", "vgg")


def code_of(space: str) -> GeneCode:
    return gene_code(SPACES[space], CIFAR)  # type: ignore[arg-type]  # by identity


@pytest.fixture(scope="module", params=SPACES_ASKED)
def known(request: pytest.FixtureRequest) -> tuple[GeneCode, Labels]:
    code = code_of(request.param)
    return code, labelled(code, synthetic_profiles(3, 7), np.random.default_rng(0))


def test_labels_are_allowed_canonical_and_within_limits(known: tuple[GeneCode, Labels]) -> None:
    code, labels = known
    genotypes = labels.answers.numpy()
    assert np.array_equal(code.space.canonical(CIFAR, genotypes), genotypes)
    chosen = labels.asked.allowed[:, torch.from_numpy(code.offsets)[None] + labels.answers]
    assert len(labels) > 20
    assert (torch.diagonal(chosen).T[labels.active] == 1).all()
    assert (labels.slack >= -1e-6).all()
    assert (labels.slack[labels.asked.ask.present == 0] == 0).all()
    assert (labels.slack > 0).any()
    assert labels.by_family.any()
    assert not labels.by_family.all()


def test_slack_is_what_the_answer_leaves_of_its_limits() -> None:
    trials = trials_of(ask("jetson-nano", "vgg", latency_ms=30.0, min_accuracy=0.5))
    assert proposed([trials])
    best = trials.best()
    found = within(trials.objective, best)
    reached = dict(zip(LIMITS, best.at_risk[0], strict=True))
    odds = reached["min_accuracy"] / (1 - reached["min_accuracy"])
    assert found[Figure.LATENCY_MS] == pytest.approx(np.log(30.0 / reached["latency_ms"]))
    assert found[Figure.ACCURACY] == pytest.approx(np.log(odds))
    assert np.count_nonzero(found) == 2


def test_answers_come_near_to_what_is_proposed_for_each_request(known: tuple[GeneCode, Labels]) -> None:
    """The pool of a device is a fast way to what a request of its own, with a polish, finds."""
    code, _ = known
    lost = []
    device = describe(synthetic_profiles(3, 7)[0])
    mask = mask_in(code.space, CIFAR, tuple(device.supported_bits))  # type: ignore[arg-type]  # by identity
    assert mask is not None
    for own in list(answered(code, device, mask, np.random.default_rng(2)))[:16]:
        if own.by_family:
            continue
        problem = Problem(device=device.profile, task=CIFAR, spaces=(code.space.name,))
        trials = Trials(space=code.space, mask=mask, device=device, objective=own.objective, problem=problem)
        (ExactSearch() if suits(code.space, CIFAR) else LibrarySearch()).propose(trials, 0)
        polish(trials, rounds=1, count=1)
        lost.append(float(own.objective.utility(trials.best())[0] - own.objective.utility(own.best)[0]))
    assert len(lost) >= 4
    assert np.mean(lost) < 0.02


def test_the_best_of_a_family_is_the_best_among_its_own() -> None:
    trials = trials_of(ask("jetson-nano", "vgg", latency_ms=30.0))
    proposed([trials])
    scores, objective = trials.scores, trials.objective
    for seed in range(4):
        best, other = best_of_families(objective, scores, np.random.default_rng(seed))
        assert objective.rank(best) == objective.rank(trials.best())
        own = scores.take(np.flatnonzero(scores.genotypes[:, 0] == other.genotypes[0, 0]))
        assert other.genotypes[0, 0] != best.genotypes[0, 0]
        assert objective.rank(objective.best(own)) == objective.rank(other)


def test_trials_judge_the_best_anew_when_asked_for_something_else() -> None:
    trials = trials_of(ask("jetson-nano", "vgg", latency_ms=30.0))
    proposed([trials])
    before = trials.best()
    trials.ask_for(trials.objective.only("model_kb"))
    after = trials.best()
    assert after.model_bytes[0] == trials.scores.model_bytes.min() < before.model_bytes[0]


def test_spaces_without_a_library_or_a_device_that_runs_them_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(NoUsableSpace, match="must run vgg"):
        labelled(code_of("vgg"), [], rng)
    monkeypatch.setattr("optimizer.labels.has_library", lambda space, task: False)
    with pytest.raises(NoLibrary, match="fit libraries"):
        labelled(code_of("vgg"), synthetic_profiles(1, 7), rng)


def test_limits_are_tightened_no_further_than_the_answer_reaches(known: tuple[GeneCode, Labels]) -> None:
    _, labels = known
    before = labels.asked.ask
    after = tightened(labels, np.random.default_rng(0)).ask
    moved = (before.limits - after.limits) * SIGNS
    assert (moved >= -1e-6).all()
    assert (moved <= labels.slack + 1e-5).all()
    assert (moved > 1e-4).any()
    assert torch.equal(before.weights, after.weights)


def test_measurements_that_are_invented_move_the_predictions() -> None:
    code = code_of("vgg")
    device = describe(synthetic_profiles(3, 7)[0])
    mask = mask_in(code.space, CIFAR, tuple(device.supported_bits))  # type: ignore[arg-type]  # by identity
    assert mask is not None
    rng = np.random.default_rng(0)
    adaptation = measured(code, device, mask, rng)
    assert 3 <= adaptation.count <= 12
    designs = code.space.rows(CIFAR, code.space.canonical(CIFAR, mask.sample(4, rng)))
    plain, told = predict(designs, device, CIFAR), predict(designs, device, CIFAR, adaptation=adaptation)
    assert not np.allclose(plain.latency_ms.median, told.latency_ms.median)
    assert (told.latency_ms.spread < plain.latency_ms.spread).all()


def test_a_network_learns_answers_by_heart(known: tuple[GeneCode, Labels]) -> None:
    code, labels = known
    rng = np.random.default_rng(1)
    whole = torch.nonzero(~labels.by_family).ravel()[:6]
    own = replace(labels, slack=torch.zeros(len(labels), FIGURES)).take(whole)
    generator = fitted(code, own, centre_of([code], rng), steps=150, rng=rng, progress=lambda text: None)
    asked = own.asked
    families = asked.allowed[:, : int(code.sizes[0])]
    scores = generator(asked.costs, asked.accuracy, asked.ask, asked.allowed, families)
    learned = (Places(code).by_gene(scores).argmax(dim=-1) == own.answers)[own.active]
    assert float(learned.float().mean()) > 0.95


def test_nearness_counts_only_what_keeps_its_limits() -> None:
    found = Nearness.of([(True, 0.1, 1.0), (True, 0.3, None), (False, 9.0, 9.0)])
    assert found.feasible == pytest.approx(2 / 3)
    assert found.behind == pytest.approx(0.2)
    assert found.points == 1.0
    assert Nearness.of([]) == Nearness(feasible=0.0, behind=None, points=None)


def test_shipped_networks_come_near_to_what_answers_by_default() -> None:
    code = code_of("resnet")
    rng, profiles = np.random.default_rng(3), synthetic_profiles(12, 4321)
    problems = [draw_request(code.space, CIFAR, profiles, rng) for _ in range(12)]
    weights = neural_weights(code.space, CIFAR)  # type: ignore[arg-type]  # by identity
    assert weights is not None
    found = check_network(NeuralSearch(weights), problems)
    assert found.requests >= 6
    assert found.answers.feasible >= 0.9
    assert found.polished.points is not None
    assert found.polished.points < 1.0
