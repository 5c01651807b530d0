"""The model card of the shipped power effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from predictors.energy_tables import EnergyTable
from predictors.power_effects import FORM, KINDS, PowerEffects

_CARD = """# Model card: power effects

Energy of a call on a device never metered: the closed form over the predicted time, times what published energies say
of its kind (`predictors/power_effects.py`). Form {form}, digest `{digest}`. Predictions, not measurements.

Fitted by `python -m predictors.fit_energy --data DIR` on {devices} devices:

| table | device | kind | what it is | rail | settings | records |
|---|---|---|---|---|---|---|
{tables}

Variances of the mixed model: {variances}.

What a further device of each kind is taken to draw over the closed form at the same time (median and 90 %), energy all
static:

| kind | median | 90 % |
|---|---|---|
{kinds}

Scores of devices left out: `python -m benchmarks.cross_device`, key `energy`; these weights have seen every device
above, so a score of theirs on those says nothing.

Limits: three chip families and one module were metered as a whole, one board on the rail of its cores alone with idle
power subtracted; the FPGA's energy is 7 W x latency, Eyeriss and Bit Fusion are models. Supply voltage moves a
microcontroller's power by 1.7 from 1.8 to 3 V and is not part of a profile. Nothing is known of phones.
"""


def energy_card(tables: Sequence[EnergyTable], found: PowerEffects, variances: str, digest: str) -> str:
    """The card in Markdown."""
    settings = Counter((table.name, table.family, table.profile.kind, table.origin, table.rail) for table in tables)
    lines = []
    for (name, family, kind, origin, rail), count in settings.items():
        number = sum(len(table) for table in tables if (table.name, table.family) == (name, family))
        lines.append(f"| {name} | {family} | {kind.value} | {origin} | {rail} | {count} | {number} |")
    kinds = []
    for place, kind in enumerate(KINDS):
        level, spread = found.means[place, 0], np.sqrt(found.covariances[place, 0, 0] + found.noise)
        low, high = np.exp(level - 1.645 * spread), np.exp(level + 1.645 * spread)
        kinds.append(f"| {kind.value} | {np.exp(level):.2f} | {low:.2f} to {high:.2f} |")
    return _CARD.format(
        form=FORM,
        digest=digest[:16],
        devices=len({table.family for table in tables}),
        tables="\n".join(lines),
        variances=variances,
        kinds="\n".join(kinds),
    )
