"""Trained weights in a safetensors file: latent weights, norms and learned steps, to train on from or to export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from design.design import Design
from networks.build import build
from networks.errors import InvalidArtefact
from networks.network import Network
from networks.options import BuildOptions
from networks.packing import options_from_text, options_to_text

FORMAT = "bespoke-trained-1"


@dataclass(frozen=True, kw_only=True)
class TrainedNote:
    """What stands in front of the weights.

    Attributes:
        design: Digest of the design.
        task: Name of the task.
        options: How the module was built.
        seed: Of the training.
    """

    design: str
    task: str
    options: BuildOptions
    seed: int


def save_trained(network: Network, design: Design, path: Path, *, task: str, seed: int) -> None:
    """Write the weights of a built network whole: under another name first.

    Raises:
        InvalidArtefact: The design is another one.
    """
    if network.architecture.layers != design.pruned.layers or network.policy != design.policy:
        raise InvalidArtefact("weights must be saved with the design they belong to", repr(design.digest[:12]))
    metadata = {
        "format": FORMAT,
        "design": design.digest,
        "task": task,
        "options": options_to_text(network.options),
        "seed": json.dumps(seed),
    }
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    part = path.with_name(path.name + ".part")
    part.write_bytes(_in_order(save(state, metadata=metadata)))
    part.replace(path)


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: the library writes them in an order that changes from run to run."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def read_note(path: Path) -> TrainedNote:
    """What stands in front of the weights in a file.

    Raises:
        InvalidArtefact: It is no file of trained weights, or damaged.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            text = file.metadata() or {}
        if text.get("format") != FORMAT:
            raise InvalidArtefact(f"the format of trained weights must be {FORMAT}", repr(text.get("format")))
        options = options_from_text(text["options"])
        return TrainedNote(design=text["design"], task=text["task"], options=options, seed=json.loads(text["seed"]))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        if isinstance(error, InvalidArtefact):
            raise
        raise InvalidArtefact(
            f"{path.name} must be a whole file of trained weights", f"{type(error).__name__}: {error}"[:200]
        ) from error


def load_trained(path: Path, design: Design) -> tuple[Network, TrainedNote]:
    """The network of a file, in evaluation mode.

    Raises:
        InvalidArtefact: See `read_note`; weights of another design.
    """
    note = read_note(path)
    if note.design != design.digest:
        raise InvalidArtefact(f"weights must be of the design {design.digest[:12]}", f"those of {note.design[:12]}")
    network = build(design, options=note.options)
    try:
        network.load_state_dict(load(path.read_bytes()))
    except (RuntimeError, SafetensorError) as error:
        raise InvalidArtefact(
            f"{path.name} must hold the weights of its design", str(error).splitlines()[0][:200]
        ) from error
    return network.eval(), note
