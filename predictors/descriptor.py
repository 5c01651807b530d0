"""Descriptor: a device profile with every figure filled in, and the list of those that were assumed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from design.device import DeviceKind, DeviceProfile
from design.precision import Bits
from design.prediction import Assumption
from predictors.figures import ADDED_ENERGY_SPREAD, Figures
from predictors.peaks import PROGRAMMABLE, peak_gmacs, supported_bits, threads

LAUNCH_OVERHEAD_US: dict[DeviceKind, float] = {
    DeviceKind.CPU: 5.0,
    DeviceKind.GPU: 20.0,
    DeviceKind.NPU: 5.0,
    DeviceKind.FPGA: 2.0,
    DeviceKind.ASIC: 1.0,
}
EAGER_OVERHEAD_US: dict[DeviceKind, float] = {DeviceKind.CPU: 40.0, DeviceKind.GPU: 40.0}
"""Per kernel, of frameworks that run layer by layer; also where a GPU's runtime is not stated."""
_EAGER = re.compile(r"torch|eager")
MCU_OVERHEAD_CYCLES = 3000.0
CACHE_OVER_MEMORY = 4.0
"""On-chip over main-memory bandwidth where no vector width and clock say it."""
CONTROL_PJ_PER_MAC = 120.0
"""Energy of a programmable core per cycle and fp32 multiply-add that it could do in it, 45 nm: fetching, decoding,
register files, caches, clock tree. An order of magnitude: 0.4 nJ a cycle of a Cortex-M4 at 90 nm, 0.6 of a Cortex-A76
at 16 nm, 2 of a server core at 14 nm."""
MCU_CONTROL_PJ_PER_CYCLE = 200.0
"""Of a microcontroller, flash and regulators included: between 130 and 600 pJ a cycle were measured at 40 to 90 nm."""
ACCELERATOR_CONTROL_PJ_PER_MAC = {DeviceKind.NPU: 2.0, DeviceKind.ASIC: 2.0, DeviceKind.FPGA: 15.0}
"""The same of fixed-function hardware, per int8 multiply-add of its array; of FPGAs from one board of 7 W."""
MCU_WAITING_SHARE = 0.5
"""Power of a microcontroller's core that waits for an accelerator, over that of a busy one."""
_MCU_CORE_MACS_PER_CYCLE = 2.0
"""int8 multiply-adds per cycle of a core with packed instructions and no vector unit."""
_VECTORS = re.compile(r"mve|xpulp|pie|rv\d+\w*v")
TDP_SHARE = 0.5
"""Static and control power as a share of the stated thermal design power."""
_SMALLER_EXPONENT, _LARGER_EXPONENT = 0.5, 1.8
_ARM_BINARY_LANES, _BINARY_LANES = 32, 64


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What the predictors compute with. Every figure is known or assumed; see `describe`.

    Attributes:
        profile: What the user stated.
        macs_per_second: Weight or activation bits (the larger of the two: 1, 2, 4, 8, 16, 32) -> peak
            multiply-accumulates per second of the whole device with the threads it uses.
        memory_bytes_per_second: Main memory (of a microcontroller: flash), nominal.
        cache_bytes_per_second: Last level of on-chip memory, nominal.
        float_bits: Bits that 32-bit tensors are moved and computed at: 16 where the runtime does so by itself.
        binary_lanes: Channels of binary layers are padded to a multiple of this.
        winograd: The runtime transforms 3x3 convolutions of floats (Winograd).
        eager: Batch norms and activations are kernels of their own.
        pooling_on_mac_array: Pools cost what dense convolutions of their window cost.
        static_w: Power drawn while a call runs, beside operations and memory traffic: idle, control, clock.
        static_per_call: That power rests on an assumed peak, so that its product with the roofline's time is known
            better than itself.
        weights_in_flash: Weights are read where they lie and take no working memory.
        latency_spread: Standard deviation of log latency that the descriptor leaves unexplained; wider the
            more was assumed.
        energy_spread: The same of log energy, by the closed form alone.
        power_variance: Variance of log power that assumed figures add.
        assumed: Every figure used that the profile did not state.
    """

    profile: DeviceProfile
    macs_per_second: dict[int, float]
    memory_bytes_per_second: float
    cache_bytes_per_second: float
    cache_bytes: float
    launch_overhead_s: float
    batch_size: int
    process_nm: float
    static_w: float
    static_per_call: bool
    supported_bits: tuple[tuple[Bits, Bits], ...]
    float_bits: int
    binary_lanes: int
    winograd: bool
    eager: bool
    pooling_on_mac_array: bool
    weights_in_flash: bool
    latency_spread: float
    energy_spread: float
    power_variance: float
    assumed: tuple[Assumption, ...]

    @property
    def float_macs_per_second(self) -> float:
        """Peak of floats at the bits that the runtime computes them at."""
        return self.macs_per_second[self.float_bits]


def process_factor(process_nm: float) -> float:
    """Energy of an operation at a process node over that at 45 nm.

    (nm / 45) ** 0.5 below: operations fall about 2.6-fold from 45 to 7 nm (order of magnitude of Jouppi et al., ISCA
    2021); (nm / 45) ** 1.8 above, where the supply voltage still scaled with size.
    """
    size = process_nm / 45.0
    return float(size ** (_SMALLER_EXPONENT if size < 1 else _LARGER_EXPONENT))


def _memory(figures: Figures, used_threads: float) -> tuple[float, float, float]:
    """Main-memory and cache bandwidth (bytes per second), cache size (bytes)."""
    kind = figures.profile.kind
    if kind is DeviceKind.MCU:
        clock_hz = 1e9 * figures.take("clock_ghz")
        ram = 1024 * figures.take("ram_kb")
        word = 4.0  # bytes a cycle from SRAM, half as many from flash behind its accelerator
        return word / 2 * clock_hz, word * clock_hz, ram
    memory = 1e9 * figures.take("memory_bandwidth_gbps")
    cache = 1024 * figures.take("last_level_cache_kb")
    if kind is DeviceKind.CPU:
        width = max(figures.take("simd_bits", same_core=True), 32.0) / 8
        return memory, max(width * 1e9 * figures.take("clock_ghz") * used_threads, memory), cache
    return memory, CACHE_OVER_MEMORY * memory, cache


def _eager(profile: DeviceProfile) -> bool:
    """Whether batch norms and activations are kernels of their own."""
    if profile.runtime is None:
        on_pc = profile.kind is DeviceKind.CPU and (profile.isa or "").casefold().startswith("x86")
        return profile.kind is DeviceKind.GPU or on_pc
    return _EAGER.search(profile.runtime.casefold()) is not None


def _overhead_s(figures: Figures) -> float:
    """Fixed time per layer or kernel."""
    stated = figures.profile.launch_overhead_us
    if stated is not None:
        return stated * 1e-6
    if figures.profile.kind is DeviceKind.MCU:
        value = 1e-3 * MCU_OVERHEAD_CYCLES / figures.take("clock_ghz")
        reason = f"{MCU_OVERHEAD_CYCLES:g} cycles"
    else:
        kind, eager = figures.profile.kind, _eager(figures.profile)
        value = EAGER_OVERHEAD_US[kind] if eager and kind in EAGER_OVERHEAD_US else LAUNCH_OVERHEAD_US[kind]
        reason = f"usual for the kind {kind.value}, " + ("layer by layer" if eager else "fused layers")
    figures.note("launch_overhead_us", value, reason)
    return value * 1e-6


def _rests_on_peak(figures: Figures) -> bool:
    """Whether static power follows from a peak that had to be assumed.

    Cores of CPUs and microcontrollers draw theirs at any speed.
    """
    profile = figures.profile
    if profile.active_w or profile.tdp_w or profile.kind in (DeviceKind.CPU, DeviceKind.MCU):
        return False
    return not figures.assumed.keys().isdisjoint({"peak_gmacs.fp32", "peak_gmacs.int8"})


def _accelerator_w(profile: DeviceProfile, factor: float) -> float | None:
    """Control power of a microcontroller's accelerator: of one whose stated int8 peak its own core cannot reach."""
    stated = profile.peak_gmacs.int8
    if stated is None or not profile.cores or not profile.clock_ghz or _VECTORS.search((profile.isa or "").casefold()):
        return None
    if stated <= _MCU_CORE_MACS_PER_CYCLE * profile.cores * profile.clock_ghz:
        return None
    return 1e-3 * ACCELERATOR_CONTROL_PJ_PER_MAC[DeviceKind.NPU] * stated * factor


