from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from design.device import DeviceKind, DeviceProfile, PerArithmetic
from predictors.cell_features import CONV_1X1, CONV_3X3, NONE, POOL, cell_features
from predictors.descriptor import describe
from predictors.known_weights import shipped
from predictors.tables import profile_of_row, reference_features
from predictors.zero_shot import zero_shot
from tests.predictors.small_tables import small_space, small_table

ARRAY = DeviceProfile(
    name="array",
    kind=DeviceKind.ASIC,
    peak_gmacs=PerArithmetic(int8=30.0, fp16=30.0),
    memory_bandwidth_gbps=4.0,
    supported_bits=((16, 16), (8, 8)),
)


@pytest.mark.parametrize("row", ["raspi4", "1080ti_1", "gold_6240"])
def test_devices_never_measured_are_ranked(row: str) -> None:
    table, profile = small_table(), profile_of_row("fbnet", row)
    assert profile is not None
    found = zero_shot(small_space(row), table.features, describe(profile))
    assert float(spearmanr(found.median, table.row(row)).statistic) > 0.75


def test_a_figure_does_not_depend_on_the_other_networks_asked_for() -> None:
    known, features = small_space(), small_table().features
    device = describe(DeviceProfile(name="d", kind=DeviceKind.CPU))
    together = zero_shot(known, features, device)
    alone = zero_shot(known, features.take(np.array([5])), device)
    assert alone.median[0] == pytest.approx(together.median[5], rel=1e-9)
    assert np.all(together.median > 0)


def test_more_is_slower_and_faster_devices_are_faster() -> None:
    cells = cell_features(np.array([[CONV_1X1] * 6, [CONV_3X3] * 6]))
    slow, fast = (
        DeviceProfile(name="d", kind=DeviceKind.CPU, runtime="tflite", peak_gmacs=PerArithmetic(fp32=peak))
        for peak in (5.0, 50.0)
    )
    of_slow, of_fast = (zero_shot(shipped("nb201"), cells, describe(one)).median for one in (slow, fast))
    assert of_slow[0] < of_slow[1]
    assert np.all(of_fast < of_slow)


def test_pools_on_the_mac_array_cost_what_convolutions_cost() -> None:
    one, other = [CONV_3X3, NONE, NONE, NONE, NONE, NONE], [POOL, NONE, NONE, NONE, NONE, NONE]
    cells = cell_features(np.array([one, other]))
    plain = zero_shot(shipped("nb201"), cells, describe(ARRAY)).median
    stated = ARRAY.model_copy(update={"pooling_on_mac_array": True})
    charged = zero_shot(shipped("nb201"), cells, describe(stated)).median
    assert plain[1] < 0.9 * plain[0]
    assert charged[1] == pytest.approx(charged[0], rel=0.1)


def test_the_field_changes_nothing_in_a_space_without_pools() -> None:
    features = reference_features("fbnet").take(np.arange(20))
    stated = ARRAY.model_copy(update={"pooling_on_mac_array": True})
    one, other = (zero_shot(shipped("fbnet"), features, describe(profile)) for profile in (ARRAY, stated))
    assert np.allclose(one.median, other.median)


def test_thin_descriptors_and_strange_kinds_are_less_certain() -> None:
    known, features = shipped("nb201"), reference_features("nb201").take(np.arange(3))
    full = profile_of_row("nb201", "raspi4")
    assert full is not None
    thin = DeviceProfile(name="thin", kind=DeviceKind.CPU)
    spreads = [zero_shot(known, features, describe(one)).spread[0] for one in (full, thin)]
    assert spreads[0] < spreads[1]
    strange = DeviceProfile(name="m", kind=DeviceKind.MCU)
    assert zero_shot(known, features, describe(strange)).spread[0] > spreads[0]


def test_levels_learn_from_known_devices_of_the_same_kind() -> None:
    known, features = shipped("nb201"), reference_features("nb201")
    profile = profile_of_row("nb201", "raspi4")
    assert profile is not None
    found = zero_shot(known, features, describe(profile))
    truth = next(source.level_ms for source in known.sources if source.name == "raspi4")
    low, high = found.interval()
    assert low.mean() < truth < high.mean()
