"""Devices to measure an optimizer on: those kept for tests, and others it has not seen."""

from __future__ import annotations

from design.device import DeviceProfile
from design.devices.catalogue import catalogue, find_device
from optimizer.synthetic_profiles import HELD_OUT, synthetic_profiles

SYNTHETIC = 40


def held_out_profiles() -> list[DeviceProfile]:
    """Devices of the catalogue whose families were kept for tests, in every setting."""
    families = {catalogue()[name].family for name in HELD_OUT}
    return [
        find_device(f"{device.id}@{setting}")
        for device in catalogue().values()
        if device.family in families
        for setting in device.settings
    ]


def unseen_profiles(seed: int) -> list[DeviceProfile]:
    """Those kept for tests, and synthetic ones of a seed of their own: devices of the catalogue with other figures."""
    return held_out_profiles() + synthetic_profiles(SYNTHETIC, 1000 + seed)
