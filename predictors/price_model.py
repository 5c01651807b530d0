"""PriceModel: what a unit of each work term costs, by runtime class and by strongly shrunk device features.

    seconds(layer) = sum over terms k of amount_k x exp(base_k + offset_class,group(k) + slope_group(k) . z)

One set of bases for all devices; a runtime class may deviate from it group by group, and z - standardised features of
the Descriptor - a little more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from design.device import DeviceKind
from design.encoding import FloatArray
from predictors.cores import find_core
from predictors.cpu_facts import LATEST_YEAR, int8_dot, runtime_year
from predictors.descriptor import Descriptor
from predictors.layer_terms import CATEGORIES, SHAPES
from predictors.neighbours import isa_family
from predictors.work_terms import COMPUTE, ELEMENTS, OVERHEAD, SERIAL, SPILLED, TERMS, WEIGHTS, WINDOWS

RUNTIMES = (
    "ncnn",
    "vulkan",
    "framework_cpu",
    "framework_gpu",
    "compiled_gpu",
    "phone",
    "onnxruntime",
    "mcu",
    "accelerator",
    "analytic",
)
"""Classes of runtimes: what a device is programmed with says as much as its peak."""
INTEGERS_KNOWN = ("ncnn", "mcu", "accelerator", "analytic")
"""Classes with integer timings; in others integers run at their peak with the efficiency of floats."""
FEATURES = (
    "log_peak",
    "log_memory",
    "log_cache_speed",
    "log_cache",
    "half",
    "log_threads",
    "log_batch",
    "x86",
    "armv7",
    "no_vector",
    "in_order",
    "wide",
    "int8_dot",
    "year",
)
BASES = (
    *CATEGORIES,
    "in_channels",
    "out_channels",
    "positions",
    *(f"int8_{name}" for name in CATEGORIES),
    "serial",
    "elements",
    "heavy",
    "light",
    "weighted_elements",
    "spilled",
    "weights",
    "windows",
    "overhead_weighted",
    "overhead_other",
    "overhead_apart",
)
GROUPS = (
    "compute",
    "pointwise",
    "conv_3x3",
    "depthwise",
    "grouped",
    "dense",
    "int8",
    "serial",
    "elements",
    "memory",
    "weights",
    "windows",
    "overhead",
)
START = np.array(
    [1.0, 0.6, 1.0, 2.0, 1.5, 1.0, 1.0]  # compute
    + [-1.0] * 3  # shapes
    + [0.0] * 7  # int8
    + [-1.0]  # serial
    + [0.0, 1.0, 0.0, 0.0]  # elements by class
    + [0.0, 0.0, 1.0]  # spilled, weights, windows
    + [0.0] * 3  # overhead
)
"""Where fitting starts and what it is pulled to: a third of the peak, depthwise an eighth, shape effects of .37."""
_MOST = 20.0
_TUNED = ("ncnn", "larq")
"""Runtimes of fused layers with kernels written for the core."""


def _base_matrix() -> FloatArray:
    """Which bases add up to the log price of each term, TERMS x BASES."""
    matrix = np.zeros((TERMS, len(BASES)))
    for term in range(2 * COMPUTE):
        category, shape = term % COMPUTE // SHAPES, term % SHAPES
        matrix[term, category] = 1
        if shape:
            matrix[term, len(CATEGORIES) - 1 + shape] = 1
        if term >= COMPUTE:
            matrix[term, len(CATEGORIES) + SHAPES - 1 + category] = 1
    for first, name in ((ELEMENTS, "elements"), (SPILLED, "spilled")):
        for offset, extra in enumerate((None, "heavy", "light", "weighted_elements")):
            matrix[first + offset, BASES.index(name)] = 1
            if extra:
                matrix[first + offset, BASES.index(extra)] = 1
    alone = {SERIAL: "serial", WEIGHTS: "weights", WINDOWS: "windows", OVERHEAD: "overhead_weighted"}
    alone |= {OVERHEAD + 1: "overhead_other", OVERHEAD + 2: "overhead_apart"}
    for term, name in alone.items():
        matrix[term, BASES.index(name)] = 1
    return matrix


def _group_matrix() -> FloatArray:
    """Groups that each term belongs to, TERMS x GROUPS."""
    matrix = np.zeros((TERMS, len(GROUPS)))
    own = ("pointwise", "conv_3x3", None, "depthwise", "grouped", "dense", "dense")
    for term in range(2 * COMPUTE):
        name = own[term % COMPUTE // SHAPES]
        matrix[term, 0] = 1
        if name:
            matrix[term, GROUPS.index(name)] = 1
        if term >= COMPUTE:
            matrix[term, GROUPS.index("int8")] = 1
    matrix[SERIAL, GROUPS.index("serial")] = 1
    matrix[ELEMENTS:SPILLED, GROUPS.index("elements")] = 1
    matrix[SPILLED:WEIGHTS, GROUPS.index("memory")] = 1
    matrix[WEIGHTS, GROUPS.index("weights")] = 1
    matrix[WINDOWS, GROUPS.index("windows")] = 1
    matrix[OVERHEAD:, GROUPS.index("overhead")] = 1
    return matrix


BASE_MATRIX, GROUP_MATRIX = _base_matrix(), _group_matrix()


def runtime_class(device: Descriptor) -> int:
    """Index into RUNTIMES: from the runtime's name and the kind of device."""
    profile = device.profile
    text, kind = (profile.runtime or "").casefold(), profile.kind
    if "analytic" in text or "simulat" in text or (kind is DeviceKind.ASIC and not text):
        return RUNTIMES.index("analytic")
    if kind is DeviceKind.MCU:
        return RUNTIMES.index("mcu")
    if kind is DeviceKind.GPU:
        name = "vulkan" if "vulkan" in text or "ncnn" in text else "compiled_gpu" if text else "framework_gpu"
        return RUNTIMES.index("framework_gpu" if device.eager else name)
    if kind is not DeviceKind.CPU:
        return RUNTIMES.index("accelerator")
    if text.startswith(_TUNED):
        return RUNTIMES.index("ncnn")
    if "onnx" in text:
        return RUNTIMES.index("onnxruntime")
    return RUNTIMES.index("framework_cpu" if device.eager else "phone")


