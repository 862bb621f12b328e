"""What a kind of covariance of premia is, and what kinds have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from skfactor._passes.slopes import PremiaRecord
from skfactor._typing import Float64Array
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference


class PremiaCovariance(ABC):
    """A kind of covariance of premia, to be registered by `register_covariance`.

    A subclass says how the matrix is made of what a fit has left, and where that does not hold.

    Attributes
    ----------
    name : str
        What ``inference(covariance=...)`` calls it.
    options : tuple of str
        Keywords that it takes beside those that all kinds have; any other raises.
    holds_for_prices : bool
        Whether it also holds for prices of covariance risk, whose record has slopes and two passes
        of its own.
    needs_dates : bool
        Whether errors come from the variation over dates, so that one date has none.
    default_kernel, default_bandwidth : str or None
        The kernel, and its number of lags or rule, where none is asked for.
    is_hotelling : bool
        Whether joint tests are Hotelling's, as where a covariance is made of df + 1 independent
        sums; else W / k is taken as F with k and df degrees of freedom.

    Examples
    --------
    Hansen and Hodrick's (1980) sum of a given number of autocovariances, all with weight one, for
    returns over several periods that overlap:

    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.inference import PremiaCovariance, register_covariance
    >>> class HansenHodrick(PremiaCovariance):
    ...     name = "hansen-hodrick"
    ...     options = ("overlap",)
    ...
    ...     def compute(self, record, long_run, debiased, *, overlap):
    ...         series = record.slope_influence
    ...         total = series.T @ series
    ...         for lag in range(1, overlap):
    ...             lagged = series[lag:].T @ series[:-lag]
    ...             total += lagged + lagged.T
    ...         return total / len(series) ** 2, overlap - 1.0, float("inf")
    >>> register_covariance(HansenHodrick())
    >>> model = FamaMacBeth().fit(*make_panel(n_dates=60, random_state=0, return_X_y=True))
    >>> model.inference("hansen-hodrick", overlap=3).bandwidth
    2.0
    """

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    holds_for_prices: ClassVar[bool] = False
    needs_dates: ClassVar[bool] = True
    default_kernel: ClassVar[str | None] = None
    default_bandwidth: ClassVar[float | str | None] = None
    is_hotelling: ClassVar[bool] = True

    @abstractmethod
    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool
    ) -> tuple[Float64Array, float, float]:
        """Compute the matrix.

        Parameters
        ----------
        record : PremiaRecord
            ``lambdas`` (T, P), the slopes of the T dates that were used, and their ``dates``,
            ``positions`` on the calendar and ``date_weights``, which add up to 1; ``premia`` (P,);
            ``slope_influence`` (T, P), of each date on the premia if exposures are known;
            ``two_pass`` where betas were estimated. No slope is missing: where some are, this is
            called for the dates that estimates have in common.
        long_run : LongRun
            ``long_run.covariance(series, positions)`` is the long-run covariance of a series (T, P)
            with the kernel that was asked for, and the number of lags.
        debiased : bool
            Whether a small-sample correction is asked for.
        **options
            The declared ones that were passed.

        Returns
        -------
        matrix : ndarray of shape (P, P)
        lags : float
            Number of lags, 0 without a kernel.
        df : float
            Degrees of freedom of the t distribution, infinite for the normal one.
        """

    def infer(
        self,
        record: PremiaRecord,
        long_run: LongRun,
        debiased: bool,
        notes: tuple[str, ...],
        **options: Any,
    ) -> PremiaInference | None:
        """The whole inference, of a kind that has more than a matrix; else None."""
        return None

    def obstacle(self, record: PremiaRecord) -> str:
        """Why the kind does not hold for a record, to follow its name; empty if it does."""
        return ""

    def note(self, record: PremiaRecord) -> str:
        """What the reader of a summary has to know; empty if nothing."""
        return ""

    def detail(self, record: PremiaRecord, **options: object) -> str:
        """What tables add to the name for these options, such as "by date"; empty if nothing."""
        return ""


def debiasing(record: PremiaRecord, debiased: bool, used: int) -> float:
    """T / (T - used), or 1 if not asked for."""
    if not debiased:
        return 1.0
    n_dates = record.n_effective
    if n_dates <= used:
        raise ValueError(
            f"debiased=True divides by the number of dates minus {used}, and there are "
            f"{n_dates:g}. Pass debiased=False, or more dates."
        )
    return n_dates / (n_dates - used)


def from_influence(
    influence: Float64Array, record: PremiaRecord, long_run: LongRun, debiased: bool, *, used: int
) -> tuple[Float64Array, float]:
    """Long-run variance of an influence series (T, P) over T, and the number of lags."""
    # All premia count equally in the choice of the lags; the zero-beta rate only if it is alone.
    is_const = record.is_const
    weights = np.where(is_const.all() | ~is_const, 1.0, 0.0)
    covariance, lags = long_run.covariance(influence, record.positions, weights)
    debiased = debiased and not long_run.is_cosines  # whose t distribution is all they need
    return covariance / len(influence) * debiasing(record, debiased, used), lags
