"""Bootstrap of whole two-pass regressions: both passes are run again in draws of the dates."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._definite import cholesky_factor
from skfactor._kernels.date_draws import best_block_length, count_dates, draw_dates
from skfactor._kernels.drawn_two_pass import DrawnPasses, TwoPassSample, cosine_covariances
from skfactor._kernels.records import Record
from skfactor._kernels.rounding import FACTOR_PIVOT, FACTORS_LEFT
from skfactor._kernels.wild_bootstrap import wald_statistics
from skfactor._limits import single_blas_thread
from skfactor._passes.slopes import PremiaRecord
from skfactor._passes.two_pass import TwoPassFit
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_level, check_significance
from skfactor.inference._adjusted import AdjustedTests, adjust, check_method
from skfactor.inference._covariance_kind import PremiaCovariance
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference, TestResult
from skfactor.inference._small_sample import check_block_length, check_draws
from skfactor.inference._two_pass import INCOMPLETE, obstacle_of_two_passes, two_pass_of

_COLLINEAR = (
    "In some of the draws the factors or the betas are collinear, so that premia are not "
    "identified: dates are too few, or a factor varies on a few of them only. Drop it."
)


@dataclass(frozen=True, eq=False)
class TwoPassDraws(Record):
    """Draws of the dates of two passes, and what they make of them."""

    sample: TwoPassSample
    places: IntArray  # (n_draws, T), which dates each draw has, in its order
    block_length: float

    @cached_property
    def counts(self) -> IntArray:
        """How often each date is in each draw (n_draws, T)."""
        return count_dates(self.places)

    @cached_property
    def own(self) -> DrawnPasses:
        """The passes of the sample itself, as one draw."""
        n_dates = self.places.shape[1]
        return DrawnPasses(self.sample, np.full((1, n_dates), 1.0 / n_dates))

    @single_blas_thread  # of many small matrices
    def collect(self, of: Callable[[DrawnPasses], Float64Array], width: int) -> Float64Array:
        """What is made of the passes of each draw, from about so many numbers per draw."""
        try:
            parts = [of(passes) for passes in self.sample.batches(self.counts, width)]
        except np.linalg.LinAlgError as error:
            raise ValueError(_COLLINEAR) from error
        found = np.concatenate(parts)
        if not np.isfinite(found).all():
            raise ValueError(_COLLINEAR)
        return found

    @cached_property
    def premia(self) -> Float64Array:
        """Premia (n_draws, P)."""
        scale = np.sqrt(np.diag(self.own.factor_covariance[0]))

        def identified(passes: DrawnPasses) -> Float64Array:
            correlations = passes.factor_covariance / scale / scale[:, None]
            if np.linalg.eigvalsh(correlations)[:, 0].min() <= FACTOR_PIVOT:
                raise ValueError(_COLLINEAR)
            return passes.premia

        return self.collect(identified, self.sample.products.shape[1])

    @property
    def _n_products(self) -> int:
        """Numbers a draw, where it has the covariances of all returns."""
        n_assets = self.sample.returns.shape[1]
        return int(2 * n_assets**2 + self.sample.products.shape[1])

    @cached_property
    def covariances(self) -> Float64Array:
        """Covariances (1 + n_draws, P, P) of the premia of the sample and of each draw.

        Shanken's where dates are drawn one by one; with blocks those of cosines, of the influence
        of the dates in their order.
        """
        if self.block_length <= 1.0:
            drawn = self.collect(DrawnPasses.shanken_covariance, self._n_products)
            return np.concatenate([self.own.shanken_covariance(), drawn])
        n_draws, n_dates = self.places.shape
        n_assets, n_premia = self.own.exposures.shape[1:]
        drawn = np.empty((n_draws, n_premia, n_premia))
        start = 0

        def serial(passes: DrawnPasses) -> Float64Array:
            nonlocal start
            series = passes.influence()
            places = self.places[start : start + len(series)]
            start += len(series)
            return cosine_covariances(np.take_along_axis(series, places[:, :, None], axis=1))

        width = n_dates * (4 * n_premia + n_assets * (self.sample.weighting == "wls"))
        drawn = self.collect(serial, max(width, self._n_products))
        return np.concatenate([cosine_covariances(self.own.influence()), drawn])


def draw_two_passes(
    fit: TwoPassFit, n_draws: Any, block_length: Any, random_state: Any, what: str
) -> TwoPassDraws:
    """Draw the dates of two passes; ``ValueError`` for options that mean nothing, or few dates."""
    check_draws(n_draws, random_state)
    passes = fit.passes
    (t, n), k = passes.returns.shape, passes.factors.shape[1]
    check_block_length(block_length, t, what)
    # A draw has about two thirds of the dates.
    needed = 2 * (n + k + 2) if fit.weighting == "gls" else 3 * (k + 2)
    if t < needed:
        raise ValueError(
            f"{what} with {n} assets and {k} factors needs {needed} dates, as a "
            f"draw has some of them several times and others not; found {t}."
        )
    length = block_length
    if length is None:
        length = max(best_block_length(slope) for slope in passes.slopes.T)
    sample = TwoPassSample(passes.factors, passes.returns, fit.weighting, fit.fit_intercept)
    return TwoPassDraws(sample, draw_dates(t, length, n_draws, random_state), float(length))


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapInference(PremiaInference):
    """Premia with the distribution that they have over draws of the dates.

    Made by ``inference("bootstrap")`` of a `skfactor.FamaMacBeth` in wide form. Standard errors are
    the standard deviations of the draws. p-values and intervals are by percentile-t: they compare a
    premium over an error of its own (Shanken's where dates are drawn one by one, with blocks that
    of cosines) with the same ratio in the draws, which is more accurate than the normal
    distribution, and symmetric.

    Attributes
    ----------
    drawn : object
        The draws, which all of this is from.
    kind : str
        ``"premia"`` or ``"alphas"``.
    assets : tuple
        Names of the assets.
    draws : DataFrame of shape (n_draws, n_premia)
        The premia of each draw.
    ratios : Series of shape (n_premia,)
        Premia over their own errors, to which the p-values belong.
    counts : ndarray of shape (n_draws, n_dates)
        How often each date is in each draw.
    places : ndarray of shape (n_draws, n_dates)
        Which dates each draw has, in its order: a fit to these rows has its premia.
    block_length : float
        Mean length of the blocks; 1 where dates are drawn one by one.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> found = model.inference("bootstrap", block_length=1)
    >>> found.conf_int().round(3)
           lower  upper
    const  0.002  0.013
    MktRF -0.007  0.006
    SMB   -0.001  0.003
    HML    0.002  0.006
    Mom    0.005  0.011
    >>> print(found.r2())
    Cross-sectional R2 = 0.8186 (0.0607), 95% [0.6995, 0.9376]
    p-value of R2 = 0: 0.0010, of R2 = 1: 0.0010
    """

    drawn: TwoPassDraws | None = None
    kind: str = "premia"
    assets: tuple[Hashable, ...] = ()

    @property
    def _draws(self) -> TwoPassDraws:
        assert self.drawn is not None
        return self.drawn

    @property
    def places(self) -> IntArray:
        """Which dates each draw has, in its order (n_draws, n_dates)."""
        return self._draws.places

    @property
    def counts(self) -> IntArray:
        """How often each date is in each draw (n_draws, n_dates)."""
        return self._draws.counts

    @property
    def block_length(self) -> float:
        """Mean length of the blocks."""
        return self._draws.block_length

    @cached_property
    def _values(self) -> Float64Array:
        """Estimates of each draw (n_draws, n)."""
        if self.kind == "premia":
            return self._draws.premia
        return self._draws.collect(lambda passes: passes.errors, self._draws.sample.returns.size)

    @cached_property
    def _own_errors(self) -> tuple[Float64Array, Float64Array]:
        """Errors by which estimates (n,) and those of draws (n_draws, n) are divided."""
        if self.kind == "premia":
            roots = np.sqrt(np.einsum("dpp->dp", self._draws.covariances))
            return roots[0], roots[1:]
        own = np.sqrt(self._draws.own.error_variances()[0])
        n = self._draws.sample.returns.shape[1]
        drawn = self._draws.collect(DrawnPasses.error_variances, 4 * n * n)
        return own, np.sqrt(drawn)

    @property
    def draws(self) -> pd.DataFrame:
        """The estimates of each draw (n_draws, n)."""
        return pd.DataFrame(self._values, columns=self.premia.index)

    @property
    def ratios(self) -> pd.Series:
        """Estimates over their own errors."""
        return self._labelled(self.premia.to_numpy() / self._own_errors[0], "t_value")

    @cached_property
    def _drawn_ratios(self) -> Float64Array:
        """Absolute deviations of draws from the estimates over their own errors (n_draws, n)."""
        deviations: Float64Array = np.abs(self._values - self.premia.to_numpy())
        return deviations / self._own_errors[1]

    @property
    def p_values(self) -> pd.Series:
        """Two-sided p-values of the hypothesis that an estimate is zero, by percentile-t."""
        above = np.count_nonzero(self._drawn_ratios >= self.ratios.abs().to_numpy(), axis=0)
        return self._labelled((1.0 + above) / (1.0 + len(self._values)), "p_value")

    @property
    def _distribution(self) -> str:
        return "bootstrap"

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Symmetric percentile-t intervals; see `PremiaInference.conf_int`."""
        check_level(level)
        half = self._own_errors[0] * np.quantile(self._drawn_ratios, level, axis=0)
        premia = self.premia.to_numpy()
        bounds = np.column_stack([premia - half, premia + half])
        return pd.DataFrame(bounds, index=self.premia.index, columns=["lower", "upper"])

    def wald_test(self, names: str | Sequence[str] | None = None) -> TestResult:
        """Test that several premia are zero together, by the draws of their Wald statistic.

        Parameters
        ----------
        names : str or list of str, optional
            The premium or premia to test; all but the zero-beta rate by default.

        Returns
        -------
        TestResult
            ``distribution`` is ``"bootstrap"``.

        Raises
        ------
        ValueError
            If a name is unknown or occurs twice, or estimates are pricing errors, whose covariance
            is singular.
        """
        chosen = self._chosen(names)
        if self.kind != "premia":
            raise ValueError(
                "The pricing errors add up to zero over the betas, so that their covariance is "
                "singular. j_test() tests all of them together."
            )
        places = self.premia.index.get_indexer(pd.Index(chosen))
        covariances = self._draws.covariances[:, places[:, None], places]
        premia = self.premia.to_numpy()[places]
        deviations = self._values[:, places] - premia
        drawn = wald_statistics(deviations, covariances[1:])
        observed = float(wald_statistics(premia[None], covariances[:1])[0])
        null = f"the premia of {', '.join(map(str, chosen))} are zero"
        return self._test(observed, drawn, (len(chosen),), null)

    def adjusted(
        self,
        method: str = "romano-wolf",
        names: str | Sequence[str] | None = None,
        *,
        significance: float = 0.05,
    ) -> AdjustedTests:
        """p-values adjusted for the number of tests; see `PremiaInference.adjusted`.

        Parameters
        ----------
        method : {"romano-wolf", "bonferroni", "holm", "bh", "by"}, default="romano-wolf"
            Romano and Wolf's step-down compares the largest of the ratios with the largest ratio in
            each draw, then the next one with that of those that are left [1]_. As it knows how
            they depend on each other it rejects more than Holm's, with the same bound on any false
            rejection.
        names : str or list of str, optional
            Which tests to count; all but the zero-beta rate by default.
        significance : float, default=0.05
            Of the rejections and of the hurdle.

        Returns
        -------
        AdjustedTests
            Its t values are ``ratios``.

        Raises
        ------
        ValueError
            If the method or a name is unknown.

        References
        ----------
        .. [1] Romano, J. P. and M. Wolf (2005), "Stepwise Multiple Testing as Formalized Data
           Snooping", Econometrica 73(4), 1237-1282.
           https://doi.org/10.1111/j.1468-0262.2005.00615.x
        """
        check_method(method, are_drawn=True)
        check_significance(significance)
        places = self.premia.index.get_indexer(pd.Index(self._chosen(names)))
        ratios, drawn = self.ratios.iloc[places], self._drawn_ratios[:, places]
        if method != "romano-wolf":
            p_values = self.p_values.iloc[places]

            def hurdles_of(p_value: float) -> Float64Array:
                return _hurdle(drawn, p_value)

            return adjust(p_values, ratios, hurdles_of, method, significance)
        observed = ratios.abs().to_numpy()
        order = np.argsort(-observed, kind="stable")
        stepped = np.empty(len(order))
        smallest, hurdle = 0.0, np.inf
        for step, place in enumerate(order):
            largest = drawn[:, order[step:]].max(axis=1)
            share = (1 + np.count_nonzero(largest >= observed[place])) / (1 + len(largest))
            smallest = stepped[place] = max(smallest, share)
            if not step or smallest <= significance:
                hurdle = float(_hurdle(largest[:, None], significance)[0])
        return AdjustedTests(
            pd.Series(stepped, ratios.index, name="p_value"),
            ratios,
            method,
            list(ratios.index),
            float(significance),
            hurdle,
        )

    def alphas(self) -> BootstrapInference:
        """Pricing errors of the assets, with the same draws.

        Returns
        -------
        BootstrapInference
            Whose estimates are the pricing errors, average returns less what betas explain.
        """
        estimates = pd.Series(self._draws.own.errors[0], list(self.assets), name="alpha")
        found = replace(self, premia=estimates, kind="alphas")
        return replace(found, cov=found.draws.cov())

    def j_test(self) -> TestResult:
        """Test that all pricing errors are zero, by draws of returns less their pricing errors.

        The statistic is that of Shanken (1985), which `skfactor.inference.shanken_test` compares
        with F. Draws of dates reject too seldom with many assets for the number of dates:
        ``j_test(model, small_sample="wild")`` of `skfactor.inference` has the right size.

        Returns
        -------
        TestResult

        Raises
        ------
        ValueError
            If some assets are combinations of others or of the factors.
        """
        own = self._draws.own
        if cholesky_factor(own.residual_covariance[0]) is None:
            raise ValueError(
                "j_test inverts the covariance of the residuals, which is singular: some assets "
                "are combinations of others and of the factors, or dates are too few. Test fewer "
                "assets."
            )
        nothing, errors = np.zeros(own.errors.shape[1]), own.errors[0]
        observed = float(own.shanken_statistics(nothing)[0])
        drawn = self._draws.collect(
            lambda passes: passes.shanken_statistics(errors), 4 * len(errors) ** 2
        )
        free = len(errors) - len(own.premia[0])
        n_dates = self.places.shape[1]
        return self._test(
            n_dates * observed, n_dates * drawn, (free,), "all pricing errors are zero"
        )

    def r2(self) -> Any:
        """Cross-sectional R squared with its error over draws, and tests that it is 0 and 1.

        For the tests returns are drawn that have no priced factor, or no pricing errors: theirs,
        less what betas explain of their averages, or less the pricing errors.

        Returns
        -------
        CrossSectionalR2
        """
        from skfactor.inference._r2 import CrossSectionalR2

        own = self._draws.own
        means = self._draws.sample.mean_returns
        k = self._draws.sample.factors.shape[1]
        observed = float(own.r2(means[None, :, None])[0, 0])
        shifts = np.column_stack(
            [np.zeros(len(means)), own.betas[0] @ own.premia[0, -k:], own.errors[0]]
        )
        drawn = self._draws.collect(
            lambda passes: passes.r2(passes.means[:, :, None] - shifts),
            self._draws.sample.returns.size,
        )
        zero = self._test(observed, drawn[:, 1], (k,), "the cross-sectional R2 is 0")
        free = len(means) - len(own.premia[0])
        one = self._test(1.0 - observed, 1.0 - drawn[:, 2], (free,), "the cross-sectional R2 is 1")
        return CrossSectionalR2(observed, float(drawn[:, 0].std(ddof=1)), zero, one)

    def compare_r2(self, model: BaseEstimator) -> TestResult:
        """Test that another model of the same returns has the same R squared, in the same draws.

        The difference is compared with how far its draws are from it, which holds for models that
        are not nested and of which neither is right; see `skfactor.inference.compare_r2`.

        Parameters
        ----------
        model : FamaMacBeth
            Fitted in wide form to the same complete returns, with the same weighting and zero-beta
            rate.

        Returns
        -------
        TestResult
            Its statistic is the difference, positive if this model explains more.

        Raises
        ------
        ValueError
            If the models are of other returns, weighting or zero-beta rate, or are nested.
        """
        _, passes = two_pass_of(model, "compare_r2")
        sample = self._draws.sample
        other = TwoPassSample(passes.factors, passes.returns, passes.weighting, passes.zero_beta)
        if not np.array_equal(other.returns, sample.returns):
            raise ValueError("compare_r2 needs models of the same returns; these differ.")
        if (other.weighting, other.zero_beta) != (sample.weighting, sample.zero_beta):
            raise ValueError("compare_r2 needs models with the same weighting and fit_intercept.")
        small, large = sorted(
            (sample.centred_factors, other.centred_factors), key=lambda f: f.shape[1]
        )
        basis, _ = np.linalg.qr(large)
        left = small - basis @ (basis.T @ small)
        if ((left**2).sum(axis=0) <= FACTORS_LEFT * (small**2).sum(axis=0)).all():
            raise ValueError(
                "The factors of one model are among those of the other. "
                "skfactor.inference.compare_r2 tests the prices of the additional factors."
            )
        draws = self._draws
        pair = [draws, TwoPassDraws(other, draws.places, draws.block_length)]
        own = [float(each.own.r2(each.own.means[:, :, None])[0, 0]) for each in pair]
        drawn = [
            each.collect(lambda passes: passes.r2(passes.means[:, :, None]), sample.returns.size)
            for each in pair
        ]
        difference = own[0] - own[1]
        deviations = np.abs((drawn[0] - drawn[1])[:, 0] - difference)
        found = self._test(abs(difference), deviations, (), "both models have the same R2")
        return replace(found, statistic=difference)

    def _test(
        self, observed: float, drawn: Float64Array, df: tuple[float, ...], null: str
    ) -> TestResult:
        p_value = (1 + np.count_nonzero(drawn >= observed)) / (1 + len(drawn))
        return TestResult(observed, float(p_value), df, "bootstrap", null)


