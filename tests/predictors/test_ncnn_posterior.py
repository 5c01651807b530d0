from __future__ import annotations

import numpy as np
import pytest

from design.devices.catalogue import find_device
from design.encoding import encode_designs
from design.task import find_task
from design.zoo import find_network
from predictors.adapt import adapt
from predictors.descriptor import describe
from predictors.ncnn_likeness import ncnn_latency
from predictors.ncnn_posterior import ncnn_posterior
from predictors.predict import predict
from tests.predictors.measured_cells import cells, timed

PI = describe(find_device("raspberry-pi-4"))
IMAGENET = find_task("imagenet")
REAL = encode_designs(
    [find_network(name).design(IMAGENET) for name in ("resnet18", "resnet34", "mobilenet_v2", "vgg16")]
)


def test_real_networks_teach_about_real_networks() -> None:
    truth = 2.0 * predict(REAL, PI, IMAGENET).latency_ms.median
    found = adapt(PI, timed(REAL.take(np.array([0, 2])), truth[[0, 2]]))
    assert [own.name for own in found.posteriors] == ["learned-latency-adapted"]
    after = predict(REAL, PI, IMAGENET, adaptation=found).latency_ms.median
    np.testing.assert_allclose(after, truth, rtol=0.35)
    assert found.latency_after is not None


def test_leaving_one_out_in_closed_form_equals_adapting_to_the_others() -> None:
    truth = predict(REAL, PI, IMAGENET).latency_ms.median * np.array([1.7, 1.8, 1.65, 1.75])
    found = ncnn_posterior(PI, timed(REAL, truth))
    assert found is not None
    rest = np.array([1, 2, 3])
    others = ncnn_latency().adapt(REAL.take(rest), truth[rest], PI)
    alone = others.predict(REAL.take(np.array([0])), PI, None).median[0]
    assert found.left_out_ms[0] == pytest.approx(alone, rel=0.05)


def test_other_runtimes_and_other_networks_are_left_to_the_general_form() -> None:
    small = cells(3)
    assert ncnn_posterior(describe(find_device("pixel-2")), timed(REAL, np.ones(4))) is None
    assert ncnn_posterior(PI, timed(small, np.ones(3))) is None
