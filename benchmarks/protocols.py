"""Who is source and who is target in the published cross-device tasks, device by device."""

from __future__ import annotations

from dataclasses import dataclass

_HELP_CPUS_AND_PHONES = ("silver_4114", "silver_4210r", "samsung_a50", "pixel3", "essential_ph_1", "samsung_s7")
HELP_NB201_TRAIN = ("1080ti_1", "1080ti_32", "1080ti_256", *_HELP_CPUS_AND_PHONES)
HELP_NB201_VALID = ("titanx_1", "titanx_32", "titanx_256", "gold_6240")
HELP_NB201_TEST = ("titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss")
HELP_FBNET_TRAIN = ("1080ti_1", "1080ti_32", "1080ti_64", *_HELP_CPUS_AND_PHONES)
HELP_FBNET_VALID = ("titanx_1", "titanx_32", "titanx_64", "gold_6240")
HELP_FBNET_TEST = ("fpga", "raspi4", "eyeriss")
_OFA_GPUS = ("2080ti", "titan_xp", "v100")
HELP_OFA_TRAIN = tuple(f"{gpu}_{batch}" for gpu in _OFA_GPUS for batch in (1, 32, 64))
HELP_OFA_VALID = ("titan_rtx_1", "titan_rtx_32")
HELP_OFA_TEST = ("titan_rtx_64",)
TRIM = 0.1
"""HELP drops this share of the slowest and of the fastest networks, of the pool and of the queries alike."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One task: known devices, unseen devices, and which networks may be measured and are asked for.

    Attributes:
        table: `nb201`, `fbnet` or `ofa`.
        pool: Rows that measurements are drawn from; None = the whole table.
        queries: Rows that are scored; None = all that were not measured.
    """

    table: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    pool: range | None = None
    queries: range | None = None


HELP = {
    "help_nb201": Protocol(
        table="nb201",
        sources=HELP_NB201_TRAIN + HELP_NB201_VALID,
        targets=HELP_NB201_TEST,
        pool=range(900),
        queries=range(900, 1900),
    ),
    "help_fbnet": Protocol(
        table="fbnet",
        sources=HELP_FBNET_TRAIN + HELP_FBNET_VALID,
        targets=HELP_FBNET_TEST,
        pool=range(4000),
        queries=range(4000, 5000),
    ),
}

OFA = Protocol(
    table="ofa",
    sources=HELP_OFA_TRAIN + HELP_OFA_VALID,
    targets=HELP_OFA_TEST,
    pool=range(4000),
    queries=range(4000, 5000),
)
"""The chip of the tested row stands among the validation rows: it is left out of the sources when fitting."""


def _fbnet(sources: tuple[str, ...], targets: tuple[str, ...]) -> Protocol:
    return Protocol(table="fbnet", sources=sources, targets=targets)


NASFLAT = {
    "FD": _fbnet(HELP_FBNET_TRAIN, ("fpga", "raspi4", "eyeriss")),
    "F1": _fbnet(
        ("2080ti_1", "essential_ph_1", "silver_4114", "titan_rtx_1", "titan_rtx_32"),
        ("eyeriss", "fpga", "raspi4", "samsung_a50", "samsung_s7"),
    ),
    "F2": _fbnet(
        ("essential_ph_1", "gold_6226", "gold_6240", "pixel3", "raspi4"),
        ("1080ti_1", "1080ti_32", "2080ti_32", "titan_rtx_1", "titanxp_1"),
    ),
    "F3": _fbnet(
        ("essential_ph_1", "pixel2", "pixel3", "raspi4", "samsung_s7"),
        ("1080ti_1", "1080ti_32", "2080ti_1", "titan_rtx_1", "titan_rtx_32"),
    ),
    "F4": _fbnet(
        (
            *("1080ti_64", "2080ti_1", "eyeriss", "gold_6226", "gold_6240"),
            *("raspi4", "samsung_s7", "silver_4210r", "titan_rtx_1", "titan_rtx_32"),
        ),
        ("1080ti_1", "pixel2", "essential_ph_1"),
    ),
    "FA": _fbnet(
        tuple(
            f"{gpu}_{batch}" for gpu in ("1080ti", "2080ti", "titan_rtx", "titanx", "titanxp") for batch in (1, 32, 64)
        ),
        ("gold_6226", "essential_ph_1", "samsung_s7", "pixel2"),
    ),
}
NASFLAT_MEASUREMENTS = 20
