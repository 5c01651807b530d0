from __future__ import annotations

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import catalogue, find_device
from predictors.descriptor import describe
from predictors.price_model import (
    BASE_MATRIX,
    BASES,
    FEATURES,
    GROUP_MATRIX,
    GROUPS,
    RUNTIMES,
    START,
    PriceModel,
    device_features,
    runtime_class,
)


def model(seed: int = 0) -> PriceModel:
    rng = np.random.default_rng(seed)
    return PriceModel(
        base=START + 0.1 * rng.normal(size=len(BASES)),
        offsets=0.1 * rng.normal(size=(len(RUNTIMES), len(GROUPS))),
        slopes=0.1 * rng.normal(size=(len(FEATURES), len(GROUPS))),
        mean=np.zeros(len(FEATURES)),
        deviation=np.ones(len(FEATURES)),
    )


@pytest.mark.parametrize(
    ("address", "runtime"),
    [
        ("raspberry-pi-4", "ncnn"),
        ("raspberry-pi-4@tflite", "phone"),
        ("pixel-2", "phone"),
        ("raspberry-pi-5@onnxruntime_one_core", "onnxruntime"),
        ("xeon-gold-6226", "framework_cpu"),
        ("titan-rtx@batch_32", "framework_gpu"),
        ("rtx-3090", "vulkan"),
        ("jetson-tx2", "compiled_gpu"),
        ("stm32l4r5", "mcu"),
        ("coral-edge-tpu", "accelerator"),
        ("zc706", "accelerator"),
        ("eyeriss", "analytic"),
        ("bitfusion", "analytic"),
    ],
)
def test_the_class_of_a_runtime_follows_from_its_name_and_the_kind(address: str, runtime: str) -> None:
    assert RUNTIMES[runtime_class(describe(find_device(address)))] == runtime


def test_every_device_of_the_catalogue_has_features_and_prices() -> None:
    own = model()
    for entry in catalogue().values():
        device = describe(entry.profile())
        assert np.isfinite(device_features(device)).all()
        prices = own.prices(device)
        assert (prices > 0).all()
        assert np.isfinite(prices).all()


@pytest.mark.parametrize("kind", list(DeviceKind))
def test_a_profile_of_nothing_but_its_kind_has_prices(kind: DeviceKind) -> None:
    device = describe(DeviceProfile(name="unknown", kind=kind))
    assert np.isfinite(model().prices(device)).all()


def test_every_term_has_a_base_and_a_group() -> None:
    assert (BASE_MATRIX.sum(axis=1) >= 1).all()
    assert (GROUP_MATRIX.sum(axis=1) >= 1).all()
    assert (BASE_MATRIX.sum(axis=0) >= 1).all()


def test_arrays_bring_the_model_back() -> None:
    own, device = model(), describe(find_device("raspberry-pi-4"))
    np.testing.assert_array_equal(PriceModel.of(own.arrays()).prices(device), own.prices(device))
