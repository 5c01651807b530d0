"""The profile of this machine has what the system tells and nothing made up."""

from __future__ import annotations

from networks.runtime.host import host_profile
from predictors.descriptor import Descriptor, describe

X86 = """processor\t: 0
model name\t: Some CPU (R) 7
cpu MHz\t\t: 2600.000
cache size\t: 32768 KB
flags\t\t: fpu sse2 sse4_2 avx avx2 fma avx512f avx512_vnni

processor\t: 1
model name\t: Some CPU (R) 7
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\nprocessor\t: 1\n"


def test_x86_is_described() -> None:
    found = host_profile(runtime="onnxruntime 1", threads=2, cpuinfo=X86, meminfo="MemTotal:  1000 kB\n")
    assert (found.cores, found.clock_ghz, found.simd_bits, found.threads) == (2, 2.6, 512, 2)
    assert found.isa == "x86_64 sse4.2 avx2 fma avx512 avx512-vnni"
    assert found.chip == "Some CPU (R) 7"
    assert found.last_level_cache_kb == 32768
    assert found.ram_kb == 1000  # of 1,024 bytes each, as profiles and the system count


def test_what_is_not_told_is_left_open() -> None:
    found = host_profile(runtime="onnxruntime 1", cpuinfo=ARM, meminfo="")
    assert (found.cores, found.clock_ghz, found.simd_bits, found.chip) == (2, None, 128, None)
    assert found.isa == "neon dotprod"
    empty = host_profile(runtime="onnxruntime 1", cpuinfo="cpu MHz : .\n", meminfo="MemTotal: x")
    assert (empty.cores, empty.clock_ghz, empty.ram_kb, empty.isa) == (None, None, None, None)


def test_this_machine_can_be_predicted_for() -> None:
    assert isinstance(describe(host_profile(runtime="onnxruntime 1")), Descriptor)
