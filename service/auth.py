"""Who may reach the service: until API keys exist, processes of this machine alone."""

from __future__ import annotations

from ipaddress import ip_address

from design.errors import BespokeError

LOOPBACK_NAMES = frozenset({"localhost"})


class OpenBinding(BespokeError):
    """An address that other machines can reach, while nothing tells callers apart."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a socket bound to `host` (a name or an address)."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(host: str, *, valid_keys: int = 0) -> None:
    """Refuse to listen where other machines could call, unless there are keys that tell callers apart.

    Raises:
        OpenBinding: `host` is not a loopback address, and there is no key.
    """
    if not is_loopback(host) and not valid_keys:
        raise OpenBinding(
            "the service must bind to a loopback address (127.0.0.1, ::1 or localhost) until API keys exist",
            repr(host),
            "Create one (bespoke keys create --name ME --scope admin), or forward a port over SSH: "
            "ssh -L 8080:127.0.0.1:8080 <this machine>.",
        )


def host_allowed(header: str, allowed: tuple[str, ...]) -> bool:
    """Whether a Host header (with or without port) names one of the allowed hosts."""
    name = header.strip().lower()
    bare, _, port = name.rpartition(":")
    if bare and port.isdigit():
        name = bare
    return name in allowed