def _static_w(figures: Figures, peaks: dict[int, float], share: float, factor: float) -> float:
    """Power beside operations and memory traffic: stated while computing, or idle power and control and clock."""
    profile = figures.profile
    if profile.active_w is not None:
        return profile.active_w
    if profile.tdp_w is not None:
        control = TDP_SHARE * profile.tdp_w * share
        reason = f"{TDP_SHARE:g} x tdp_w = {profile.tdp_w:g} at the share of the cores in use"
    elif profile.kind is DeviceKind.MCU:
        control = 1e-3 * MCU_CONTROL_PJ_PER_CYCLE * figures.take("cores") * figures.take("clock_ghz") * share * factor
        reason = f"control and clock: {MCU_CONTROL_PJ_PER_CYCLE:g} pJ at 45 nm per cycle"
        accelerator = _accelerator_w(profile, factor)
        if accelerator is not None:
            control = MCU_WAITING_SHARE * control + accelerator
            reason = f"{MCU_WAITING_SHARE:g} of that of a waiting core, and its accelerator's"
    else:
        programmable = profile.kind in PROGRAMMABLE
        pj = CONTROL_PJ_PER_MAC if programmable else ACCELERATOR_CONTROL_PJ_PER_MAC[profile.kind]
        control = 1e-3 * pj * peaks[32 if programmable else 8] * share * factor
        reason = (
            f"control and clock: {pj:g} pJ at 45 nm per {'fp32' if programmable else 'int8'} multiply-add of the peak"
        )
    if profile.idle_w is None:
        figures.note("idle_w", control, f"static power while running: {reason}")
        return control
    return profile.idle_w + control


