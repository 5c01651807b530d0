"""Which known devices rank designs as a device does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from design.device import DeviceKind, DeviceProfile
from design.devices.catalogue import find_device
from optimizer.problem import DEFAULT_ENERGY_MODEL
from predictors.monotonicity import Monotonicity, Verdict
from predictors.proxies import KnownDevice, Proxy, proxies
from predictors.space_rank import SpaceRank
from service.context import Context
from service.devices import repository as devices
from service.devices.operations import known
from service.devices.schemas import Source
from service.paging import from_cursor, to_cursor
from service.proxies.schemas import Limit, ProxyDocument, Rank, SpaceDocument

ORDER = "best first"
MOST_OWN = 100
"""Own devices that are compared, the newest."""
TABLES = ("nb201.npz", "fbnet.npz")


def listed(
    context: Context,
    device_id: str,
    *,
    kind: DeviceKind | None,
    text: str,
    source: Source | None,
    verdict: Verdict | None,
    limit_ms: float | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[ProxyDocument], str | None]:
    """One page of proxies of a device, the best first, and the cursor of the next one.

    Raises:
        Refusal: There is no such device.
    """
    after = from_cursor(cursor, ORDER, (float, float, str)) if cursor else None
    found = every(context, device_id, limit_ms)
    wanted = [
        document
        for key, document in found
        if (after is None or key > after)
        and kind in (None, document.kind)
        and source in (None, document.source)
        and verdict in (None, document.verdict)
        and any(text.casefold() in part.casefold() for part in (document.id, document.name))
    ]
    if len(wanted) <= limit:
        return wanted, None
    keys = {document.id: key for key, document in found}
    return wanted[:limit], to_cursor(ORDER, keys[wanted[limit - 1].id])


def every(
    context: Context, device_id: str, limit_ms: float | None = None
) -> list[tuple[tuple[float, float, str], ProxyDocument]]:
    """All proxies of a device, the best first, each with its place in that order.

    Raises:
        Refusal: There is no such device.
    """
    target = known(context, device_id)
    with context.gate.enter():
        adapted = target.adapted(context, DEFAULT_ENERGY_MODEL)
        own, profiles = _own(context, target.device_id)
        found = proxies(
            target.profile,
            tables=tables(context.settings.tables_folder),
            limit_ms=limit_ms,
            target_predictor=adapted.latency if adapted else None,
            known=own,
            latency_ms=adapted.latency_ms if adapted else None,
        )
    return [(_key(proxy), document(proxy, profiles.get(proxy.id))) for proxy in found]


def tables(folder: Path | None) -> Sequence[Path]:
    """The published tables in a folder; those that are not there are done without."""
    return [] if folder is None else [folder / name for name in TABLES if (folder / name).is_file()]


def _own(context: Context, but: str | None) -> tuple[list[KnownDevice], dict[str, DeviceProfile]]:
    """The user's own devices but one, and their profiles."""
    with context.database.reading() as session:
        rows = devices.listed(session, kind=None, text="", before=None, limit=MOST_OWN)
    found = []
    for row in rows:
        if row.id == but:
            continue
        adapted = context.adaptations.of(context.database, row, DEFAULT_ENERGY_MODEL)
        one = KnownDevice(
            id=row.id,
            profile=DeviceProfile.model_validate(row.profile),
            predictor=adapted.latency if adapted else None,
            latency_ms=adapted.latency_ms if adapted else {},
        )
        found.append(one)
    return found, {one.id: one.profile for one in found}


def _key(proxy: Proxy) -> tuple[float, float, str]:
    """Sorts the best first, as `proxies` does."""
    return (-proxy.weakest.expected.low, -proxy.weakest.rank.rho, proxy.id)


def document(proxy: Proxy, own: DeviceProfile | None = None) -> ProxyDocument:
    """A proxy as shown.

    Args:
        proxy: Of the catalogue, or an own device.
        own: Profile of the own device.
    """
    return ProxyDocument(
        id=proxy.id,
        name=proxy.name,
        kind=(own or find_device(proxy.id)).kind,
        source="own" if own else "catalogue",
        href=f"/v1/devices/{proxy.id.partition('@')[0]}",
        verdict=proxy.verdict,
        front_reusable=proxy.front_reusable,
        explanation=proxy.explanation,
        bounds=proxy.bounds,
        spaces=tuple(_space(one) for one in proxy.spaces),
    )


def _space(one: SpaceRank) -> SpaceDocument:
    return SpaceDocument(
        space=one.space,
        basis=one.basis,
        verdict=one.verdict,
        rank=_rank(one.rank),
        expected=_rank(one.expected),
        reuse_chance=one.reuse_chance,
        limit=Limit(proxy_ms=one.limit.proxy_ms, agreement=one.limit.agreement) if one.limit else None,
    )


def _rank(one: Monotonicity) -> Rank:
    return Rank(rho=one.rho, low=one.low, high=one.high, designs=one.designs)