def device_features(device: Descriptor) -> FloatArray:
    """FEATURES of a device."""
    profile = device.profile
    core = find_core(profile.core)
    family = isa_family(profile.isa) or (core.family if core else "other")
    vector = profile.simd_bits if profile.simd_bits is not None else 128
    cpu = profile.kind is DeviceKind.CPU
    return np.array(
        [
            np.log(device.macs_per_second[32] / 1e9),
            np.log(device.memory_bytes_per_second / 1e9),
            np.log(device.cache_bytes_per_second / 1e9),
            np.log(device.cache_bytes / 1e6),
            float(device.float_bits == 16),
            np.log(profile.threads or 1),
            np.log(device.batch_size),
            float(family == "x86"),
            float(family in ("arm_v7", "armv7")),
            float(cpu and vector == 0),
            float(bool(core and core.in_order)),
            float(bool(core and core.wide)),
            float(cpu and int8_dot(profile.isa) != "none"),
            (runtime_year(profile.runtime) or LATEST_YEAR) - LATEST_YEAR,
        ]
    )


@dataclass(frozen=True, kw_only=True)
class PriceModel:
    """Fitted prices.

    Attributes:
        base: BASES.
        offsets: RUNTIMES x GROUPS.
        slopes: FEATURES x GROUPS.
        mean, deviation: FEATURES, of the devices it was fitted on.
    """

    base: FloatArray
    offsets: FloatArray
    slopes: FloatArray
    mean: FloatArray
    deviation: FloatArray

    def prices(self, device: Descriptor) -> FloatArray:
        """Factor of each term, TERMS."""
        z = np.clip((device_features(device) - self.mean) / self.deviation, -3, 3)
        runtime = runtime_class(device)
        own = self.offsets[runtime] + z @ self.slopes
        prices = np.exp(np.clip(BASE_MATRIX @ self.base + GROUP_MATRIX @ own, -_MOST, _MOST))
        if RUNTIMES[runtime] not in INTEGERS_KNOWN:
            prices[COMPUTE : 2 * COMPUTE] = prices[:COMPUTE]
        return np.asarray(prices)

    def arrays(self) -> dict[str, FloatArray]:
        """What is stored."""
        return {name: getattr(self, name) for name in SHAPES_OF_ARRAYS}

    @classmethod
    def of(cls, arrays: Mapping[str, FloatArray]) -> PriceModel:
        """The model stored as `arrays`."""
        return cls(**{name: np.asarray(arrays[name], dtype=np.float64) for name in SHAPES_OF_ARRAYS})


SHAPES_OF_ARRAYS: dict[str, tuple[int, ...]] = {
    "base": (len(BASES),),
    "offsets": (len(RUNTIMES), len(GROUPS)),
    "slopes": (len(FEATURES), len(GROUPS)),
    "mean": (len(FEATURES),),
    "deviation": (len(FEATURES),),
}
