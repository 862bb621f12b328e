"""How serial dependence enters the errors: a kernel and its number of lags, given or chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from skfactor._kernels.bandwidths import (
    andrews_bandwidth,
    newey_west_bandwidth,
    rule_of_thumb_bandwidth,
)
from skfactor._kernels.long_run import KERNELS, long_run_covariance, prewhitened
from skfactor._kernels.rounding import SMALLEST_DEVIATION
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_flag

RULES = ("newey-west", "andrews", "rule-of-thumb")
# What to type for errors that go by the authors' names.
NEWEY_WEST = (
    " Newey and West's errors are kernel='bartlett', with bandwidth= a number of lags or the name "
    "of a rule."
)


def names_newey_west(option: object) -> bool:
    """Whether an option names Newey and West, or HAC errors, where a kernel is meant."""
    plain = re.sub("[^a-z]", "", option.lower()) if isinstance(option, str) else ""
    return plain in ("neweywest", "nw", "hac")


@dataclass(frozen=True)
class LongRun:
    """A kernel's name or None, a number of lags or the name of a rule, and prewhitening."""

    kernel: str | None = None
    bandwidth: float | str | None = None
    prewhiten: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for unknown names and options that would have no effect."""
        check_flag(self.prewhiten, "prewhiten")
        kernel: Any = self.kernel
        given: Any = self.bandwidth
        if kernel is None:
            for name, used in (
                ("bandwidth", self.bandwidth is not None),
                ("prewhiten", self.prewhiten),
            ):
                if used:
                    raise ValueError(
                        f"{name}={getattr(self, name)!r} needs a kernel; pass kernel='bartlett' "
                        "for Newey-West."
                    )
            return
        if not isinstance(kernel, str) or kernel not in KERNELS:
            raise ValueError(
                f"kernel={kernel!r} is unknown; it is None or one of {sorted(KERNELS)}."
                + (NEWEY_WEST if names_newey_west(kernel) else "")
            )
        if given is None or (isinstance(given, str) and given in RULES):
            return
        # Numbers of NumPy too, of which not all are a float.
        if (
            isinstance(given, bool)
            or not isinstance(given, Real)
            or not 0.0 <= float(given) < np.inf
        ):
            raise ValueError(
                f"bandwidth={given!r} is neither a number of lags >= 0 nor one of {list(RULES)}."
            )

    def covariance(
        self,
        series: Float64Array,
        positions: IntArray,
        weights: Float64Array | None = None,
        combine: Float64Array | None = None,
    ) -> tuple[Float64Array, float]:
        """Long-run covariance (P, P) of a mean-zero series (T, P), and the number of lags.

        ``positions`` (T,) are places on the calendar; ``weights`` (P,) say how much each column
        counts in the choice of the lags, alike by default. With ``combine`` (P, Q) the covariance
        is that of the combinations series @ combine, where lags and prewhitening are still those
        of the series: combinations in an arbitrary basis do not depend on the basis then.

        Columns are measured in their standard deviations before anything is chosen or capped, so
        that the units of one do not matter to the others.
        """
        combined = series if combine is None else series @ combine
        if self.kernel is None:
            return long_run_covariance(combined, positions), 0.0
        weights = np.ones(series.shape[1]) if weights is None else weights
        if self.prewhiten:
            n_pairs, n_series = np.count_nonzero(np.diff(positions) == 1), series.shape[1]
            if n_pairs <= n_series:
                raise ValueError(
                    f"prewhiten=True regresses {n_series} series on the date before, and only "
                    f"{n_pairs} of the {len(series)} dates follow another: the autoregression fits "
                    "exactly and no variance is left. Pass prewhiten=False, or more dates."
                )
        units = _units(series)
        scaled = series / units
        lags = self._lags(scaled, positions, weights)
        if not self.prewhiten:
            return long_run_covariance(combined, positions, self.kernel, lags), lags
        covariance = long_run_covariance(scaled, positions, self.kernel, lags, prewhiten=True)
        back = np.diag(units) if combine is None else units[:, None] * combine
        return back.T @ covariance @ back, lags

    def _lags(self, series: Float64Array, positions: IntArray, weights: Float64Array) -> float:
        assert self.kernel is not None
        n_dates, n_places = len(series), int(positions[-1] - positions[0]) + 1
        if self.bandwidth is not None and not isinstance(self.bandwidth, str):
            if self.bandwidth >= n_places:
                raise ValueError(
                    f"bandwidth={self.bandwidth} lags need a longer sample: there are {n_places} "
                    "dates."
                )
            return float(self.bandwidth)
        if self.bandwidth == "rule-of-thumb":
            return rule_of_thumb_bandwidth(n_dates)
        if self.prewhiten:
            series, positions, _ = prewhitened(series, positions)
        if self.bandwidth == "andrews":
            return andrews_bandwidth(series, positions, self.kernel, weights)
        before = n_dates if self.prewhiten else None
        return newey_west_bandwidth(series, positions, self.kernel, weights, before)


def _units(series: Float64Array) -> Float64Array:
    """Standard deviations of mean-zero series (T, P); those of rounding have the largest one."""
    units: Float64Array = np.sqrt(np.mean(series**2, axis=0))
    largest = units.max(initial=0.0)
    return np.where(units > SMALLEST_DEVIATION * largest, units, largest or 1.0)
