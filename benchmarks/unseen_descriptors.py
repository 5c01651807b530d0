"""Descriptors of unknown devices, from JSON (device -> profile or address of the catalogue) or a table of devices."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import find_device
from design.errors import BespokeError
from predictors.ncnn import Line, number, read_lines

_FIRST_NUMBER = re.compile(r"\d+(\.\d+)?")
KINDS: dict[str, dict[str, Any]] = {
    "gpu": {"kind": "gpu"},
    "edge_gpu": {"kind": "gpu"},
    "cpu": {"kind": "cpu", "isa": "x86-64"},
    "mobile": {"kind": "cpu", "isa": "armv8-a neon"},
    "edge_cpu": {"kind": "cpu", "isa": "armv8-a neon"},
    "edge_tpu": {"kind": "npu"},
    "npu": {"kind": "npu"},
    "asic_model": {"kind": "asic"},
    "asic": {"kind": "asic"},
    "fpga": {"kind": "fpga"},
    "mcu": {"kind": "mcu"},
}
"""`device_kind` of a table -> fields of a profile; a kind that is not among them is taken as an NPU."""


class InvalidDescriptors(BespokeError):
    """A file of descriptors that cannot be read, or a device whose figures cannot be."""


@dataclass(frozen=True)
class Descriptors:
    """What is known of devices.

    Attributes:
        profiles: Device -> profile.
        lines: Device -> line of a table with the columns of `ncnn_devices.csv`.
    """

    profiles: Mapping[str, DeviceProfile] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)

    def find(self, name: str, *, threads: int | None = None) -> DeviceProfile | None:
        """The profile of a device, None where nothing was stated."""
        if name in self.lines:
            return profile_of_line(self.lines[name], threads=threads)
        found = self.profiles.get(name)
        if found is not None and threads is not None:
            found = found.model_copy(update={"threads": threads})
        return found


def read_descriptors(path: Path | None) -> Descriptors:
    """Read a file of descriptors (None: nothing is known).

    Raises:
        InvalidDescriptors: Not JSON and not such a CSV, or figures out of their ranges.
    """
    if path is None:
        return Descriptors()
    if path.suffix in (".csv", ".gz"):
        lines = read_lines(path)
        if not lines or "device" not in lines[0]:
            raise InvalidDescriptors("descriptors in CSV must have a column `device`", f"{path.name} without one")
        return Descriptors(lines={line["device"]: line for line in lines})
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidDescriptors("descriptors must be JSON, or CSV where the name says so", str(error)) from error
    if isinstance(stored, list):
        stored = {str(one.get("name")): one for one in stored if isinstance(one, dict)}
    if not isinstance(stored, dict):
        raise InvalidDescriptors("descriptors must be an object, device -> fields of a profile", type(stored).__name__)
    return Descriptors(profiles={str(name): _profile(str(name), value) for name, value in stored.items()})


def _profile(name: str, value: object) -> DeviceProfile:
    if isinstance(value, str):
        return find_device(value).model_copy(update={"name": name[:200] or "device"})
    if not isinstance(value, dict):
        raise InvalidDescriptors(f"the descriptor of {name!r} must be an object or an address", type(value).__name__)
    try:
        return DeviceProfile(**({"name": name[:200] or "device"} | value))
    except (ValidationError, TypeError) as error:
        raise InvalidDescriptors(f"the descriptor of {name!r} must be a device profile", str(error)) from error


def profile_of_kind(name: str, kind: str, batch_size: int | None) -> DeviceProfile:
    """What a table's `device_kind` and `device_batch` say; all else will be assumed."""
    fields = KINDS.get(kind.casefold(), {"kind": "npu"})
    batch = batch_size if batch_size and batch_size > 0 else None
    return DeviceProfile(**({"name": name[:200] or "device", "batch_size": batch} | fields))


def profile_of_line(line: Line, *, threads: int | None = None, little: bool = False) -> DeviceProfile:
    """A profile from the columns of `ncnn_devices.csv`; a blank or missing cell is not known.

    Args:
        line: Of the device.
        threads: Of the runtime; None = not stated.
        little: The smallest cluster alone is used.
    """

    def cell(*names: str) -> float | None:
        for name in names:
            found = _FIRST_NUMBER.search(line.get(name) or "")
            if found and float(found[0]) > 0:
                return float(found[0])
        return None

    gpu = "gpu" in (line.get("class") or "") and not line.get("cpu_core")
    clocks = [number(text) for text in (line.get("freq_ghz") or "").split("+") if _FIRST_NUMBER.fullmatch(text)]
    counts = [number(text) for text in (line.get("cores") or "").split("+") if _FIRST_NUMBER.fullmatch(text)]
    clock, cores = cell("big_freq_ghz", "freq_ghz"), cell("cores_total", "big_cores", "cores")
    macs = cell("fp32_mac_per_cycle")
    if little and clocks:
        clock, cores, macs = clocks[-1], (counts or [1.0])[-1], min(macs or 4.0, 4.0)
    dot = {"sdot": "dotprod", "sdot+i8mm": "dotprod i8mm", "vnni": "avx512_vnni"}.get(line.get("int8_dot") or "", "")
    half = {"1": True, "1.0": True, "0": False, "0.0": False}.get(line.get("fp16_arith") or "")
    fields: dict[str, Any] = {
        "name": (line.get("device") or "device")[:200],
        "kind": DeviceKind.GPU if gpu else DeviceKind.CPU,
        "core": (line.get("cpu_core") or "").split("+")[0].strip()[:200] or None,
        "isa": f"{line.get('isa') or ''} {dot}".strip()[:200] or None,
        "clock_ghz": clock,
        "cores": int(cores) if cores and cores >= 1 else None,
        "simd_bits": None if cell("simd_bits") is None else int(cell("simd_bits") or 0),
        "fp32_macs_per_cycle": macs,
        "fp16_arithmetic": half,
        "memory_bandwidth_gbps": cell("dram_gbps"),
        "last_level_cache_kb": cell("l2_kb", "l3_kb"),
        "threads": threads,
        "batch_size": 1,
        "runtime": "ncnn",
    }
    try:
        return DeviceProfile(**fields)
    except ValidationError as error:
        raise InvalidDescriptors(f"the line of {fields['name']!r} must hold possible figures", str(error)) from error
