"""Libraries: what was found on proxies serves devices never seen, and can be made again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from design.constraints import Preferences
from design.device import DeviceProfile
from design.devices.catalogue import find_device
from design.errors import BespokeError
from design.spaces.registry import SPACES
from design.task import TASKS, Task, find_task
from optimizer import fit_library as fitting
from optimizer import library as module
from optimizer.fit_library import farthest_first, fit_library, own_costs, proxies
from optimizer.genetic import GeneticSearch
from optimizer.library import adapted_to_each, library, library_file, offered
from optimizer.library_search import OFFERED, WORTH, LibrarySearch
from optimizer.proposals import FURTHER, proposed
from optimizer.repair import mask_in, open_mask
from optimizer.search import RandomSearch
from optimizer.synthetic_profiles import HELD_OUT
from predictors.descriptor import describe
from predictors.storage import InvalidWeights
from tests.optimizer.asking import ask, trials_of

REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("raspberry-pi-4", "resnet", {"latency_ms": 30.0}),
    ("jetson-nano", "vgg", {"latency_ms": 30.0, "model_kb": 900.0}),
    ("stm32f746", "vgg", {"model_kb": 200.0, "peak_memory_kb": 250.0}),
    ("pixel-2", "mobilenet", {"latency_ms": 20.0, "energy_mj": 60.0}),
)
CIFAR = find_task("cifar10")


def known(space: str, task: Task = CIFAR) -> np.ndarray[Any, np.dtype[np.int64]]:
    found = library(SPACES[space], task)  # type: ignore[arg-type]  # by identity
    assert found is not None
    return found


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("task", TASKS)
def test_every_built_in_task_has_one_of_distinct_canonical_designs(space: str, task: str) -> None:
    try:
        genes = SPACES[space].genes(TASKS[task])
    except BespokeError:
        return  # the pictures are too small for this space
    found = known(space, TASKS[task])
    assert found.shape[1] == len(genes)
    assert 100 <= len(found) == len(np.unique(found, axis=0))
    assert np.array_equal(SPACES[space].canonical(TASKS[task], found), found)


@pytest.mark.parametrize("space", SPACES)
def test_the_first_hundred_span_what_all_do(space: str) -> None:
    costs = own_costs(SPACES[space], known(space), [CIFAR])
    reach = np.ptp(costs, axis=0)
    assert (np.ptp(costs[:100], axis=0) >= 0.5 * reach).all()


def test_designs_are_adapted_to_the_precisions_of_a_device() -> None:
    space, bits = SPACES["resnet"], ((16, 16), (4, 4))
    found = offered(space, CIFAR, bits, 200)  # type: ignore[arg-type]
    assert found.genotypes is not None
    assert 50 < len(found) == len(np.unique(found.genotypes, axis=0))
    for values in found.genotypes[::23]:
        own = space.decode(CIFAR, values).policy.layers.values()
        assert {(one.weight_bits, one.activation_bits) for one in own} <= set(bits)


@pytest.mark.parametrize("name", ["mobilenet", "nasbench201"])
def test_adapted_to_several_sets_of_precisions_they_are_those_adapted_to_each(name: str) -> None:
    space, several = SPACES[name], [((32, 32), (8, 8), (1, 1)), ((8, 8),), ((16, 16), (4, 4))]
    distinct, numbers = adapted_to_each(space, CIFAR, several, 50)  # type: ignore[arg-type]
    assert len(distinct) == len(np.unique(distinct, axis=0))
    for bits, own in zip(several, numbers, strict=True):
        mask = mask_in(space, CIFAR, bits)  # type: ignore[arg-type]
        assert mask is not None
        every = space.canonical(CIFAR, mask.apply(known(name)[:50]))
        assert list(map(tuple, distinct[own].tolist())) == list(dict.fromkeys(map(tuple, every.tolist())))


@pytest.mark.parametrize(("device", "space", "limits"), REQUESTS)
def test_keeps_every_limit_and_beats_random_search_of_its_budget(
    device: str, space: str, limits: dict[str, Any]
) -> None:
    trials = trials_of(ask(device, space, **limits))
    assert proposed([trials])
    assert trials.approach == LibrarySearch.approach
    assert trials.objective.feasible(trials.best())
    assert trials.evaluations < OFFERED + 700 * (1 + FURTHER)
    others = trials_of(ask(device, space, **limits))
    RandomSearch(trials.evaluations).propose(others, 0)
    assert trials.objective.rank(trials.best()) < others.objective.rank(others.best())


def test_the_best_space_is_improved_as_long_as_that_brings_much() -> None:
    problem = replace(
        ask("titan-rtx", "resnet", task="cifar100", training_memory_kb=143_861), preferences=Preferences(accuracy=1)
    )
    once, own, found = trials_of(problem), trials_of(problem), LibrarySearch()
    found.propose(once, 0)
    before = once.objective.rank(once.best())
    assert found.improve(once), "the case is one in which a round brings much"
    after = once.objective.rank(once.best())
    assert before[1] - after[1] >= WORTH
    proposed([own])
    assert own.objective.rank(own.best()) < after
    assert own.evaluations > once.evaluations


def test_nothing_is_lost_against_a_genetic_search_of_more_predictions() -> None:
    lost = []
    for device, space, limits in REQUESTS:
        trials = trials_of(ask(device, space, **limits))
        proposed([trials])
        others = trials_of(ask(device, space, **limits))
        GeneticSearch(48, 20).propose(others, 0)
        lost.append(others.objective.rank(others.best())[1] - trials.objective.rank(trials.best())[1])
    assert np.mean(lost) > 0


def test_no_proxy_is_of_a_family_kept_for_tests() -> None:
    names = {profile.name for profile in proxies()}
    assert not names & {find_device(name).name for name in HELD_OUT}
    assert len({tuple(describe(profile).supported_bits) for profile in proxies()}) > 5


def test_each_is_the_farthest_from_those_before_it() -> None:
    points = np.array([[0.0, 0], [1, 0], [0, 1], [0.1, 0.1], [1, 1]])
    assert farthest_first(points, 9, np.ones(2)).tolist() == [0, 4, 1, 2, 3]
    assert farthest_first(points, 2, np.ones(2)).tolist() == [0, 4]
    assert farthest_first(points, 3, np.array([1.0, 0.0])).tolist() == [0, 1, 3], "the second column counts for nothing"


def test_made_again_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "LEVELS", np.array([0.2, 0.6]))
    monkeypatch.setattr(fitting, "proxies", lambda: [find_device("raspberry-pi-4"), find_device("stm32h743")])
    told: list[str] = []
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        fit_library(SPACES["vgg"], ("digits",), tmp_path / name, told.append)
        files.append(library_file(SPACES["vgg"], find_task("digits"), tmp_path / name))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "2 proxy devices under" in files[0].with_suffix(".md").read_text("utf-8")
    assert told


def test_one_of_other_genes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "wrong.safetensors"
    module.save_library(np.full((3, 7), 200), wrong, {})
    monkeypatch.setattr(module, "library_file", lambda space, task: wrong)
    library.cache_clear()
    try:
        with pytest.raises(InvalidWeights, match="genes"):
            library(SPACES["vgg"], CIFAR)  # type: ignore[arg-type]
    finally:
        library.cache_clear()


def test_without_one_networks_propose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.proposals.has_library", lambda space, task: False)
    trials = trials_of(ask("raspberry-pi-4", "vgg", latency_ms=30))
    assert proposed([trials])
    assert trials.approach == "amortised network"


def test_a_device_of_one_precision_is_served() -> None:
    profile = DeviceProfile.model_validate(find_device("raspberry-pi-4").model_dump() | {"supported_bits": [[8, 8]]})
    own = offered(SPACES["vgg"], CIFAR, tuple(describe(profile).supported_bits), OFFERED)  # type: ignore[arg-type]
    assert len(own) > 20
    assert open_mask(SPACES["vgg"].genes(CIFAR)).size > len(own)
