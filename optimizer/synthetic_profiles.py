"""Device profiles to train on: the catalogue, jittered and thinned out, without the devices kept for tests."""

from __future__ import annotations

import numpy as np

from design.device import DeviceProfile
from design.devices.catalogue import CatalogueDevice, catalogue
from design.errors import BespokeError
from design.precision import BITS, Bits

HELD_OUT = frozenset({"titan-rtx", "xeon-gold-6226", "zc706", "pixel-2", "raspberry-pi-4", "eyeriss"})
"""Chips of the unseen devices of HELP's protocol (arXiv 2106.08630); whole families of them are left out."""
JITTER = 0.4
"""Standard deviation of the logarithm of each figure."""
MISSING = 0.15
"""Chance that an optional figure is not stated."""
OTHER_BITS = 0.3
"""Chance that a profile states which bits it runs, drawn at random."""
_FIGURES = (
    "clock_ghz",
    "memory_bandwidth_gbps",
    "last_level_cache_kb",
    "fp32_macs_per_cycle",
    "launch_overhead_us",
    "process_nm",
    "tdp_w",
    "idle_w",
    "ram_kb",
    "flash_kb",
)
_BATCHES = (1, 1, 1, 4, 32, 256)


def training_devices() -> list[CatalogueDevice]:
    """The catalogue without the held-out devices and their families."""
    families = {catalogue()[name].family for name in HELD_OUT if name in catalogue()}
    return [device for device in catalogue().values() if device.family not in families]


def synthetic_profiles(count: int, seed: int) -> list[DeviceProfile]:
    """Profiles drawn at random; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    devices = training_devices()
    found: list[DeviceProfile] = []
    while len(found) < count:
        device = devices[int(rng.integers(len(devices)))]
        setting = sorted(device.settings)[int(rng.integers(len(device.settings)))]
        try:
            found.append(_jittered(device.profile(setting), rng))
        except (BespokeError, ValueError):
            continue  # figures that contradict each other: draw again
    return found


def _jittered(profile: DeviceProfile, rng: np.random.Generator) -> DeviceProfile:
    fields = profile.model_dump()
    for name in _FIGURES:
        value, factor, missing = fields.get(name), float(np.exp(JITTER * rng.standard_normal())), rng.random()
        if value is not None:
            fields[name] = None if missing < MISSING else value * factor
    for name, value in fields["peak_gmacs"].items():
        factor = float(np.exp(JITTER * rng.standard_normal()))
        fields["peak_gmacs"][name] = None if value is None else value * factor
    if rng.random() < OTHER_BITS:
        fields["supported_bits"] = _bits(rng)
    if rng.random() < MISSING:
        fields["batch_size"] = _BATCHES[int(rng.integers(len(_BATCHES)))]
    return DeviceProfile.model_validate(fields)


def _bits(rng: np.random.Generator) -> tuple[tuple[Bits, Bits], ...]:
    """Pairs of a random set of widths, always with one of 8 bits or more; sometimes weights narrower than inputs."""
    widths = [bits for bits in BITS if rng.random() < 0.5]
    if not any(bits >= 8 for bits in widths):
        widths.append(8)
    pairs = {(bits, bits) for bits in widths}
    if rng.random() < 0.5:
        pairs |= {(weight, bits) for weight in widths for bits in widths if weight in (bits, bits // 2)}
    return tuple(sorted(pairs, reverse=True))
