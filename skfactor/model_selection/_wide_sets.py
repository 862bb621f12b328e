"""Sets of factors in wide form, fitted and scored in every fold from the moments of its dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats
from scipy.linalg import solve_triangular

from skfactor._definite import are_explained, cholesky_factor
from skfactor._kernels.cross_moments import CrossMoments, complete_rows, masked_cross_moments
from skfactor._kernels.least_squares import solve_least_squares, solve_standardized
from skfactor._kernels.rounding import EPSILON, FIVE_DIGITS_LOST, SAFE_PIVOT, SAFE_SPREAD
from skfactor._kernels.threads import Done, report_nothing
from skfactor._limits import single_blas_thread
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor.model_selection._panel_sets import DateFolds, SetFits

# Regressions, of sets and folds, that are worked on together.
_SYSTEMS = 1_000

WIDE_SCORES = ("cross_sectional_r2", "neg_pricing_rmse", "sharpe")


@dataclass(frozen=True)
class WideRule:
    """How expected returns follow from the betas of assets on factors."""

    traded: bool  # premia are the means of the factors, else those of a second pass
    weighting: str = "ols"
    fit_intercept: bool = True  # of the second pass
    min_assets: int = 0


class _Sample:
    """Factors (T, K) and returns (T, N) of a fold's dates, about their means."""

    def __init__(
        self,
        factors: Float64Array,
        returns: Float64Array,
        weights: Float64Array,
        needs_covariance: bool,
    ) -> None:
        self.factors, self.returns = factors, returns
        self.mean_factors, self.mean_returns = factors.mean(axis=0), returns.mean(axis=0)
        f, r = factors - self.mean_factors, returns - self.mean_returns
        self.gram, self.cross = f.T @ f, f.T @ r
        self.squares = np.einsum("tn,tn->n", r, r)
        self.target = weights @ returns / weights.sum()  # average that the second pass explains
        self.root = cholesky_factor(r.T @ r / len(r)) if needs_covariance else None

    @cached_property
    def covariance(self) -> Float64Array:
        """Sums of products of the returns about their means (N, N)."""
        r = self.returns - self.mean_returns
        return np.asarray(r.T @ r)


