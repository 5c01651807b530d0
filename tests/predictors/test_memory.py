from __future__ import annotations

import pytest

from design.counts import count
from design.design import Design
from design.devices.catalogue import find_device
from design.encoding import encode_designs
from design.policies import policy_by_role
from design.precision import precision
from design.task import find_task
from design.zoo import find_network
from predictors.descriptor import describe
from predictors.memory import peak_memory_bytes


def test_memory_is_activations_of_the_batch_and_weights() -> None:
    design = find_network("resnet20").design(find_task("cifar10"))
    counts, designs = count(design), encode_designs([design])
    one, many = (
        float(peak_memory_bytes(designs, describe(find_device(address)))[0])
        for address in ("titan-rtx", "titan-rtx@batch_32")
    )
    assert one == counts.peak_activation_bytes + counts.model_bytes
    assert many - one == 31 * counts.peak_activation_bytes


@pytest.mark.parametrize("address", ["stm32l4r5", "esp32-s3"])
def test_microcontrollers_read_weights_from_flash(address: str) -> None:
    design = find_network("resnet20").design(find_task("cifar10"))
    found = peak_memory_bytes(encode_designs([design]), describe(find_device(address)))
    assert found[0] == count(design).peak_activation_bytes


@pytest.mark.parametrize(("name", "published"), [("mobilenet_v1", 1_204_224), ("mobilenet_v2", 1_505_280)])
def test_activations_of_8_bit_mobilenets_are_those_that_others_count(name: str, published: int) -> None:
    """Memory of the quantized ImageNet networks as github.com/petewarden/ml_memory_analyser prints it."""
    net = find_network(name).design(find_task("imagenet")).architecture
    eight = policy_by_role(net, body=precision(8), edge=precision(8), residual_bits=8)
    designs = encode_designs([Design(architecture=net, policy=eight)])
    assert designs.peak_activation_bytes[0] == published
