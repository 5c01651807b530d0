"""The nearest catalogue devices are those that a plain sum over figures finds."""

from __future__ import annotations

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import catalogue, find_device
from predictors.descriptor import describe
from predictors.neighbours import COMPARED, NEIGHBOURS, Neighbourhood, figure, isa_family

PROFILES = {name: device.profile() for name, device in catalogue().items()}


def logs(profile: DeviceProfile) -> list[float]:
    return [
        np.nan if value is None else float(np.log(max(value, 1e-3)))
        for value in (figure(profile, one) for one in COMPARED)
    ]


SCALE = np.nanstd([logs(profile) for profile in PROFILES.values()], axis=0) + 1e-3


def distance(own: DeviceProfile, other: DeviceProfile) -> float:
    families = isa_family(own.isa), isa_family(other.isa)
    found = 4.0 * (None not in families and families[0] != families[1])
    for one, two, scale in zip(logs(own), logs(other), SCALE, strict=True):
        if np.isfinite(one):
            found += ((one - two) / scale) ** 2 if np.isfinite(two) else 1.0
    return found


@pytest.mark.parametrize("isa", [None, "armv8.2-a neon", "x86-64 avx2", "z80"])
@pytest.mark.parametrize("kind", list(DeviceKind))
def test_neighbours_are_the_nearest_of_the_kind(kind: DeviceKind, isa: str | None) -> None:
    alike = {name: profile for name, profile in PROFILES.items() if profile.kind is kind}
    for own in alike.values():
        asked = own.model_copy(update={"isa": isa})
        near = sorted(
            (distance(asked, profile), name)
            for name, profile in alike.items()
            if profile.process_nm is not None and profile.name != own.name
        )[:NEIGHBOURS]
        found = Neighbourhood(asked).median("process_nm")
        assert found is not None
        value, names = found
        far = [distance(asked, alike[name]) for name in names.split(", ")]
        assert far == pytest.approx([one for one, _ in near])
        assert value == pytest.approx(np.median([figure(alike[name], "process_nm") for name in names.split(", ")]))


def test_quotients_are_of_devices_that_state_every_figure() -> None:
    found = Neighbourhood(DeviceProfile(name="card", kind=DeviceKind.GPU)).median(
        "peak_gmacs.fp32", "cores", "clock_ghz"
    )
    assert found is not None
    near = [PROFILES[name] for name in found[1].split(", ")]
    quotients = [one.peak_gmacs.fp32 / (one.cores * one.clock_ghz) for one in near]  # type: ignore[operator]  # stated
    assert found[0] == pytest.approx(np.median(quotients))


def test_only_devices_with_the_same_core_where_asked() -> None:
    board = DeviceProfile(name="board", kind=DeviceKind.CPU, core="Kryo (Cortex-A73)")
    found = Neighbourhood(board).median("fp32_macs_per_cycle", same_core=True)
    assert found is not None
    assert all("A73" in (PROFILES[name].core or "").upper() for name in found[1].split(", "))
    bare = Neighbourhood(DeviceProfile(name="board", kind=DeviceKind.CPU))
    assert bare.median("fp32_macs_per_cycle", same_core=True) is None


def test_an_instruction_set_of_blanks_is_of_no_family() -> None:
    assert isa_family("  ") is None
    assert isa_family("  ARMv8-A neon ") == isa_family("armv8-a neon")
    assert describe(find_device("raspberry-pi-4").model_copy(update={"isa": " "})).macs_per_second[32] > 0
