"""MeasuredTable: latencies of many networks of one space on many devices, read from a folder of published tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from design.device import DeviceProfile
from design.devices.catalogue import catalogue
from design.encoding import FloatArray, IntArray
from design.errors import UnknownName
from predictors.block_features import fbnet_features, ofa_features
from predictors.cell_features import cell_features
from predictors.experts import SpaceFeatures

TABLES = ("nb201", "fbnet", "ofa")
_XEONS = ("gold", "silver")
_PHONES = ("pixel", "samsung", "essential", "raspi")
_GPUS = ("1080ti", "2080ti", "titan", "v100")
LARGE_BATCH = 64
"""GPU settings of this batch size and more are limited by work, smaller ones by launches."""


@dataclass(frozen=True, kw_only=True)
class MeasuredTable:
    """N networks on D devices.

    Attributes:
        name: `nb201`, `fbnet` or `ofa`.
        devices: D names of rows (a chip with its batch size).
        latency_ms: D x N; NaN = no value.
        features: Of the N networks.
    """

    name: str
    devices: tuple[str, ...]
    latency_ms: FloatArray
    features: SpaceFeatures

    def row(self, device: str) -> FloatArray:
        """Latencies of one device, N.

        Raises:
            UnknownName: The table has no such device.
        """
        if device not in self.devices:
            raise UnknownName(f"the device must be a row of the {self.name} table", repr(device))
        return np.asarray(self.latency_ms[self.devices.index(device)])


def read_table(path: Path, name: str) -> MeasuredTable:
    """Read one table.

    Args:
        path: A `.npz` file in the documented format (`devices`, `latency_ms` and the networks' choices), or the
            folder that holds `{name}.npz`.
        name: One of TABLES.

    Raises:
        UnknownName: Another name.
        FileNotFoundError: No such file.
    """
    if name not in TABLES:
        raise UnknownName(f"the table must be one of {', '.join(TABLES)}", repr(name))
    with np.load(path / f"{name}.npz" if path.is_dir() else path, allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files}
    return MeasuredTable(
        name=name,
        devices=tuple(str(device) for device in arrays["devices"]),
        latency_ms=np.asarray(arrays["latency_ms"], dtype=np.float64),
        features=features_of(name, arrays),
    )


def features_of(name: str, arrays: dict[str, IntArray]) -> SpaceFeatures:
    """Features of the networks whose choices stand in a table's arrays."""
    if name == "nb201":
        return cell_features(arrays["ops"])
    if name == "fbnet":
        return fbnet_features(arrays["ops"])
    return ofa_features(arrays["ks"], arrays["expand"], arrays["depth"], arrays["resolution"])


REFERENCE_NETWORKS = 1000


@cache
def reference_features(name: str) -> SpaceFeatures:
    """A fixed population of a space's networks, drawn at random."""
    rng = np.random.default_rng(0)
    count = REFERENCE_NETWORKS
    if name == "nb201":
        return cell_features(rng.integers(0, 5, size=(count, 6)))
    if name == "fbnet":
        return fbnet_features(rng.integers(0, 9, size=(count, 22)))
    return ofa_features(
        rng.choice([3, 5, 7], size=(count, 20)),
        rng.choice([3, 4, 6], size=(count, 20)),
        rng.integers(2, 5, size=(count, 5)),
        rng.choice(np.arange(128, 225, 4), size=count),
    )


@cache
def _profiles() -> dict[tuple[str, str], DeviceProfile]:
    return {
        (table, row): device.profile(setting)
        for device in catalogue().values()
        for table, rows in device.tables.items()
        for row, setting in rows.items()
    }


def profile_of_row(table: str, row: str) -> DeviceProfile | None:
    """The catalogue's device and setting that a row of a measured table stands for."""
    return _profiles().get((table, row))


def profile_of_name(row: str) -> DeviceProfile | None:
    """The catalogue's device and setting that a row of that name in any measured table stands for."""
    return next((profile for (_, name), profile in _profiles().items() if name == row), None)


def device_kind(row: str) -> str:
    """Class of devices that behave alike, from the name of a table's row."""
    if row.startswith(_GPUS):
        return "gpu_large_batch" if batch_of(row) >= LARGE_BATCH else "gpu_small_batch"
    if row.startswith(_XEONS):
        return "server_cpu"
    if row.startswith(_PHONES):
        return "mobile"
    return "accelerator"


def kind_from_facts(kind: str, batch_size: int) -> str:
    """Class of devices that behave alike, from the `device_kind` and `device_batch` of a table."""
    if kind.endswith("gpu"):
        return "gpu_large_batch" if batch_size >= LARGE_BATCH else "gpu_small_batch"
    return {"cpu": "server_cpu", "mobile": "mobile", "edge_cpu": "mobile"}.get(kind, "accelerator")


def chip_of(row: str) -> str:
    """The chip of a table's row: GPU rows are `chip_batch`."""
    return row.rsplit("_", 1)[0] if row.startswith(_GPUS) else row


def batch_of(row: str) -> int:
    """Batch size of a table's row (1 where the name has none)."""
    tail = row.rsplit("_", 1)[-1]
    return int(tail) if row.startswith(_GPUS) and tail.isdigit() else 1
