"""Physics: latency of a known space's networks from a device's descriptor alone.

    compute = batch x (multiply-adds + pool operations) / (peak x efficiency)
    moving  = batch x 4 bytes x (passes over tensors) / (bandwidth x share reached)
    launch  = overhead x kernels
    latency = max(compute + moving, launch) on GPUs, whose host runs ahead; the sum elsewhere

The roofline for spaces of which only totals are known (`amounts.Amount`); its constants are the roofline's. Depthwise
convolutions count like dense ones beside what they move: with the roofline's penalty left-out known devices of the
FBNet table are ranked worse (.746 against .762). The larger of compute and moving in the place of their sum, which is
right layer by layer, hides pools behind convolutions in totals and ranks left-out devices alike (within .006).
"""

from __future__ import annotations

import numpy as np

from design.device import DeviceKind
from design.encoding import FloatArray
from predictors.amounts import Amount
from predictors.descriptor import Descriptor
from predictors.roofline import OPTIONS
from predictors.traffic import off_chip_share

EAGER_KERNELS = 3
"""Convolution, batch norm and activation, each a kernel that reads and writes its tensor, where nothing is fused."""


def running_bits(device: Descriptor) -> int:
    """Bits that a network of floats runs at: accelerators that state narrower arithmetic run it at their widest."""
    stated = device.profile.supported_bits
    return device.float_bits if stated is None else min(device.float_bits, max(min(pair) for pair in stated))


def physical_ms(amounts: FloatArray, device: Descriptor) -> FloatArray:
    """Milliseconds per call of N networks at full precision (or the widest that the device runs), N.

    Args:
        amounts: N x Amount.
        device: Described.
    """
    options, batch = OPTIONS[device.profile.kind], device.batch_size
    bits = running_bits(device)
    rate = device.macs_per_second[bits] * options.efficiency
    convs, others = amounts[:, Amount.CONV_LAYERS], amounts[:, Amount.OTHER_LAYERS]
    layers = np.maximum(convs + others, 1)
    elements = amounts[:, Amount.CONV_ELEMENTS] + amounts[:, Amount.OTHER_ELEMENTS]
    idle = 1 + 2 * options.lanes * layers / np.maximum(batch * elements, 1)  # an output is half of what a layer moves
    macs = amounts[:, Amount.DENSE_MACS] + amounts[:, Amount.GROUPED_MACS] + amounts[:, Amount.DEPTHWISE_MACS]
    pools = amounts[:, Amount.POOL_OPERATIONS]
    if device.pooling_on_mac_array:
        macs, pools = macs + amounts[:, Amount.POOL_MACS], np.zeros(len(amounts))
    kernels = EAGER_KERNELS if device.eager else 1
    bytes_each = bits / 8
    share = off_chip_share(batch * bytes_each * elements / layers, device)
    passed = kernels * amounts[:, Amount.CONV_ELEMENTS] + amounts[:, Amount.OTHER_ELEMENTS]
    slowness = share / device.memory_bytes_per_second + (1 - share) / device.cache_bytes_per_second
    busy = batch * (macs * idle + pools) / rate + batch * bytes_each * passed * slowness / options.bandwidth
    launch = (kernels * convs + others) * device.launch_overhead_s
    total = np.maximum(busy, launch) if device.profile.kind is DeviceKind.GPU else busy + launch
    return np.asarray(1e3 * total)
