"""Profiles to train on: plausible, reproducible, and never a device kept for tests."""

from __future__ import annotations

from design.devices.catalogue import catalogue
from optimizer.synthetic_profiles import HELD_OUT, synthetic_profiles, training_devices
from predictors.descriptor import describe


def test_held_out_families_never_occur() -> None:
    assert set(catalogue()) >= HELD_OUT
    kept = training_devices()
    families = {catalogue()[name].family for name in HELD_OUT}
    assert not families & {device.family for device in kept}
    assert len(kept) > 100
    names = {catalogue()[name].name for name in catalogue() if catalogue()[name].family in families}
    assert not names & {profile.name for profile in synthetic_profiles(200, 0)}


def test_same_seed_same_profiles_and_all_can_be_described() -> None:
    found = synthetic_profiles(60, 3)
    assert found == synthetic_profiles(60, 3)
    assert found != synthetic_profiles(60, 4)
    assert len({profile.kind for profile in found}) >= 3
    assert any(profile.supported_bits for profile in found)
    for profile in found:
        describe(profile)
