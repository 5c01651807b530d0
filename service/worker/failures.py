"""Failures of jobs as problem documents (RFC 9457)."""

from __future__ import annotations

from typing import Any

TITLES: dict[str, str] = {
    "step-failed": "A step of the job failed",
    "trainer-died": "The trainer died without giving a reason",
    "out-of-memory": "The trainer ran out of memory",
    "out-of-time": "The job took longer than it may",
    "disk-full": "There was no room left to store a file",
    "worker-died": "The worker died again and again in the same step",
    "internal-error": "The worker failed",
}
_URN = "urn:bespoke:problem:"


def failure(slug: str, detail: str, *, step: str | None, **more: Any) -> dict[str, Any]:
    """The problem document of a failed job.

    Args:
        slug: A key of TITLES.
        detail: What happened this time, for people.
        step: The step in which it happened.
        more: Further members of the document.
    """
    return {"type": _URN + slug, "title": TITLES[slug], "detail": detail, "step": step} | more
