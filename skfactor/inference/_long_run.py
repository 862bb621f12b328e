"""How serial dependence enters the errors: a kernel and its number of lags, given or chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from skfactor._kernels.bandwidths import (
    andrews_bandwidth,
    newey_west_bandwidth,
    rule_of_thumb_bandwidth,
)
from skfactor._kernels.long_run import (
    COSINES,
    HANSEN_HODRICK,
    KERNELS,
    cosine_covariance,
    default_cosines,
    long_run_covariance,
    overlap_cosines,
    prewhitened,
)
from skfactor._kernels.rounding import SMALLEST_DEVIATION
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_flag
from skfactor._warn import warn_user
from skfactor.exceptions import SmallSampleWarning

# Hansen and Hodrick's errors reject too often with fewer dates than this for each of the horizon.
_DATES_OF_HORIZON = 20
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
    """A kernel's name or None, a number of lags or the name of a rule, and prewhitening.

    Of ``"ewc"`` the bandwidth is a number of cosines. ``separate`` chooses lags, and prewhitens,
    series by series: there are variances then, and no covariances.
    """

    kernel: str | None = None
    bandwidth: float | str | None = None
    prewhiten: bool = False
    separate: bool = False
    capped: bool = True  # no more automatic lags than there are dates

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for unknown names and options that would have no effect."""
        check_flag(self.prewhiten, "prewhiten")
        check_flag(self.separate, "separate")
        kernel: Any = self.kernel
        given: Any = self.bandwidth
        if kernel is None:
            for name, used in (
                ("bandwidth", self.bandwidth is not None),
                ("prewhiten", self.prewhiten),
                ("separate", self.separate),
            ):
                if used:
                    raise ValueError(
                        f"{name}={getattr(self, name)!r} needs a kernel; pass kernel='bartlett' "
                        "for Newey-West."
                    )
            return
        known = [*KERNELS, COSINES, HANSEN_HODRICK]
        if not isinstance(kernel, str) or kernel not in known:
            raise ValueError(
                f"kernel={kernel!r} is unknown; it is None or one of {sorted(known)}."
                + (NEWEY_WEST if names_newey_west(kernel) else "")
            )
        if kernel in (COSINES, HANSEN_HODRICK):
            self._check_without_rules()
            return
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

    def _check_without_rules(self) -> None:
        """Raise ``ValueError`` for options that cosines, or lags of weight one, do not have."""
        given: Any = self.bandwidth
        what, least = ("cosines", 1) if self.kernel == COSINES else ("lags", 0)
        if self.prewhiten or self.separate:
            option = "prewhiten" if self.prewhiten else "separate"
            raise ValueError(
                f"{option}=True is for the kernels {sorted(KERNELS)}, and "
                f"kernel={self.kernel!r} is not one of them. Leave it out."
            )
        if given is None and self.kernel == COSINES:
            return
        whole = isinstance(given, Integral) or (isinstance(given, Real) and float(given) % 1 == 0)
        if isinstance(given, bool) or not whole or given < least:
            needs = "; for horizons of h dates pass bandwidth=h - 1" if least == 0 else ""
            raise ValueError(
                f"bandwidth={given!r} has to be a whole number of {what} >= {least} with "
                f"kernel={self.kernel!r}{needs}."
            )

    @property
    def is_cosines(self) -> bool:
        """Whether errors are t, and joint tests F, with the number of cosines, uncorrected."""
        return self.kernel == COSINES

    def refuse_cosines(self, what: str) -> None:
        """Raise ``ValueError`` for cosines where a distribution needs a consistent estimate."""
        if self.is_cosines:
            raise ValueError(
                f"kernel='ewc' has t and F distributions of its own, and {what} has neither: its "
                "distribution needs a consistent long-run variance. Use kernel='bartlett'."
            )

    @classmethod
    def of_horizon(cls, kernel: str | None, horizon: int, n_dates: int) -> LongRun:
        """For values that each span several dates: by cosines, or with equal weights of lags."""
        if kernel is None or kernel == COSINES:
            return cls(COSINES, overlap_cosines(n_dates, horizon))
        if kernel == HANSEN_HODRICK:
            return cls(HANSEN_HODRICK, horizon - 1)
        raise ValueError(
            f"horizon={horizon} has errors by kernel='ewc' (the default with it) and "
            f"'hansen-hodrick'; with kernel={kernel!r} pass bandwidth={horizon - 1} instead."
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
        counts in the choice of the lags, equally by default. With ``combine`` (P, Q) the covariance
        is that of the combinations series @ combine, where lags and prewhitening are still those
        of the series: combinations in an arbitrary basis do not depend on the basis then.

        Columns are measured in their standard deviations before anything is chosen or capped, so
        that the units of one do not matter to the others.
        """
        combined = series if combine is None else series @ combine
        if self.kernel is None:
            return long_run_covariance(combined, positions), 0.0
        if self.is_cosines:
            return self._by_cosines(combined, positions)
        if self.kernel == HANSEN_HODRICK:
            return self._unweighted(combined, positions)
        if self.separate:
            return self._one_by_one(combined, positions)
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

    def _by_cosines(self, series: Float64Array, positions: IntArray) -> tuple[Float64Array, float]:
        n_dates = len(series)
        given = default_cosines(n_dates) if self.bandwidth is None else int(self.bandwidth)
        if given >= n_dates:
            raise ValueError(
                f"bandwidth={given} cosines need more dates than {given}; there are {n_dates}."
            )
        return cosine_covariance(series, positions, given), float(given)

    def _unweighted(self, series: Float64Array, positions: IntArray) -> tuple[Float64Array, float]:
        assert self.bandwidth is not None
        lags, n_dates = int(self.bandwidth), len(series)
        if lags >= int(positions[-1] - positions[0]) + 1:
            raise ValueError(
                f"bandwidth={lags} lags need a longer sample: there are {n_dates} dates."
            )
        covariance = long_run_covariance(series, positions, HANSEN_HODRICK, float(lags))
        if (np.diag(covariance) < 0.0).any():
            raise ValueError(
                "Hansen and Hodrick's variance is negative here, as lags that all weigh one allow. "
                f"Use kernel='bartlett' with bandwidth={lags}, which is never, or kernel='ewc'."
            )
        if n_dates < _DATES_OF_HORIZON * (lags + 1):
            warn_user(
                f"Hansen and Hodrick's errors for horizons of {lags + 1} dates are too small in "
                f"fewer than {_DATES_OF_HORIZON * (lags + 1)} dates, and there are {n_dates}: "
                "kernel='ewc' holds its size.",
                SmallSampleWarning,
            )
        return covariance, float(lags)

    def _one_by_one(self, series: Float64Array, positions: IntArray) -> tuple[Float64Array, float]:
        """Variances of each series with lags of its own, NaN beside; the most lags."""
        alone = replace(self, separate=False, capped=False)
        found = [alone.covariance(series[:, [p]], positions) for p in range(series.shape[1])]
        matrix = np.full((len(found), len(found)), np.nan)
        np.fill_diagonal(matrix, [variance[0, 0] for variance, _ in found])
        return matrix, max(lags for _, lags in found)

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
        return newey_west_bandwidth(
            series, positions, self.kernel, weights, before, capped=self.capped
        )


def _units(series: Float64Array) -> Float64Array:
    """Standard deviations of mean-zero series (T, P); those of rounding have the largest one."""
    units: Float64Array = np.sqrt(np.mean(series**2, axis=0))
    largest = units.max(initial=0.0)
    return np.where(units > SMALLEST_DEVIATION * largest, units, largest or 1.0)
