"""How tests of many restrictions are judged in samples of any size: their options and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from skfactor._kernels.wild_bootstrap import random_signs, shares_as_large
from skfactor._kernels.wild_pricing import Covariances, autoregressive, mean_squares, signed
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_seed, is_whole
from skfactor._warn import warn_user
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import TestResult, f_test, raise_if_few_cosines

# Fewer draws have no p-value below 5%.
_FEWEST_DRAWS, _MOST_DRAWS = 19, 100_000
# Draws of fewer dates are too similar.
_FEWEST_DATES = 20
# Where F forms hold their size, by simulation: assets as a share of the dates, and the squared
# Sharpe ratio that the premia imply, a period. With many dates for each asset it may be larger.
_LARGEST_SHARE, _LARGEST_SHARPE = 0.2, 0.1
_SMALL_SHARE, _SHARPE_OF_MANY_DATES = 0.025, 0.15
# The autoregressions of a wild bootstrap need so many dates, where betas are estimated too.
_FEWEST_SERIAL_DATES = 120


def check_small_sample(small_sample: object) -> bool | str:
    """True, False or ``"wild"``; ``"auto"`` is True."""
    if isinstance(small_sample, str) and small_sample in ("auto", "wild"):
        return True if small_sample == "auto" else "wild"
    if isinstance(small_sample, bool):
        return small_sample
    raise ValueError(
        f"small_sample={small_sample!r} is unknown; it is 'auto', True, False or 'wild'."
    )


def check_draws(n_draws: int, random_state: Any) -> None:
    """Raise ``ValueError`` for an invalid number of draws or seed."""
    if not is_whole(n_draws) or not _FEWEST_DRAWS <= n_draws <= _MOST_DRAWS:
        raise ValueError(
            f"n_draws={n_draws!r} has to be a whole number from {_FEWEST_DRAWS} to "
            f"{_MOST_DRAWS:,}: fewer draws have no p-value below 5%."
        )
    check_seed(random_state)


@dataclass(frozen=True)
class SmallSample:
    """The options ``small_sample``, ``n_draws`` and ``random_state`` of a test."""

    small_sample: Any = "auto"
    n_draws: int = 999
    random_state: int = 0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for values that mean nothing."""
        check_small_sample(self.small_sample)
        check_draws(self.n_draws, self.random_state)

    def choose(self, what: str, long_run: LongRun, n_dates: int, *, two_pass: bool) -> str:
        """``"asymptotic"``, ``"exact"``, ``"cosines"`` or ``"wild"``; warn where it does not hold.

        ``"exact"`` is the small-sample distribution, which no kernel has; ``two_pass`` says whether
        premia are estimated from betas.
        """
        form = check_small_sample(self.small_sample)
        if long_run.is_cosines and (form == "wild" or not form):
            raise ValueError(
                f"small_sample={self.small_sample!r}: with kernel='ewc' {what} has the F "
                "distribution of its cosines. Leave small_sample out, or use kernel='bartlett'."
            )
        if form == "wild":
            if long_run.prewhiten:
                raise ValueError(
                    "small_sample='wild' draws residuals from autoregressions of their own. Leave "
                    "prewhiten=True out."
                )
            if long_run.kernel is not None and two_pass and n_dates < _FEWEST_SERIAL_DATES:
                warn_user(
                    f"With serial dependence {what} holds its size from {_FEWEST_SERIAL_DATES} "
                    f"dates on, and there are {n_dates}: it rejects true models too often.",
                    SmallSampleWarning,
                )
            return "wild"
        if not form:
            return "asymptotic"
        if long_run.kernel is None:
            return "exact"
        if long_run.is_cosines:
            return "cosines"
        if self.small_sample is True:
            raise ValueError(
                f"small_sample=True: {what} has no form for small samples with a kernel. Pass "
                "small_sample='wild', or False for the asymptotic distribution."
            )
        warn_user(
            f"With a kernel the asymptotic distribution of {what} rejects true models far too "
            "often unless dates are many: small_sample='wild' does not, small_sample=False says "
            "that it is meant.",
            SmallSampleWarning,
        )
        return "asymptotic"

    def p_value(
        self,
        statistics: Callable[[Float64Array], Float64Array],
        observed: float,
        residuals: Float64Array,
        positions: IntArray | None,
        fitted: Float64Array | float = 0.0,
    ) -> float:
        """p-value of an observed statistic by a wild bootstrap.

        Parameters
        ----------
        statistics : callable
            From returns (D, T, N) to statistics (D,).
        observed : float
        residuals : ndarray of shape (T, N)
            Under the hypothesis.
        positions : ndarray of shape (T,) or None
            Places on the calendar, if residuals are to keep their serial dependence.
        fitted : ndarray of shape (T, N)
            What residuals are added to.
        """
        several = self.p_values(
            lambda returns: statistics(returns + fitted)[:, None],
            np.array([observed]),
            residuals,
            positions,
        )
        return float(several[0])

    def p_values(
        self,
        statistics: Callable[[Float64Array], Float64Array],
        observed: Float64Array,
        residuals: Float64Array,
        positions: IntArray | None,
    ) -> Float64Array:
        """As `p_value` for several observed statistics (M,), of statistics (D, M)."""
        n_dates, n_assets = residuals.shape

        def drawn(signs: Float64Array) -> Float64Array:
            if positions is None:
                return statistics(signed(residuals, signs))
            follows = np.concatenate([[False], np.diff(positions) == 1])
            return statistics(autoregressive(residuals, follows, signs))

        signs = random_signs(self.n_draws, n_dates, self.random_state)
        return shares_as_large(drawn, observed, signs, n_assets)


