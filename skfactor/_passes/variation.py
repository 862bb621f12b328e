"""Whether columns vary within dates: what tells exposures from factor returns and constants."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from skfactor._kernels.cross_moments import CrossMoments
from skfactor._kernels.rounding import ROUNDING_UNITS
from skfactor._typing import BoolArray, Float64Array, IntArray


@dataclass(frozen=True)
class Variation:
    """Which of K columns are constant within every date, and how far their means go."""

    n_dates: int  # with two rows or more, that could show any variation
    constant: BoolArray  # (K,) within each of these dates
    lowest: Float64Array  # (K,) mean on a date, of the constant columns
    highest: Float64Array  # (K,)
    rounding: Float64Array  # (K,) in a mean

    @classmethod
    def within(cls, moments: CrossMoments, resolution: float) -> Self:
        """Variation within the segments of the moments; ``resolution`` is the data's epsilon."""
        squares = np.einsum("iis->is", moments.products)[:-1]
        return cls.of(moments.n_rows, moments.weight, moments.mean[:-1], squares, resolution)

    @classmethod
    def of(
        cls,
        n_rows: IntArray,
        weight: Float64Array,
        means: Float64Array,
        squares: Float64Array,
        resolution: float,
    ) -> Self:
        """Variation within segments of columns with means (K, S), and squares about them."""
        several = np.flatnonzero(n_rows >= 2)
        # A few dates clear almost every column; only the others are looked at on all of them.
        few = several[:50]
        rounding = ROUNDING_UNITS * resolution * np.abs(means)
        suspects = [
            k
            for k in range(len(means))
            if (squares[k, few] <= weight[few] * rounding[k, few] ** 2).all()
            and (squares[k, several] <= weight[several] * rounding[k, several] ** 2).all()
        ]
        low, high = np.full(len(means), np.inf), np.full(len(means), -np.inf)
        largest = np.zeros(len(means))
        for k in suspects:
            low[k] = means[k, several].min(initial=np.inf)
            high[k] = means[k, several].max(initial=-np.inf)
            largest[k] = rounding[k, several].max(initial=0.0)
        constant = np.isin(np.arange(len(means)), suspects)
        return cls(len(several), constant, low, high, largest)

    def __add__(self, other: Variation) -> Variation:
        """Variation within the dates of both."""
        return Variation(
            self.n_dates + other.n_dates,
            self.constant & other.constant,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            np.maximum(self.rounding, other.rounding),
        )

    def raise_if_constant(self, names: Sequence[Hashable], constant_everywhere: bool) -> None:
        """Raise for columns that vary within none of several dates but over them.

        With ``constant_everywhere`` also for those that do not vary at all.
        """
        if self.n_dates < 2:
            return
        varies = self.constant & (self.highest - self.lowest > self.rounding)
        if varies.any():
            raise ValueError(
                f"The columns {_select(names, varies)} vary over dates but not within any: "
                "these look like factor returns, not exposures. Put FactorBetas() before "
                "FamaMacBeth in a pipeline, or pass y with one column per asset."
            )
        if constant_everywhere and self.constant.any():
            raise ValueError(
                f"The columns {_select(names, self.constant)} are constant everywhere, as the "
                "intercept is. Drop them or set fit_intercept=False."
            )


def _select(names: Sequence[Hashable], which: BoolArray) -> list[Hashable]:
    return [name for name, chosen in zip(names, which, strict=True) if chosen]


# Before any date; it adds to columns of any number.
NOTHING_SEEN = Variation(0, np.array(True), np.array(np.inf), np.array(-np.inf), np.array(0.0))
