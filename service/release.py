"""The release that runs, read from its metadata once."""

from __future__ import annotations

from importlib.metadata import version

RELEASE = version("bespoke")
