"""The networks of the ncnn benchmark program, layer by layer, shipped: names in tables of timings stand for them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch

from design.encoding import COLUMNS, EncodedDesigns, FloatArray, IntArray
from predictors.ncnn import encode_networks, read_lines
from predictors.storage import WEIGHTS, Weights, load_weights, parameter, save_weights

KIND, VERSION = "ncnn_networks", "2"
FILE = f"{KIND}.safetensors"
Network = tuple[str, bool]
"""Name, and whether its layers run in int8 where they can."""


def networks_of(layers: Path) -> tuple[list[Network], EncodedDesigns]:
    """All networks of a file with the columns of `ncnn_network_layers.csv`, float and int8.

    Raises:
        OSError: No such file.
        KeyError: A column is missing.
    """
    lines = read_lines(layers)
    names = [(name, int8) for name in sorted({line["network"] for line in lines}) for int8 in (False, True)]
    return names, encode_networks(lines, names)


def ship_networks(data: Path, out: Path) -> None:
    """Write the networks of a data folder into the folder of weights."""
    names, designs = networks_of(data / "ncnn_network_layers.csv.gz")
    tensors = {"rows": torch.tensor(designs.rows), "ids": torch.tensor(designs.row_ids, dtype=torch.int16)}
    shape = {"rows": str(len(designs.rows)), "width": str(designs.row_ids.shape[1]), "networks": json.dumps(names)}
    save_weights(Weights(kind=KIND, version=VERSION, tensors=tensors, facts=shape), out / FILE)
    (out / f"{KIND}.md").write_text(_CARD.format(count=len(names) // 2, size=(out / FILE).stat().st_size), "utf-8")


@cache
def shipped_networks() -> tuple[list[Network], EncodedDesigns]:
    """The shipped networks.

    Raises:
        InvalidWeights: The file is missing or damaged.
    """
    weights = load_weights(WEIGHTS / FILE, kind=KIND, version=VERSION)
    names: list[Network] = [(str(name), bool(int8)) for name, int8 in json.loads(weights.facts["networks"])]
    rows = parameter(weights, "rows", (int(weights.facts["rows"]), COLUMNS)).numpy().astype(np.float64)
    ids = parameter(weights, "ids", (len(names), int(weights.facts["width"]))).numpy().astype(np.int64)
    return names, _designs(rows, ids)


def _designs(rows: FloatArray, ids: IntArray) -> EncodedDesigns:
    return EncodedDesigns(rows=rows, row_ids=ids, peak_activation_bytes=np.zeros(len(ids)))


_CARD = """# Card: networks of the ncnn benchmark program

`{{kind}}`: {count} networks, float and int8, as rows of layer shapes and counts (`design/encoding.py`), {size} bytes.
Facts of public networks (Tencent/ncnn, BSD-3-Clause, `benchmark/models/*.param`), nothing is learned or measured.
Written by `predictors.ncnn_networks.ship_networks` from `ncnn_network_layers.csv.gz`.
""".replace("{{kind}}", KIND)
