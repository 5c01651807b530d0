"""Which way to train under a limit."""

from __future__ import annotations

import pytest

from design.design import Design
from design.encoding import encode_designs
from design.policies import full_precision
from design.training_memory import LOW_MEMORY, training_bytes
from networks.training.errors import InvalidOptions
from networks.training.low_memory.choose import choose_training
from networks.training.low_memory.network import LowMemoryNetwork
from networks.training.options import FitOptions
from tests.networks.training.low_memory.small import small_design, small_network

OPTIONS = FitOptions(batch_size=64, optim="adamw")


def test_standard_training_where_it_fits() -> None:
    for limit in (None, 1e9):
        found = choose_training(small_design(), OPTIONS, limit)
        assert not found.low_memory
        assert found.batch_size == 64
        network = small_network()
        assert found.prepared(network) is network


def test_low_memory_under_a_limit() -> None:
    standard = choose_training(small_design(), OPTIONS, None).memory_bytes
    found = choose_training(small_design(), OPTIONS, standard - 1)
    assert found.low_memory
    assert found.batch_size == 64
    assert found.memory_bytes < standard
    assert isinstance(found.prepared(small_network()), LowMemoryNetwork)


def test_a_smaller_batch_where_even_that_does_not_fit() -> None:
    encoded = encode_designs([small_design()])
    limit = training_bytes(encoded, batch_size=20, method=LOW_MEMORY)[0]
    found = choose_training(small_design(), OPTIONS, limit)
    assert (found.low_memory, found.batch_size) == (True, 20)
    assert found.memory_bytes <= limit
    assert "20 pictures instead of 64" in found.reason


def test_without_binary_layers_only_the_batch_can_shrink() -> None:
    architecture = small_design().architecture
    design = Design(architecture=architecture, policy=full_precision(architecture))
    standard = choose_training(design, OPTIONS, None).memory_bytes
    found = choose_training(design, OPTIONS, standard / 1.5)
    assert not found.low_memory
    assert found.batch_size < 64


def test_too_little_for_one_picture() -> None:
    with pytest.raises(InvalidOptions, match="training memory must be at least"):
        choose_training(small_design(), OPTIONS, 1000)
