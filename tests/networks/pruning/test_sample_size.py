"""Pictures that the published formula asks for, and the delta that a number of pictures stands for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pruning_grouped import chain
from design.architecture import INPUT, Architecture
from design.layers import fully_connected
from networks.pruning.families import families
from networks.pruning.sample_size import SampleOptions, delta_of, pictures_for

FOUND = families(chain())
EVENTS = 8 * 24 * (12 + 12 + 18 + 24)
"""Channels that the second, third, fourth layer and the classifier read."""


def test_the_published_number() -> None:
    assert pictures_for(FOUND) == math.ceil(3 * math.log(EVENTS / 1e-16)) == 139
    assert pictures_for(FOUND, 0.1) == math.ceil(3 * math.log(EVENTS / 0.1))
    assert pictures_for(FOUND, 0.1, SampleOptions(constant=6.0)) == math.ceil(6 * math.log(EVENTS / 0.1))


def test_what_the_pictures_of_a_job_stand_for() -> None:
    assert delta_of(FOUND, 256) == pytest.approx(EVENTS * math.exp(-256 / 3))
    assert delta_of(FOUND, 256, SampleOptions(constant=20.0)) == pytest.approx(EVENTS * math.exp(-256 / 20))
    assert delta_of(FOUND, 1) == 1


@given(delta=st.floats(1e-20, 0.9), constant=st.floats(0.5, 50))
def test_one_is_the_reverse_of_the_other(delta: float, constant: float) -> None:
    options = SampleOptions(constant=constant)
    number = pictures_for(FOUND, delta, options)
    assert delta_of(FOUND, number, options) <= delta * (1 + 1e-6)
    assert delta_of(FOUND, number - 1, options) > delta * (1 - 1e-6)


def test_it_holds_for_shares_that_keep_the_assumption() -> None:
    """Shares that reach M / K with just the chance assumed, independent for all channels: failures are no more."""
    options, delta = SampleOptions(constant=2.0), 0.2
    random, channels = np.random.default_rng(0), EVENTS // 192
    number = pictures_for(FOUND, delta, options)
    reached = random.uniform(size=(400, number, channels)) > math.exp(-1 / options.constant)
    failures = 1 - float(np.mean(np.all(np.any(reached, axis=1), axis=1)))
    assert failures <= delta
    few = reached[:, : round(options.constant * math.log(channels))]
    assert 1 - float(np.mean(np.all(np.any(few, axis=1), axis=1))) > delta, "a few pictures would not do"


def test_nothing_to_remove_needs_no_more_than_a_picture() -> None:
    only = Architecture(name="own", input_shape=(4, 1, 1), layers=(fully_connected("fc", INPUT, 4, 2),))
    assert pictures_for(families(only), 0.99) == 1