class WideSets:
    """Fits and scores sets of the factors, for complete returns and factors of ascending dates."""

    @single_blas_thread
    def __init__(
        self,
        factors: Float64Array,
        returns: Float64Array,
        folds: DateFolds,
        weights: Float64Array,
        rule: WideRule,
        score: str,
    ) -> None:
        self._rule, self._score, self._folds = rule, score, folds
        self._factors, self._returns = factors, returns
        every: IntArray = np.arange(len(factors))
        self._samples = [
            _Sample(factors[dates], returns[dates], row[dates], rule.weighting == "gls")
            for dates, row in zip([*folds.trains, every], weights, strict=True)
        ]
        self._tested = [(factors[t], returns[t]) for t in folds.tests]
        if rule.weighting == "gls" and any(sample.root is None for sample in self._samples):
            raise ValueError(
                "The returns' covariance is singular: some assets are combinations of others. Drop "
                "them, or use weighting='wls'."
            )

    @property
    def n_columns(self) -> int:
        """Number of factors."""
        return int(self._factors.shape[1])

    @single_blas_thread
    @np.errstate(all="ignore")
    def fit(self, members: BoolArray, done: Done = report_nothing) -> SetFits:
        """Fit and score sets (n_sets, K)."""
        n_sets, n_folds = len(members), len(self._tested)
        scores = np.full((n_sets, n_folds), np.nan)
        premia = np.zeros((n_sets, 1 + members.shape[1]))
        extras = {"sharpe2": np.full(n_sets, np.nan)}
        if self._rule.traded:
            extras |= {"grs": np.full(n_sets, np.nan), "grs_p_value": np.full(n_sets, np.nan)}
        for which, columns, betas, coefs in self._blocks(members):
            expected = self._expected(betas, coefs)
            for f in range(n_folds):
                scores[which, f] = self._score_fold(f, columns, expected[:, f])
            premia[which, 0] = coefs[:, -1, 0]
            premia[which[:, None], 1 + columns] = coefs[:, -1, 1:]
            extras["sharpe2"][which] = _squared_sharpe(self._samples[-1], columns)
            if self._rule.traded:
                self._test_alphas(which, columns, betas[:, -1], extras)
            done(len(which))
        n_dates = np.where(np.isnan(premia).any(axis=1), 0, len(self._factors))
        return SetFits(scores, premia, n_dates, extras)

    @single_blas_thread
    @np.errstate(all="ignore")
    def losses(self, members: BoolArray) -> Float64Array:
        """Loss (n_sets, T) of each set on each tested date, fold after fold.

        The mean over assets of the squared difference of returns and expected returns.
        """
        bounds = np.cumsum([0, *(len(returns) for _, returns in self._tested)])
        losses = np.full((len(members), bounds[-1]), np.nan)
        for which, _, betas, coefs in self._blocks(members):
            expected = self._expected(betas, coefs)
            for f, (_, returns) in enumerate(self._tested):
                e, n = expected[:, f], returns.shape[1]
                squares = np.einsum("tn,tn->t", returns, returns)
                own = np.einsum("sn,sn->s", e, e)[:, None]
                losses[which, bounds[f] : bounds[f + 1]] = (
                    squares - 2.0 * (e @ returns.T) + own
                ) / n
        return losses

    def _blocks(
        self, members: BoolArray
    ) -> Iterator[tuple[IntArray, IntArray, Float64Array, Float64Array]]:
        """Sets of one size: which, their columns (n, k), betas (n, F, k, N), premia (n, F, 1 + k).

        F counts the folds and all dates. What cannot be estimated is NaN.
        """
        sizes = members.sum(axis=1)
        for size in np.unique(sizes):
            of_size = np.flatnonzero(sizes == size)
            step = max(1, _SYSTEMS // len(self._samples))
            for start in range(0, len(of_size), step):
                which = of_size[start : start + step]
                columns = np.nonzero(members[which])[1].reshape(-1, size)
                betas = self._first_pass(columns)
                if self._rule.traded:
                    coefs = np.zeros((*betas.shape[:2], 1 + size))
                    for f, sample in enumerate(self._samples):
                        coefs[:, f, 1:] = sample.mean_factors[columns]
                    coefs[np.isnan(betas).any(axis=(2, 3))] = np.nan
                else:
                    coefs = self._second_pass(columns, betas)
                yield which, columns, betas, coefs

    def _first_pass(self, columns: IntArray) -> Float64Array:
        """Betas (n, F, k, N) of all assets on sets of factors."""
        n_sets, k = columns.shape
        pairs = (columns[:, :, None], columns[:, None, :])
        # Systems last, as the factorization takes them: (k, k, n, F) and (k, N, n, F).
        gram = np.stack([s.gram[pairs] for s in self._samples], axis=-1).transpose(1, 2, 0, 3)
        cross = np.stack([s.cross[columns] for s in self._samples], axis=-1).transpose(1, 2, 0, 3)
        norm = np.sqrt(np.einsum("iisf->isf", gram))
        shape = (n_sets, len(self._samples))
        solved, pivots = solve_standardized(
            (gram / norm / norm[:, None]).reshape(k, k, -1),
            (cross / norm[:, None]).reshape(k, cross.shape[1], -1),
        )
        betas: Float64Array = solved.reshape(k, -1, *shape) / norm[:, None]
        level = np.stack(
            [len(s.factors) * s.mean_factors[columns] ** 2 for s in self._samples], axis=-1
        )
        safe = (pivots.min(axis=0) >= SAFE_PIVOT).reshape(shape)
        safe &= (norm**2 >= SAFE_SPREAD * level.transpose(1, 0, 2)).all(axis=0)
        betas = betas.transpose(2, 3, 0, 1)
        for i, f in np.argwhere(~safe):
            betas[i, f] = _betas_from_rows(self._samples[f], columns[i])
        for f, sample in enumerate(self._samples):
            if len(sample.factors) < k + 1:
                betas[:, f] = np.nan
        return betas

    def _second_pass(self, columns: IntArray, betas: Float64Array) -> Float64Array:
        """Zero-beta rates and premia (n, F, 1 + k) of each set and fold."""
        n_sets, n_all, k, n_assets = betas.shape
        rule, n_systems = self._rule, n_sets * n_all
        x = np.ascontiguousarray(betas.reshape(n_systems, k, n_assets).transpose(1, 2, 0))
        y = np.tile(np.column_stack([s.target for s in self._samples]), n_sets)
        weights, const = None, None
        usable = np.isfinite(x).all(axis=(0, 1))
        if rule.weighting == "wls":
            weights, explained = self._inverse_variances(columns, betas)
            usable &= ~explained
        if rule.weighting == "gls":
            x, y, const = self._whiten(x, y, n_sets)
            usable &= np.tile([len(s.factors) > n_assets + k + 2 for s in self._samples], n_sets)
        fit_intercept = rule.fit_intercept and rule.weighting != "gls"
        coefs = np.full((n_systems, 1 + k), np.nan)
        if not usable.any():
            return coefs.reshape(n_sets, n_all, 1 + k)
        x, y = x[:, :, usable], y[:, usable]
        weights = None if weights is None else weights[:, usable]
        moments = _asset_moments(x, y, weights)

        def rows(s: int) -> tuple[Float64Array, Float64Array, Float64Array | None]:
            return complete_rows(x[:, :, s], y[:, s], None if weights is None else weights[:, s])

        # By sizes of the whole model, whose constant is taken out where assets are whitened.
        fits = solve_least_squares(
            moments,
            rows,
            fit_intercept=fit_intercept,
            min_rows=max(rule.min_assets, k + rule.fit_intercept),
            resolution=EPSILON,
        )
        slopes = fits.coefficients[:, int(fit_intercept) :]
        coefs[usable, 0], coefs[usable, 1:] = 0.0, slopes
        if fit_intercept:
            coefs[usable, 0] = fits.coefficients[:, 0]
        elif const is not None and rule.fit_intercept:
            level = const[:, usable]
            coefs[usable, 0] = level[0] - np.einsum("sk,ks->s", slopes, level[1:])
        coefs[np.isnan(coefs).any(axis=1)] = np.nan
        return coefs.reshape(n_sets, n_all, 1 + k)

    def _inverse_variances(
        self, columns: IntArray, betas: Float64Array
    ) -> tuple[Float64Array, BoolArray]:
        """Weights (N, S) of the assets, and the systems (S,) in which one would have no bound."""
        n_sets, n_all, _, n_assets = betas.shape
        weights = np.empty((n_assets, n_sets, n_all))
        explained = np.zeros((n_sets, n_all), dtype=bool)
        for f, sample in enumerate(self._samples):
            fitted = np.einsum("skn,skn->sn", betas[:, f], sample.cross[columns])
            squares = sample.squares - fitted
            close = squares < FIVE_DIGITS_LOST * sample.squares
            for i in np.flatnonzero(close.any(axis=1)):
                chosen = sample.factors[:, columns[i]] - sample.mean_factors[columns[i]]
                left = sample.returns - sample.mean_returns - chosen @ betas[i, f]
                squares[i] = np.einsum("tn,tn->n", left, left)
                explained[i, f] = are_explained(squares[i], sample.returns).any()
            weights[:, :, f] = (len(sample.factors) / squares).T
        return weights.reshape(n_assets, -1), explained.reshape(-1)

    def _whiten(
        self, x: Float64Array, y: Float64Array, n_sets: int
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Betas (k, N, S) and returns (N, S) by the root of the covariance, less the constant.

        Also the coefficients (1 + k, S) of the constant in returns and betas.
        """
        n_all, k = len(self._samples), len(x)
        white_x, white_y = np.empty_like(x), np.empty_like(y)
        const = np.zeros((1 + k, x.shape[2]))
        for f, sample in enumerate(self._samples):
            systems = slice(f, None, n_all)
            stacked = np.concatenate([y[None, :, systems], x[:, :, systems]])
            flat = stacked.transpose(1, 0, 2).reshape(x.shape[1], -1)
            one = np.ones((x.shape[1], 1))
            assert sample.root is not None
            both = solve_triangular(
                sample.root, np.hstack([one, flat]), lower=True, check_finite=False
            )
            one, white = both[:, 0], both[:, 1:].reshape(-1, 1 + k, n_sets)
            if self._rule.fit_intercept:
                level = np.einsum("n,nks->ks", one, white) / (one @ one)
                white = white - one[:, None, None] * level
                const[:, systems] = level
            white_y[:, systems] = white[:, 0]
            white_x[:, :, systems] = white[:, 1:].transpose(1, 0, 2)
        return white_x, white_y, const

    def _expected(self, betas: Float64Array, coefs: Float64Array) -> Float64Array:
        """Expected returns (n, F, N)."""
        expected: Float64Array = coefs[:, :, :1] + np.matmul(coefs[:, :, None, 1:], betas)[:, :, 0]
        return expected

    def _score_fold(self, fold: int, columns: IntArray, expected: Float64Array) -> Float64Array:
        factors, returns = self._tested[fold]
        scores: Float64Array
        if self._score == "sharpe":
            sample = self._samples[fold]
            weights = _tangency(sample, columns)
            chosen = factors[:, columns]
            earned = np.einsum("tsk,sk->ts", chosen, weights)
            scores = earned.mean(axis=0) / earned.std(axis=0, ddof=1)
            scores[np.isnan(expected).any(axis=1)] = np.nan
            return scores
        actual = returns.mean(axis=0)
        errors = np.einsum("sn->s", (actual - expected) ** 2)
        if self._score == "neg_pricing_rmse":
            scores = -np.sqrt(errors / len(actual))
            return scores
        deviation = actual - actual.mean()
        scores = 1.0 - errors / (deviation @ deviation)
        return scores

    def _test_alphas(
        self,
        which: IntArray,
        columns: IntArray,
        betas: Float64Array,
        extras: dict[str, Float64Array],
    ) -> None:
        """The GRS test on all dates, for sets whose betas (n, k, N) are known."""
        sample = self._samples[-1]
        t, n, k = len(sample.factors), len(sample.squares), columns.shape[1]
        if t - n - k <= 0:
            return
        alphas = sample.mean_returns - np.einsum("sk,skn->sn", sample.mean_factors[columns], betas)
        fitted = np.matmul(betas.transpose(0, 2, 1), sample.cross[columns])
        residual = (sample.covariance - (fitted + fitted.transpose(0, 2, 1)) / 2.0) / t
        known = np.isfinite(residual).all(axis=(1, 2))
        residual[~known] = np.eye(n)
        try:
            solved = np.linalg.solve(residual, alphas[:, :, None])[..., 0]
        except np.linalg.LinAlgError:
            return
        distance = np.einsum("sn,sn->s", alphas, solved)
        statistic = (t - n - k) / n * distance / (1.0 + extras["sharpe2"][which])
        statistic[~known] = np.nan
        extras["grs"][which] = statistic
        extras["grs_p_value"][which] = stats.f.sf(statistic, n, t - n - k)


def _betas_from_rows(sample: _Sample, columns: IntArray) -> Float64Array:
    """Betas (k, N) from the data, by QR where moments lose digits; NaN where there are none."""
    common, targets = np.ascontiguousarray(sample.factors[:, columns].T), sample.returns.T
    fits = solve_least_squares(
        masked_cross_moments(common, targets),
        lambda i: complete_rows(common, targets[i], None),
        fit_intercept=True,
        min_rows=len(columns) + 1,
        resolution=EPSILON,
    )
    return fits.coefficients[:, 1:].T


def _asset_moments(x: Float64Array, y: Float64Array, weights: Float64Array | None) -> CrossMoments:
    """Moments over assets of betas (k, N, S) and returns (N, S) in S systems."""
    data = np.concatenate([x, y[None]])
    n_assets, n_systems = y.shape
    total = np.full(n_systems, float(n_assets)) if weights is None else weights.sum(axis=0)
    weighted = data if weights is None else data * weights
    mean = weighted.sum(axis=1) / total
    data = data - mean[:, None]
    products = np.empty((len(data), len(data), n_systems))
    for i, left in enumerate(data):
        left = left if weights is None else left * weights
        for j in range(i + 1):
            products[i, j] = products[j, i] = np.einsum("ns,ns->s", left, data[j])
    return CrossMoments(np.full(n_systems, n_assets), total, mean, products)


def _tangency(sample: _Sample, columns: IntArray) -> Float64Array:
    """Weights (n, k) of the portfolios of each set's factors with the largest Sharpe ratio."""
    covariance = sample.gram[columns[:, :, None], columns[:, None, :]] / len(sample.factors)
    mean = sample.mean_factors[columns]
    try:
        weights: Float64Array = np.linalg.solve(covariance, mean[..., None])[..., 0]
    except np.linalg.LinAlgError:  # of some set; each by itself
        weights = np.full(columns.shape, np.nan)
        for i in range(len(columns)):
            try:
                weights[i] = np.linalg.solve(covariance[i], mean[i])
            except np.linalg.LinAlgError:
                continue
    return weights


def _squared_sharpe(sample: _Sample, columns: IntArray) -> Float64Array:
    """Largest squared Sharpe ratio of each set's factors (n,), divisor T."""
    squared: Float64Array = np.einsum(
        "sk,sk->s", _tangency(sample, columns), sample.mean_factors[columns]
    )
    return squared