@lru_cache(maxsize=4096)
def describe(profile: DeviceProfile) -> Descriptor:
    """Fill in a profile: stated figures as they are, others derived, else from the nearest catalogue devices.

    Deterministic. Neighbours are the devices of the same kind with the nearest known figures (log scale, in standard
    deviations of the catalogue); the median of three counts. A device never counts as its own neighbour.
    """
    figures = Figures(profile)
    pairs = supported_bits(figures)
    used_threads, share = threads(figures)
    peaks = peak_gmacs(figures, pairs)
    memory, cache_speed, cache = _memory(figures, used_threads)
    overhead = _overhead_s(figures)
    batch_size = profile.batch_size or 1
    if profile.batch_size is None:
        figures.note("batch_size", 1.0, "one picture per call")
    process = figures.take("process_nm", same_core=True)
    static = _static_w(figures, peaks, share, process_factor(process))
    assumed = figures.assumed
    if profile.runtime is None:
        words = "layer by layer, as frameworks on PCs run" if _eager(profile) else "fused layers"
        figures.note("runtime", words, f"usual for the kind {profile.kind.value}")
    pooling = profile.pooling_on_mac_array
    if pooling is None and profile.kind not in PROGRAMMABLE:
        figures.note("pooling_on_mac_array", "no", "pooling units beside the array, as usual")
    ncnn = (profile.runtime or "").casefold().startswith("ncnn")
    arm = any(word in (profile.isa or "").casefold() for word in ("arm", "neon"))
    return Descriptor(
        profile=profile,
        macs_per_second={bits: 1e9 * share * peak for bits, peak in peaks.items()},
        memory_bytes_per_second=memory,
        cache_bytes_per_second=cache_speed,
        cache_bytes=cache,
        launch_overhead_s=overhead,
        batch_size=batch_size,
        process_nm=process,
        static_w=static,
        static_per_call=_rests_on_peak(figures),
        supported_bits=pairs,
        float_bits=16 if ncnn and peaks[16] > peaks[32] else 32,
        binary_lanes=_ARM_BINARY_LANES if arm or profile.kind is DeviceKind.MCU else _BINARY_LANES,
        winograd=ncnn,
        eager=_eager(profile),
        pooling_on_mac_array=bool(pooling),
        weights_in_flash=profile.kind is DeviceKind.MCU,
        latency_spread=figures.latency_spread,
        energy_spread=figures.energy_spread,
        power_variance=0.0 if profile.active_w else ADDED_ENERGY_SPREAD["process_nm"] ** 2 * ("process_nm" in assumed),
        assumed=tuple(figures.assumed.values()),
    )