def cosine_test(wald: float, n_restrictions: int, n_cosines: float, null: str) -> TestResult:
    """The F test of a Wald statistic whose covariance is by cosines, as Hotelling's."""
    raise_if_few_cosines(n_restrictions, n_cosines)
    free = n_cosines - n_restrictions + 1.0
    return f_test(wald * free / (n_restrictions * n_cosines), n_restrictions, free, null)


def warn_of_limits(what: str, n_dates: int, n_assets: int, sharpe: float) -> None:
    """Warn where the F form of a test rejects true models too often.

    ``sharpe`` is premia' Vf^-1 premia, the squared Sharpe ratio that the premia imply.
    """
    found = []
    if n_assets > _LARGEST_SHARE * n_dates:
        found.append(f"{n_assets} assets are more than a fifth of the {n_dates} dates")
    many_dates = n_assets <= _SMALL_SHARE * n_dates
    largest = _SHARPE_OF_MANY_DATES if many_dates else _LARGEST_SHARPE
    if sharpe > largest:
        found.append(
            f"the premia imply a squared Sharpe ratio of {sharpe:.2f}, more than {largest}"
        )
    if found:
        warn_user(
            f"The F distribution of {what} rejects true models too often here: "
            f"{' and '.join(found)}. small_sample='wild' does not.",
            SmallSampleWarning,
        )


def covariances_of_many(long_run: LongRun, lags: float, positions: IntArray) -> Covariances:
    """Long-run covariances of many samples, with the number of lags that one of them has."""
    if long_run.kernel is None:
        return mean_squares
    known = LongRun(long_run.kernel, lags)
    return lambda series: np.stack([known.covariance(one, positions)[0] for one in series])


def check_block_length(block_length: object, n_dates: int, what: str) -> None:
    """Raise ``ValueError`` for too few dates to draw from, or an invalid mean length of blocks."""
    if n_dates < _FEWEST_DATES:
        raise ValueError(
            f"{what} draws dates, for which there have to be {_FEWEST_DATES}; found {n_dates}."
        )
    if block_length is None:
        return
    if (
        isinstance(block_length, bool)
        or not isinstance(block_length, Real)
        or not 1.0 <= float(block_length) <= n_dates / 3.0
    ):
        raise ValueError(
            f"block_length={block_length!r} has to be a number of dates from 1 to a third of the "
            f"{n_dates} dates, or there are too few blocks; None chooses it."
        )
