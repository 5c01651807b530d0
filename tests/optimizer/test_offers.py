"""Offers made together are those of each set of precisions alone, and few are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from design.devices.catalogue import find_device
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer import offers as module
from optimizer.library import offered
from optimizer.offers import Key, Shelf, genotypes_of, made
from predictors.descriptor import describe
from predictors.predict import predict

TASK = find_task("cifar10")
DEVICE = describe(find_device("raspberry-pi-4"))
SMALL = (SPACES["vgg"], SPACES["nasbench201"])
KEYS: list[Key] = [
    (SMALL, ((32, 32), (8, 8), (1, 1))),
    (SMALL, ((8, 8),)),
    (SMALL[:1], ((16, 16), (4, 4))),
]


def test_made_together_they_are_those_made_alone() -> None:
    together = made(KEYS, TASK, 60)
    assert list(together) == KEYS
    for (spaces, bits), offers in together.items():
        assert [space for space, _ in offers.parts] == list(spaces)
        own = predict(offers.designs, DEVICE, TASK)
        first = 0
        for space, part in offers.parts:
            alone = offered(space, TASK, bits, 60)  # type: ignore[arg-type]  # by identity
            assert np.array_equal(part.genotypes, alone.genotypes)  # type: ignore[arg-type]
            found, again = own.take(np.arange(first, first + len(part))), predict(alone, DEVICE, TASK)
            for name in ("latency_ms", "energy_mj", "accuracy"):
                assert getattr(found, name).median == pytest.approx(getattr(again, name).median, rel=1e-6)
            for name in ("model_bytes", "peak_memory_bytes", "training_memory_bytes"):
                assert getattr(found, name) == pytest.approx(getattr(again, name))
            first += len(part)
        assert first == len(offers.designs) == len(offers.names)
        for index in (0, first - 1):
            space, design = offers.of(index)
            assert offers.names[index] == (space.name, genotypes_of(design).astype(np.uint8).tobytes())
        with pytest.raises(IndexError):
            offers.of(first)


def test_few_are_kept_and_those_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(keys: list[Key], *rest: Any) -> Any:
        calls.append(len(keys))
        return made(keys, *rest)

    monkeypatch.setattr(module, "made", counted)
    shelf = Shelf(most=2)
    first = shelf.of(KEYS[:2], TASK, 20)
    again = shelf.of([KEYS[2], KEYS[1], KEYS[1]], TASK, 20)
    assert list(again) == [KEYS[2], KEYS[1]], "as asked for, whatever was kept"
    assert again[KEYS[1]] is first[KEYS[1]]
    shelf.of(KEYS[1:], TASK, 20)
    shelf.of(KEYS[:1], TASK, 20)
    shelf.of(KEYS[:1], TASK, 30)
    assert calls == [2, 1, 0, 1, 1]
