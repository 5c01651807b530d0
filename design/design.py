"""Design: an architecture, the precision of each of its layers, and the filters each keeps."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from design.architecture import Architecture
from design.channels import ChannelGroups, channel_groups, kept_by_group, prune
from design.errors import InvalidDesign
from design.layer import Role
from design.precision import MIN_EDGE_BITS, PrecisionPolicy
from design.pruning import PruningPlan


class Genotype(BaseModel):
    """The vector a design was decoded from: member `values` of `space` for `task`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: str
    task: str
    values: Annotated[tuple[int, ...], Field(max_length=4096)]


class Design(BaseModel):
    """What is trained, compressed and shipped.

    Attributes:
        architecture: Before pruning.
        genotype: Where it came from, if it is a member of a space; not part of its identity.

    Raises:
        InvalidDesign: A weighted layer without precision, a first convolution or classifier under 8 bits, or a plan
            that does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    policy: PrecisionPolicy
    plan: PruningPlan = PruningPlan()
    genotype: Genotype | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        weighted = {layer.name: layer for layer in self.architecture.weighted}
        if self.policy.layers.keys() != weighted.keys():
            missing = sorted(weighted.keys() - self.policy.layers.keys())
            extra = sorted(self.policy.layers.keys() - weighted.keys())
            raise InvalidDesign(
                "a precision policy must name exactly the layers with weights",
                f"nothing for {missing[:5]} and unknown {extra[:5]}",
                pointer="/policy/layers",
            )
        for name, layer in weighted.items():
            own = self.policy.layers[name]
            if layer.role in (Role.STEM, Role.CLASSIFIER) and (
                min(own.weight_bits, own.activation_bits) < MIN_EDGE_BITS
            ):
                raise InvalidDesign(
                    f"the {layer.role.value} {name!r} must have at least {MIN_EDGE_BITS} bits", str(own)
                )
        kept_by_group(self._groups, self.plan.kept)
        return self

    @cached_property
    def _groups(self) -> ChannelGroups:
        return channel_groups(self.architecture.layers, self.architecture.input_shape[0])

    @cached_property
    def pruned(self) -> Architecture:
        """The architecture that remains after pruning: what is counted, priced and run."""
        if not self.plan.kept:
            return self.architecture
        left = kept_by_group(self._groups, self.plan.kept)
        layers = prune(self.architecture.layers, self._groups, left)
        return Architecture(name=self.architecture.name, input_shape=self.architecture.input_shape, layers=layers)

    @cached_property
    def digest(self) -> str:
        """Identity: SHA-256 (hex) of layers, precisions and filters kept; names of origin do not count."""
        content = self.model_dump(mode="json", exclude={"genotype": True, "architecture": {"name"}})
        for layer in content["architecture"]["layers"]:
            if not layer["constants"]:
                del layer["constants"]  # designs without any keep the digest they had before there were constants
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
