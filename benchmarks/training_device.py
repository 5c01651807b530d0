"""The argument that says where a benchmark trains."""

from __future__ import annotations

import argparse

import torch


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`."""
    parser.add_argument("--device", default="cpu", help="where networks are trained, e.g. cuda (default cpu)")


def check_device(parser: argparse.ArgumentParser, device: str) -> None:
    """The parser ends the process over a device that torch cannot use here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f"--device must be one that torch can use here, but got {device}: {error}")
