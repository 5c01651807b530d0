from __future__ import annotations

import numpy as np
import pytest

from design.devices.catalogue import find_device
from predictors.adapt import adapt
from predictors.descriptor import describe
from predictors.measurement import Measurements
from service.measurements import adaptations, repository
from service.measurements.adaptations import Adaptations, Adapted, adapted
from service.measurements.operations import networks_of
from service.measurements.schemas import MeasurementInput
from service.measurements.sources import encoded
from service.models import MeasurementRow
from tests.service.measurements.measuring import DEVICE, rows

PROFILE = find_device(DEVICE)


def stored(count: int, seed: int = 0, **more: float) -> list[MeasurementRow]:
    inputs = [MeasurementInput.model_validate(row) for row in rows(count, seed=seed, **more)]  # type: ignore[arg-type]
    return repository.new_rows("dev_x", inputs, networks_of(None, inputs))


def test_an_adaptation_is_that_of_the_library() -> None:
    made = stored(8)
    found = adapted(PROFILE, made, "horowitz")
    ordered = sorted(made, key=lambda row: row.key)
    designs, places = encoded([row.source for row in ordered])
    assert places == list(range(8))
    latency = np.array([row.latency_ms for row in ordered], dtype=np.float64)
    own = adapt(describe(PROFILE), Measurements(designs=designs, latency_ms=latency, energy_mj=np.full(8, np.nan)))
    assert found.adaptation.latency_after == own.latency_after
    assert found.latency_ms == {row.key: row.latency_ms for row in made}


def test_content_alone_names_a_state() -> None:
    made = stored(6)
    one, other = adapted(PROFILE, made, "horowitz"), adapted(PROFILE, made[::-1], "horowitz")
    assert one.digest == other.digest
    assert one.adaptation.latency_after == other.adaptation.latency_after
    made[0].latency_ms = 99.0
    assert adapted(PROFILE, made, "horowitz").digest != one.digest


def test_what_can_no_longer_be_built_is_set_aside() -> None:
    made = stored(5)
    made[1].source = {"genotype": {"space": "nasbench201", "task": "cifar10", "values": [0, 1]}}
    made[2].source = {"genotype": {"space": "gone", "task": "cifar10", "values": [0, 1]}}
    made[3].source = {"network": "gone", "task": "cifar10"}
    found = adapted(PROFILE, made, "horowitz")
    uses = [found.verdicts[row.id][0].use for row in made]
    assert uses[1:4] == ["set aside"] * 3
    assert "set aside" not in (uses[0], uses[4])
    assert found.adaptation.count == 2


def test_what_no_device_shows_is_set_aside() -> None:
    made = stored(6)
    made[1].latency_ms, made[2].latency_ms = 1e-200, 0.0
    found = adapted(PROFILE, made, "horowitz")
    told = [found.verdicts[row.id][0] for row in made[1:3]]
    assert [one.use for one in told] == ["set aside"] * 2
    assert "no device" in told[0].reason
    assert "failed silently" in told[1].reason
    assert found.adaptation.count == 4


def test_networks_of_many_kinds_are_encoded_together() -> None:
    inputs = [MeasurementInput.model_validate(row) for row in (*rows(3), *rows(3, space="resnet"))]
    inputs += [MeasurementInput(network=name, latency_ms=1.0) for name in ("mobilenet_v1", "resnet20", "mobilenet_v1")]
    networks = networks_of(None, inputs)
    designs, places = encoded([one.source for one in networks])
    assert places == list(range(9))
    for place, one in enumerate(networks):
        alone, _ = encoded([one.source])
        assert designs.total(designs.rows.sum(axis=1))[place] == pytest.approx(alone.total(alone.rows.sum(axis=1))[0])
    assert networks[6].key == networks[8].key


def test_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Adapted] = [adapted(PROFILE, stored(4, seed=seed), "horowitz") for seed in range(4)]
    for most, rows_kept, expected in ((2, 100, 2), (10, 9, 2), (10, 1, 1), (10, 100, 4)):
        monkeypatch.setattr(adaptations, "MOST_KEPT", most)
        monkeypatch.setattr(adaptations, "MOST_ROWS_KEPT", rows_kept)
        cache = Adaptations()
        for one in kept:
            cache.keep("dev_x", one)
        assert len(cache) == expected
