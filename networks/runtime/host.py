"""Host: this machine as a DeviceProfile, as far as the system tells; the rest is left for predictors to assume."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from design.device import DeviceKind, DeviceProfile

CPUINFO, MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
ISA_WORDS = {
    "sse4_2": "sse4.2",
    "avx2": "avx2",
    "fma": "fma",
    "avx512f": "avx512",
    "avx512_vnni": "avx512-vnni",
    "avx_vnni": "avx-vnni",
    "amx_int8": "amx",
    "asimd": "neon",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "sve": "sve",
}
"""Flags of the system -> the word used in profiles, in this order."""
VECTOR_BITS = (("avx512f", 512), ("avx2", 256), ("sse2", 128), ("asimd", 128), ("neon", 128))
LARGEST_CACHE_KB = 1e6
LONGEST = 200


def host_profile(
    *, runtime: str, threads: int = 1, batch_size: int = 1, cpuinfo: str | None = None, meminfo: str | None = None
) -> DeviceProfile:
    """The profile of this machine.

    Args:
        runtime: With its version.
        threads: Of the runtime.
        batch_size: Pictures in a call.
        cpuinfo: Text of /proc/cpuinfo; None = read it, if there is one.
        meminfo: Text of /proc/meminfo, likewise.
    """
    text = _read(CPUINFO) if cpuinfo is None else cpuinfo
    memory = _read(MEMINFO) if meminfo is None else meminfo
    flags = set((_field(text, "flags") or _field(text, "Features") or "").split())
    machine = platform.machine() if cpuinfo is None else ("x86_64" if "avx" in flags or "sse2" in flags else "")
    chip = _field(text, "model name") or _field(text, "Hardware") or _field(text, "Model")
    words = [machine, *(word for flag, word in ISA_WORDS.items() if flag in flags)]
    clock = _number(_field(text, "cpu MHz"))
    cache = _number(_field(text, "cache size"))
    total = _number(_field(memory, "MemTotal"))
    return DeviceProfile(
        name=f"this machine ({chip})"[:LONGEST] if chip else "this machine",
        kind=DeviceKind.CPU,
        chip=chip[:LONGEST] if chip else None,
        isa=" ".join(word for word in words if word)[:LONGEST] or None,
        cores=len(re.findall(r"^processor\s*:", text, re.MULTILINE)) or None,
        clock_ghz=clock / 1000 if clock else None,
        simd_bits=next((bits for flag, bits in VECTOR_BITS if flag in flags), None),
        last_level_cache_kb=cache if cache and cache < LARGEST_CACHE_KB else None,
        ram_kb=total if total else None,
        batch_size=batch_size,
        threads=threads,
        runtime=runtime[:LONGEST],
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _field(text: str, name: str) -> str | None:
    found = re.search(rf"^{re.escape(name)}\s*:\s*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else None


def _number(text: str | None) -> float | None:
    found = re.match(r"[\d.]+", text or "")
    value = float(found[0]) if found and found[0].count(".") <= 1 and found[0] != "." else 0.0
    return value or None
