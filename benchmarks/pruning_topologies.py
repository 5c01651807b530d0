"""Topologies: one small network of every family of every space that filters are cut out of, and grouped convolutions.

Skeletons, depths, kinds of shortcuts, gates, groups, cells: whatever changes how channels hang together has a member of
its own, at the smallest width and with the cheapest blocks otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.pruning_grouped import GROUPED
from design.architecture import Architecture
from design.design import Design
from design.genes import Gene
from design.policies import full_precision
from design.space import Space
from design.spaces.mobilenet_genes import BLOCKS, FAMILIES
from design.spaces.mobilenet_skeletons import STAGES as MOBILENET_STAGES
from design.spaces.nasbench201_cells import EDGES, OPERATIONS
from design.spaces.registry import find_space
from design.spaces.resnet import BLOCKS as RESNET_DEPTHS
from design.spaces.resnet import SHORTCUTS
from design.spaces.vgg import SHORTCUTS as VGG_SHORTCUTS
from design.spaces.vgg import STAGES as VGG_DEPTHS
from design.task import Task

SMALL_SIDE, LARGE_SIDE = 16, 64
"""The smallest that all depths fit, and the smallest with stems, pools and heads for large pictures."""
BLOCKS_EACH = 2
"""Blocks of a stage: the second one adds what it reads."""
ALL_FIVE = ("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3", "none", "nor_conv_3x3")
NOTHING_ARRIVES = ("none", "none", "nor_conv_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
"""Choices of the edges of a cell; the nodes of the second one that nothing arrives at are zeros."""


class Designed(Protocol):
    """What has a design."""

    @property
    def design(self) -> Design:
        """In full precision, nothing pruned."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """A network of no space.

    Attributes:
        architecture: All of it.
    """

    architecture: Architecture

    @property
    def design(self) -> Design:
        """See Designed."""
        return Design(architecture=self.architecture, policy=full_precision(self.architecture))


@dataclass(frozen=True, kw_only=True)
class Topology:
    """One network of a space.

    Attributes:
        genes: Name -> its choice; the first one of all others (no filter removed, 32 bits).
        side: Height and width of the picture.
    """

    space: str
    genes: Mapping[str, Any]
    side: int = SMALL_SIDE

    @property
    def design(self) -> Design:
        """See Designed."""
        space: Space = find_space(self.space)
        task = Task(
            name="topology",
            input_channels=3,
            input_height=self.side,
            input_width=self.side,
            classes=10,
            dataset="none",
            trainable=False,
        )
        decoded = space.decode(task, [self._choice(gene) for gene in space.genes(task)])
        return Design(architecture=decoded.architecture, policy=full_precision(decoded.architecture))

    def _choice(self, gene: Gene) -> int:
        return gene.choices.index(self.genes[gene.name]) if gene.name in self.genes else 0


def _resnets() -> dict[str, Topology]:
    found = {
        f"resnet{depth} {shortcut}": Topology(
            space="resnet", genes={"depth": depth, "width": 0.5, "shortcut": shortcut}
        )
        for depth in RESNET_DEPTHS
        for shortcut in SHORTCUTS
    }
    large = {
        f"resnet18 {shortcut} large": Topology(
            space="resnet", genes={"depth": 18, "width": 0.5, "shortcut": shortcut}, side=LARGE_SIDE
        )
        for shortcut in SHORTCUTS
    }
    return found | large


def _vggs() -> dict[str, Topology]:
    found = {
        f"vgg {depth} {shortcut}": Topology(
            space="vgg", genes={"depth": depth, "width": 0.25, "shortcut": shortcut, "hidden": 0}
        )
        for depth in VGG_DEPTHS
        for shortcut in VGG_SHORTCUTS
    }
    hidden = {"depth": "small", "width": 0.25, "hidden": 512}
    large = {"depth": "11", "width": 0.25, "shortcut": "projection"}
    return found | {
        "vgg small hidden": Topology(space="vgg", genes=hidden),
        "vgg 11 large": Topology(space="vgg", genes=large, side=LARGE_SIDE),
    }


def _mobilenets() -> dict[str, Topology]:
    def of(skeleton: str, *, first: int = 3, expansion: float = 3, groups: int = 1, squeeze: int = 0) -> Topology:
        genes: dict[str, Any] = {"skeleton": skeleton, "width": 0.25}
        for stage in range(MOBILENET_STAGES):
            for block in range(BLOCKS):
                own = f"stage{stage + 1}.block{block + 1}"
                grouped = groups if stage == 1 else 1
                genes |= {f"{own}.expansion": expansion, f"{own}.groups": grouped, f"{own}.squeeze": squeeze}
                genes[f"{own}.kernel"] = first if not block else 3 if block < BLOCKS_EACH else 0
        return Topology(space="mobilenet", genes=genes)

    found = {
        f"{skeleton} {'gates' if squeeze else 'plain'}": of(skeleton, squeeze=squeeze)
        for skeleton in FAMILIES
        for squeeze in (0, 1)
    }
    return found | {
        "mobilenet_v2 unexpanded": of("mobilenet_v2", expansion=1),
        "mobilenet_v3 pointwise": of("mobilenet_v3", first=1),
        "fbnet unexpanded": of("fbnet", expansion=1),
        "fbnet two groups": of("fbnet", groups=2),
    }


def _cells() -> dict[str, Topology]:
    def of(operations: tuple[str, ...]) -> Topology:
        genes = {f"edge{start}{end}": own for (start, end), own in zip(EDGES, operations, strict=True)}
        return Topology(space="nasbench201", genes=genes)

    plain = {f"cell of {own}": of((own,) * len(EDGES)) for own in OPERATIONS if own.startswith("nor_conv")}
    return {"cell of all five": of(ALL_FIVE), "cell with zeros": of(NOTHING_ARRIVES)} | plain


_OF_SPACES = _resnets() | _vggs() | _mobilenets() | _cells()
TOPOLOGIES: dict[str, Designed] = {
    **_OF_SPACES,
    **{name: Own(architecture=architecture) for name, architecture in GROUPED.items()},
}
"""Name -> network."""
