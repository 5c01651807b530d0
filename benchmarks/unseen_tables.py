"""Tables of unknown devices on the three published spaces, read with care: what cannot be is no value or refused."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import say
from benchmarks.unseen_descriptors import Descriptors, profile_of_kind
from design.device import DeviceProfile
from design.encoding import FloatArray
from design.errors import BespokeError
from predictors.copies import copies
from predictors.experts import SpaceFeatures
from predictors.known_weights import official_cells, official_representatives
from predictors.tables import device_kind, features_of, profile_of_name, profile_of_row

Arrays = dict[str, Any]
_CHOICES: dict[str, dict[str, tuple[int, int, int]]] = {
    "nb201": {"ops": (6, 0, 4)},
    "fbnet": {"ops": (22, 0, 8)},
    "ofa": {"ks": (20, 3, 7), "expand": (20, 3, 6), "depth": (5, 2, 4), "resolution": (0, 1, 4096)},
}
"""Array -> columns (0: one value a network), least and greatest value."""
_ALIASES = {"devices": "device", "latency_ms": "latency_ms_median"}
_KIND_OF_CLASS = {
    "gpu_small_batch": "gpu",
    "gpu_large_batch": "gpu",
    "server_cpu": "cpu",
    "mobile": "mobile",
    "accelerator": "npu",
}


class InvalidTable(BespokeError):
    """A table that cannot be scored: arrays missing, shapes or values that do not fit."""


@dataclass(frozen=True, kw_only=True)
class UnseenTable:
    """A table of unknown devices.

    Attributes:
        features: N networks.
        profiles: Device -> what is known of it; at least a kind.
        described: Devices with a descriptor; of the others at most the order can be told without a measurement.
        latency_ms: Device -> N, NaN = no value.
        energy_mj: Likewise.
        copies: Rows without a value of their own, see `predictors.copies`: they are neither measured nor scored.
    """

    features: SpaceFeatures
    profiles: Mapping[str, DeviceProfile]
    described: frozenset[str]
    latency_ms: Mapping[str, FloatArray]
    energy_mj: Mapping[str, FloatArray]
    copies: int = 0


def read(space: str, path: Path, descriptors: Descriptors | None = None) -> UnseenTable:
    """Read a table and what is known of its devices.

    Raises:
        InvalidTable: Not such a file, arrays missing, or shapes or values that do not fit.
    """
    arrays = _arrays(path)
    for key, alias in _ALIASES.items():
        if key not in arrays and alias in arrays:
            arrays[key] = arrays[alias]
        if key not in arrays:
            raise InvalidTable("the table must hold `devices` and `latency_ms`", f"no `{key}`")
    official = space == "nb201" and "ops" not in arrays
    if official:
        arrays["ops"] = official_cells()
    choices = _choices(space, arrays)
    networks = len(next(iter(choices.values())))
    devices = _names(arrays["devices"])
    metered = _names(arrays["energy_devices"]) if "energy_devices" in arrays else devices
    known = descriptors or Descriptors()
    described = frozenset(name for name in (*devices, *metered) if known.find(name) is not None)
    profiles = {name: known.find(name) or _assumed(space, name, index, arrays) for index, name in enumerate(devices)}
    for name in metered:
        profiles.setdefault(name, known.find(name) or _assumed(space, name, None, arrays))
    latency = _rows(arrays["latency_ms"], devices, networks, "latency_ms")
    energy = _rows(arrays["energy_mj"], metered, networks, "energy_mj") if "energy_mj" in arrays else {}
    left_out = 0
    if space == "nb201" and (official or np.array_equal(choices["ops"], official_cells())):
        left_out = sum(_without_copies(row) for rows in (latency, energy) for row in rows.values())
    if left_out:
        say(f"{left_out} values are copies of those of networks that compute the same function, and are left out")
    return UnseenTable(
        features=features_of(space, choices),
        profiles=profiles,
        described=described,
        latency_ms=latency,
        energy_mj=energy,
        copies=left_out,
    )


def _without_copies(row: FloatArray) -> int:
    """Take copies out of a row in place; how many there were."""
    found = copies(row, official_representatives())
    row[found] = np.nan
    return int(found.sum())


def _arrays(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as stored:
            if not hasattr(stored, "files"):
                raise InvalidTable("the table must be an .npz file of named arrays", f"one array in {path.name}")
            return {key: stored[key] for key in stored.files}
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InvalidTable(
            "the table must be an .npz file of plain arrays", f"{path.name}: {error}", "Save texts as arrays of str."
        ) from error


def _names(values: object) -> list[str]:
    """Device names; a name that stands twice gets a number."""
    found: list[str] = []
    for value in np.atleast_1d(np.asarray(values)).tolist():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        name, number = text, 2
        while name in found:
            name, number = f"{text} ({number})", number + 1
        found.append(name)
    return found


def _choices(space: str, arrays: Arrays) -> Arrays:
    """The choices of the networks, as whole numbers within their ranges."""
    found: Arrays = {}
    count: int | None = None
    for key, (columns, low, high) in _CHOICES[space].items():
        if key not in arrays:
            raise InvalidTable(f"the table must hold the choices of its {space} networks", f"no `{key}`")
        values = np.asarray(arrays[key])
        count = len(values) if count is None and values.ndim else count
        wanted = (count, columns) if columns else (count,)
        if values.shape != wanted:
            raise InvalidTable(f"`{key}` must be of shape {wanted}", f"shape {values.shape}")
        checked = values
        if key in ("ks", "expand") and "depth" in arrays:  # what stands in inactive slots has no effect
            slots = np.arange(columns) % 4 < np.repeat(np.asarray(arrays["depth"]), 4, axis=1)
            checked = np.where(slots, values, low) if slots.shape == values.shape else values
        bad = ~((checked >= low) & (checked <= high))
        if np.any(bad):
            raise InvalidTable(f"`{key}` must lie between {low} and {high}", f"{checked[bad].flat[0]}")
        found[key] = np.asarray(checked, dtype=np.int64)
    return found


def _assumed(space: str, name: str, index: int | None, arrays: Arrays) -> DeviceProfile:
    """A profile where no descriptor is given: the catalogue's for a known row's name, else the kind and the batch."""
    kind = arrays.get("device_kind")
    if kind is not None and index is not None and index < np.size(kind):
        batches = np.atleast_1d(np.asarray(arrays.get("device_batch", [])))
        batch = int(batches[index]) if index < len(batches) and np.isfinite(batches[index]) else None
        return profile_of_kind(name, str(np.atleast_1d(kind)[index]), batch)
    known = profile_of_row(space, name) or profile_of_name(name)
    return known or profile_of_kind(name, _KIND_OF_CLASS[device_kind(name)], None)


def _rows(values: object, devices: Sequence[str], networks: int, key: str) -> dict[str, FloatArray]:
    """Device -> latencies; what is not finite and above 0 is no value."""
    try:
        array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InvalidTable(f"`{key}` must hold numbers", str(error)) from error
    if array.shape != (len(devices), networks):
        raise InvalidTable(
            f"`{key}` must be of shape {(len(devices), networks)} (devices x networks)", f"shape {array.shape}"
        )
    valid = np.isfinite(array) & (array > 0)
    failed = int((~valid & ~np.isnan(array)).sum())
    if failed:
        say(f"{key}: {failed} values that are zero, negative or infinite are taken as failed measurements")
    return dict(zip(devices, np.where(valid, array, np.nan), strict=True))
