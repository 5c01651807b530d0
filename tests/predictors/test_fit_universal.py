from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from predictors.fit_deviations import adapted, left_out
from predictors.fit_price_model import PriceOptions, family_folds, fit_price_model, predicted_log_seconds, timings
from predictors.fit_universal import fit_universal
from predictors.storage import InvalidWeights, Weights, save_weights
from predictors.universal_weights import FORM, KIND, UniversalWeights, load_universal_weights
from tests.predictors.timed_devices import timed_devices


@cache
def weights() -> UniversalWeights:
    return fit_universal(timings(timed_devices()))


def test_prices_fitted_to_times_from_known_prices_predict_them() -> None:
    data = timings(timed_devices(noise=0.0, level=0.0))
    found = predicted_log_seconds(fit_price_model(data, PriceOptions()), data)
    assert np.median(np.abs(found - data.log_seconds)) < 0.05


def test_part_of_the_timings_equals_timings_of_a_part() -> None:
    devices = timed_devices(10)
    part = timings(devices).take(np.array([1, 4]))
    own = timings([devices[1], devices[4]])
    np.testing.assert_array_equal(part.terms, own.terms)
    np.testing.assert_array_equal(part.weight, own.weight)
    assert part.device.tolist() == own.device.tolist()


def test_a_chip_family_stays_in_one_fold() -> None:
    devices = timed_devices(3) + timed_devices(3)
    fold = family_folds(devices, 4, seed=0)
    assert (fold[:10] == fold[10:]).all()
    assert set(fold.tolist()) == {0, 1, 2, 3}


def test_two_fits_are_equal() -> None:
    again = fit_universal(timings(timed_devices()))
    np.testing.assert_array_equal(again.prices.base, weights().prices.base)
    np.testing.assert_array_equal(again.variances, weights().variances)


def test_measurements_narrow_the_error_on_a_device_left_out() -> None:
    devices = timed_devices()
    found = fit_universal(timings(devices[1:]))
    own = left_out(devices[0], found.prices, found.shares)
    errors = []
    for count in (0, 10):
        mean, _, rest = adapted(own, found.variances, found.scatter, count, draw=0)
        errors.append(float(np.median(np.abs(own.deviation[rest] - mean))))
    assert errors[1] < 0.06
    assert errors[1] <= errors[0]
    assert found.widening(0, 0) > 0


def test_weights_are_stored_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    weights().save(path, {"seed": "0"})
    found = load_universal_weights(path)
    np.testing.assert_array_equal(found.prices.offsets, weights().prices.offsets)
    np.testing.assert_array_equal(found.variances, weights().variances)
    np.testing.assert_array_equal(found.shares, weights().shares)
    assert [found.widening(count, 1) for count in (0, 5, 50)] == [weights().widening(count, 1) for count in (0, 5, 50)]


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(Weights(kind=KIND, version=FORM, tensors={}), path)
    with pytest.raises(InvalidWeights, match="must hold a finite"):
        load_universal_weights(path)
