"""How serial dependence enters the errors: a kernel and its number of lags, given or chosen."""

from __future__ import annotations

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
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_flag

RULES = ("newey-west", "andrews", "rule-of-thumb")


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
        self, series: Float64Array, positions: IntArray, weights: Float64Array | None = None
    ) -> tuple[Float64Array, float]:
        """Long-run covariance (P, P) of a mean-zero series (T, P), and the number of lags.

        ``positions`` (T,) are places on the calendar; ``weights`` (P,) say how much each column
        counts in the choice of the lags, alike by default.
        """
        if self.kernel is None:
            return long_run_covariance(series, positions), 0.0
        weights = np.ones(series.shape[1]) if weights is None else weights
        if self.prewhiten:
            n_pairs, n_series = np.count_nonzero(np.diff(positions) == 1), series.shape[1]
            if n_pairs <= n_series:
                raise ValueError(
                    f"prewhiten=True regresses {n_series} series on the date before, and only "
                    f"{n_pairs} of the {len(series)} dates follow another: the autoregression fits "
                    "exactly and no variance is left. Pass prewhiten=False, or more dates."
                )
        lags = self._lags(series, positions, weights)
        return long_run_covariance(series, positions, self.kernel, lags, self.prewhiten), lags

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
