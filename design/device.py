"""DeviceProfile: what is known of a device, in numbers; everything but its name and kind may be missing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from design.errors import InvalidProfile
from design.precision import Bits
from design.scalars import NUMBER, TRUTH, WHOLE

PEAK_SLACK = 100.0
"""A stated peak above `cores x clock x lanes` by more than this factor contradicts itself."""

Figure = Annotated[float, Field(ge=1e-30, le=1e12, allow_inf_nan=False), NUMBER]
"""A figure of any unit: beyond what any device shows, within what products and ratios of figures bear."""
Clock = Annotated[float, Field(ge=1e-30, le=100, allow_inf_nan=False), NUMBER]
Size = Annotated[float, Field(ge=1e-3, le=1e4, allow_inf_nan=False), NUMBER]
Power = Annotated[float, Field(ge=1e-30, le=1e5, allow_inf_nan=False), NUMBER]
Idle = Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False), NUMBER]
Time = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False), NUMBER]
Count = Annotated[int, Field(gt=0, le=1_000_000), WHOLE]
OneBits = Annotated[Bits, WHOLE]
Truth = Annotated[bool, TRUTH]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]


class DeviceKind(StrEnum):
    """The family a device belongs to; missing figures are inferred within it."""

    CPU = "cpu"
    GPU = "gpu"
    NPU = "npu"
    FPGA = "fpga"
    ASIC = "asic"
    MCU = "mcu"


Arithmetic = Literal["fp32", "fp16", "int8", "int4", "binary"]
ARITHMETICS: tuple[Arithmetic, ...] = ("fp32", "fp16", "int8", "int4", "binary")
ARITHMETIC_BITS: dict[Arithmetic, int] = {"fp32": 32, "fp16": 16, "int8": 8, "int4": 4, "binary": 1}


class PerArithmetic(BaseModel):
    """One figure (1e-30 ... 1e12) for each kind of arithmetic; None where it is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fp32: Figure | None = None
    fp16: Figure | None = None
    int8: Figure | None = None
    int4: Figure | None = None
    binary: Figure | None = None


class DeviceProfile(BaseModel):
    """The numeric profile of one device with its settings (batch size, threads, runtime).

    Peaks are those of the whole device (all cores), in 10^9 multiply-accumulates per second; a figure left out
    is inferred when predicting and listed as assumed.

    Figures lie in 1e-30 ... 1e12 of their units; tighter: clock_ghz up to 100, process_nm 1e-3 ... 1e4, powers up to
    1e5 W. Numbers must come as numbers and truth values as such: text is neither, a truth value is no number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ShortText
    kind: DeviceKind
    chip: ShortText | None = Field(None, description="chip or system on chip")
    core: ShortText | None = Field(None, description="name of the (fastest) core, e.g. Cortex-A72")
    isa: ShortText | None = Field(None, description="instruction set with extensions, e.g. armv8-a neon")
    cores: Count | None = Field(None, description="cores (of a GPU: streaming multiprocessors or shader cores)")
    clock_ghz: Clock | None = None
    simd_bits: Annotated[int, Field(ge=0, le=1 << 20), WHOLE] | None = Field(None, description="vector register width")
    fp32_macs_per_cycle: Figure | None = Field(None, description="multiply-adds per cycle of one core")
    fp16_arithmetic: Truth | None = Field(None, description="half-precision vector arithmetic that the runtime uses")
    peak_gmacs: PerArithmetic = PerArithmetic()
    memory_bandwidth_gbps: Figure | None = Field(None, description="main memory, 10^9 bytes per second, nominal")
    last_level_cache_kb: Figure | None = Field(None, description="kilobytes of 1,024 bytes, as memories are sold")
    ram_kb: Figure | None = Field(None, description="kilobytes of 1,024 bytes")
    flash_kb: Figure | None = Field(None, description="kilobytes of 1,024 bytes")
    launch_overhead_us: Time | None = Field(None, description="fixed time per layer or kernel")
    batch_size: Annotated[int, Field(gt=0, le=65_536), WHOLE] | None = Field(
        None, description="pictures per inference call"
    )
    threads: Annotated[int, Field(gt=0, le=4_096), WHOLE] | None = None
    runtime: ShortText | None = None
    pooling_on_mac_array: Truth | None = Field(
        None, description="pooling runs as a dense convolution on the array of multiply-accumulate units"
    )
    process_nm: Size | None = None
    tdp_w: Power | None = None
    idle_w: Idle | None = None
    active_w: Power | None = Field(
        None,
        description="power while computing, idle included (of a microcontroller: current per MHz x clock x voltage)",
    )
    energy_pj_per_mac: PerArithmetic = PerArithmetic()
    energy_pj_per_byte_sram: Figure | None = None
    energy_pj_per_byte_dram: Figure | None = None
    supported_bits: tuple[tuple[OneBits, OneBits], ...] | None = Field(
        None,
        description="(weight, activation) bits the device can run; None = not stated",
        min_length=1,
        max_length=36,
    )

    @model_validator(mode="after")
    def _figures_agree(self) -> Self:
        if self.cores and self.clock_ghz and self.simd_bits is not None and self.kind in ("cpu", "mcu"):
            for arithmetic in ARITHMETICS:
                peak = getattr(self.peak_gmacs, arithmetic)
                lanes = max(self.simd_bits, 32) / ARITHMETIC_BITS[arithmetic]
                most = PEAK_SLACK * self.cores * self.clock_ghz * lanes
                if peak is not None and peak > most:
                    raise InvalidProfile(
                        f"peak_gmacs.{arithmetic} must be at most {PEAK_SLACK:g} x cores x clock x lanes = {most:g}",
                        f"{peak:g}",
                        "Check the unit (10^9 multiply-accumulates per second of the whole device).",
                        pointer=f"/peak_gmacs/{arithmetic}",
                    )
        if self.idle_w is not None and self.tdp_w is not None and self.idle_w > self.tdp_w:
            raise InvalidProfile(
                f"idle_w must be at most tdp_w = {self.tdp_w:g}", f"{self.idle_w:g}", pointer="/idle_w"
            )
        if self.idle_w is not None and self.active_w is not None and self.idle_w > self.active_w:
            raise InvalidProfile(
                f"idle_w must be at most active_w = {self.active_w:g}", f"{self.idle_w:g}", pointer="/idle_w"
            )
        if self.ram_kb and self.last_level_cache_kb and self.last_level_cache_kb > self.ram_kb * PEAK_SLACK:
            raise InvalidProfile(
                f"last_level_cache_kb must not exceed ram_kb = {self.ram_kb:g} a hundredfold",
                f"{self.last_level_cache_kb:g}",
                "Check the units (kilobytes).",
                pointer="/last_level_cache_kb",
            )
        return self