def _hurdle(drawn: Float64Array, p_value: float) -> Float64Array:
    """Smallest values (n,) whose p-value among draws (n_draws, n) is at most a given one."""
    most = int(np.floor(p_value * (1 + len(drawn)))) - 1  # draws that may be as large
    if most < 0:
        return np.full(drawn.shape[1], np.inf)
    ordered = -np.partition(-drawn, most, axis=0)
    smallest: Float64Array = np.nextafter(ordered[most], np.inf)
    return smallest


def _describe(record: PremiaRecord, n_draws: int, block_length: float) -> dict[str, str]:
    """What summaries say of the model and the draws."""
    blocks = f"mean length {block_length:.3g}"
    return {
        **record.describe(),
        "Draws:": str(n_draws),
        "Blocks:": "none, dates one by one" if block_length == 1.0 else blocks,
    }


class BootstrapCovariance(PremiaCovariance):
    """Draws of dates, in blocks; both passes are run again in each."""

    name = "bootstrap"
    options = ("n_draws", "block_length", "random_state")

    def infer(  # type: ignore[override]  # its options are named
        self,
        record: PremiaRecord,
        long_run: LongRun,
        debiased: bool,
        notes: tuple[str, ...],
        *,
        n_draws: int = 999,
        block_length: float | None = None,
        random_state: int = 0,
    ) -> BootstrapInference:
        assert record.two_pass is not None
        if long_run.kernel is not None:
            raise ValueError(
                f"kernel={long_run.kernel!r} is not for covariance='bootstrap': blocks of dates "
                "keep the serial dependence. block_length= is their mean length, by default chosen."
            )
        if not debiased:
            raise ValueError(
                "debiased=False has no effect on covariance='bootstrap'. Leave it out."
            )
        drawn = draw_two_passes(
            record.two_pass, n_draws, block_length, random_state, "covariance='bootstrap'"
        )
        labels = record.premia.index.view()

        return BootstrapInference(
            premia=record.premia.set_axis(labels),
            cov=pd.DataFrame(np.cov(drawn.premia.T).reshape(len(labels), -1), labels, labels),
            df=np.inf,
            covariance=self.name,
            describe=partial(_describe, record, n_draws, drawn.block_length),
            notes=notes,
            n_dates=len(record.lambdas),
            drawn=drawn,
            assets=tuple(record.two_pass.returns.columns),
        )

    def compute(
        self, record: PremiaRecord, long_run: LongRun, debiased: bool, **options: Any
    ) -> tuple[Float64Array, float, float]:
        found = self.infer(record, long_run, debiased, (), **options)
        return found.cov.to_numpy(), 0.0, np.inf

    def obstacle(self, record: PremiaRecord) -> str:
        found = obstacle_of_two_passes(record)
        if found or record.two_pass is None or record.two_pass.is_complete:
            return found
        return INCOMPLETE

    def note(self, record: PremiaRecord) -> str:
        return (
            "Standard errors are those of draws of the dates; p-values and intervals are by "
            "percentile-t."
        )
