"""GeneTables: what the genes of many genotypes stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from design.activation_steps import LEARNED_BITS
from design.encoding import IntArray
from design.precision import Precision


class GeneTables:
    """What the genes of N genotypes stand for, each gene looked up once."""

    def __init__(
        self, values: IntArray, precisions: Sequence[tuple[Precision, ...]], choices: Sequence[tuple[Any, ...]]
    ) -> None:
        self.values = values
        self.choices = choices
        self._precisions = precisions
        self._found: dict[tuple[str, int], IntArray] = {}

    def weight_bits(self, gene: int) -> IntArray:
        """Weight bits that a gene sets, N."""
        return self._look_up("weight", gene, [one.weight_bits for one in self._precisions[gene]])

    def activation_bits(self, gene: int) -> IntArray:
        """Activation bits that a gene sets, N."""
        return self._look_up("activation", gene, [one.activation_bits for one in self._precisions[gene]])

    def reads_signs(self, gene: int) -> IntArray:
        """1 where a gene sets activations of one bit, N."""
        return self._look_up("signs", gene, [one.activation_bits == 1 for one in self._precisions[gene]])

    def learned(self, gene: int) -> IntArray:
        """1 where a gene of bits says some that are read in learned steps, N."""
        return self._look_up("learned", gene, [bits in LEARNED_BITS for bits in self.choices[gene]])

    def number(self, gene: int) -> IntArray:
        """The choices themselves, where they are integers, N."""
        return self._look_up("number", gene, self.choices[gene])

    def _look_up(self, what: str, gene: int, figures: Sequence[int]) -> IntArray:
        if (what, gene) not in self._found:
            self._found[what, gene] = np.array(figures, dtype=np.int64)[self.values[:, gene]]
        return self._found[what, gene]
