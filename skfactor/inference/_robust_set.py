"""Premia that data do not reject, however weak the factors are: sets from an inverted test."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from scipy.linalg import helmert
from scipy.optimize import brentq

from skfactor._kernels.rounding import SAME_ESTIMATE
from skfactor._results import Result
from skfactor._typing import Float64Array
from skfactor._validation import check_flag, check_level, is_one_of, numbers, target_names
from skfactor.inference._grs import check_residuals, read_factor_sample
from skfactor.inference._premia import TestResult

# Points of a grid over all premia, and rounds in which a minimum is looked at more closely.
_POINTS, _ROUNDS = 401, 14


@dataclass(frozen=True, eq=False, repr=False)
class IdentificationRobustSet(Result):
    """Premia of one or two factors that the data do not reject.

    Made by `identification_robust_set`. It need not be an interval: where the factors are weak it
    is unbounded, where no premia price the assets it is empty.

    Attributes
    ----------
    names : list
        Names of the factors.
    level : float
        Coverage.
    target : str
        ``"ex post"`` or ``"ex ante"``.
    df : tuple of int
        Degrees of freedom of the F distribution.
    best : ndarray of shape (n_factors,)
        Premia that fit the average returns best, by generalized least squares.

    See Also
    --------
    skfactor.plotting.IdentificationRobustSetDisplay : Draws it.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import identification_robust_set
    >>> french = load_french().iloc[-240:]
    >>> returns = french.loc[:, "NoDur":"Other"].sub(french["RF"], axis=0)
    >>> print(identification_robust_set(french["MktRF"], returns))
    95% set of the ex post premia, F(11, 228)
    MktRF: [-0.009121, 0.009087]
    """

    names: list[Hashable]
    level: float
    target: str
    df: tuple[int, int]
    # In coordinates z = back (best - premia), in which the test statistic times n / nu is
    # left / s + sum z_k^2 / (s + added_k), s = 1 + premia' inverse premia.
    best: Float64Array  # (K,) premia of the best fit
    back: Float64Array  # (K, K)
    added: Float64Array  # (K,) variances of the factors there, 0 for ex post premia
    inverse: Float64Array  # (K, K) Vf^-1
    left: float  # what no premia explain

    def _ratios(self, premia: Float64Array) -> Float64Array:
        """Statistics times n / nu of premia (..., K)."""
        s = 1.0 + np.einsum("...k,kl,...l->...", premia, self.inverse, premia)
        z = (self.best - premia) @ self.back.T
        ratios: Float64Array = self.left / s + (z**2 / (s[..., None] + self.added)).sum(axis=-1)
        return ratios

    @property
    def _critical(self) -> float:
        n, nu = self.df
        return float(stats.f.ppf(self.level, n, nu)) * n / nu

    def test(self, premia: ArrayLike) -> TestResult:
        """Test that the premia are these.

        Parameters
        ----------
        premia : array-like of shape (n_factors,) or float
            In the order of ``names``.

        Returns
        -------
        TestResult

        Raises
        ------
        ValueError
            If there are not as many premia as factors.
        """
        values = np.atleast_1d(numbers(premia, "premia"))
        if values.shape != (len(self.names),) or np.isnan(values).any():
            raise ValueError(f"premia={premia!r} has to be one number for each of {self.names}.")
        n, nu = self.df
        statistic = float(self._ratios(values)) * nu / n
        said = ", ".join(f"{v:g} of {k}" for k, v in zip(self.names, values, strict=True))
        return TestResult(
            statistic, float(stats.f.sf(statistic, n, nu)), self.df, "F", f"the premium is {said}"
        )

    def p_values(self, premia: ArrayLike) -> Float64Array:
        """p-values (...,) of the tests that premia (..., K) are the true ones."""
        n, nu = self.df
        values = numbers(premia, "premia")
        p_values: Float64Array = stats.f.sf(self._ratios(values) * nu / n, n, nu)
        return p_values

    def __contains__(self, premia: object) -> bool:
        values: Any = premia
        return self.test(values).p_value >= 1.0 - self.level

    @property
    def is_bounded(self) -> bool:
        """Whether premia cannot be arbitrarily large; an empty set is bounded."""
        return self._at_infinity[0] > self._critical or self.is_empty

    @cached_property
    def _at_infinity(self) -> tuple[float, Float64Array]:
        """Smallest ratio of premia without bounds, and their direction (K,)."""
        # Far away the statistic is that of the direction alone.
        form = self.back.T @ self.back
        root = np.linalg.cholesky(np.linalg.inv(self.inverse))
        ratios, directions = np.linalg.eigh(root.T @ form @ root)
        return float(ratios[0]), root @ directions[:, 0]

    @property
    def is_empty(self) -> bool:
        """Whether all premia are rejected: the model does not price the assets."""
        return not len(self.intervals)

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """Premia of each factor that are in the set with some premium of the other.

        One row an interval, ``lower`` and ``upper``; a factor has several where its premia are
        not one interval, infinite ends where they are unbounded, and none if the set is empty.
        """
        rows, names = [], []
        for k, name in enumerate(self.names):
            found = self._project(k)
            rows += found
            names += [name] * len(found)
        ends = np.array(rows, dtype=np.float64).reshape(-1, 2)
        return pd.DataFrame(ends, pd.Index(names, name="factor"), ["lower", "upper"])

    @property
    def window(self) -> pd.DataFrame:
        """Ranges of the premia that show the set: its finite ends, and where the best premia are.

        One row a factor, ``lower`` and ``upper``.
        """
        rows = []
        for k, name in enumerate(self.names):
            ends = self.intervals.loc[self.intervals.index == name].to_numpy().ravel()
            shown = [*ends[np.isfinite(ends)], self.best[k]]
            if len(shown) < 3:
                shown += [self.best[k] - self._width(k), self.best[k] + self._width(k)]
            margin = 0.15 * (max(shown) - min(shown))
            rows.append((min(shown) - margin, max(shown) + margin))
        return pd.DataFrame(rows, pd.Index(self.names, name="factor"), ["lower", "upper"])

    def _project(self, k: int) -> list[tuple[float, float]]:
        def excess(premium: float) -> float:
            return float(self._smallest(k, np.array([premium]))[0]) - self._critical

        grid = self._grid(k)
        inside = self._smallest(k, grid) <= self._critical
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        ends = [brentq(excess, grid[i], grid[i + 1], xtol=1e-14, rtol=1e-12) for i in changes]
        if inside[0]:
            ends.insert(0, -np.inf)
        if inside[-1]:
            ends.append(np.inf)
        return list(zip(ends[::2], ends[1::2], strict=True))

    def _grid(self, k: int) -> Float64Array:
        """Premia of a factor from minus to plus infinity, dense where the best one is."""
        width = self._width(k)
        turns = np.linspace(-np.pi / 2.0, np.pi / 2.0, _POINTS)[1:-1]
        far = 1e6 * (abs(self.best[k]) + width + np.sqrt(1.0 / self.inverse[k, k]))
        return np.concatenate(
            [[self.best[k] - far], self.best[k] + width * np.tan(turns), [self.best[k] + far]]
        )

    def _width(self, k: int) -> float:
        """Half of the width that the set of a factor has where the factors are strong."""
        variance = np.linalg.inv(self.back.T @ self.back)[k, k]
        if self.added.any():
            variance += np.linalg.inv(self.inverse)[k, k]
        return float(np.sqrt(self._critical * variance))

    def _smallest(self, k: int, premia: Float64Array) -> Float64Array:
        """Smallest ratio (M,) over the premia of the other factor, of premia (M,) of one."""
        if len(self.names) == 1:
            return self._ratios(premia[:, None])
        other = np.broadcast_to(self._grid(1 - k), (len(premia), _POINTS))
        # Where the set is unbounded, the premium of the other may be far beyond any grid.
        _, direction = self._at_infinity
        if abs(direction[k]) > SAME_ESTIMATE * abs(direction[1 - k]):
            along = (premia - self.best[k]) * direction[1 - k] / direction[k]
            other = np.sort(np.column_stack([other, self.best[1 - k] + along]), axis=1)
        for _ in range(_ROUNDS):
            points = np.empty((*other.shape, 2))
            points[..., k], points[..., 1 - k] = premia[:, None], other
            ratios = self._ratios(points)
            at = ratios.argmin(axis=1)
            rows = np.arange(len(premia))
            low = other[rows, np.maximum(at - 1, 0)]
            high = other[rows, np.minimum(at + 1, other.shape[1] - 1)]
            other = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, 9)
        smallest: Float64Array = ratios.min(axis=1)
        return smallest

    def __str__(self) -> str:
        n, nu = self.df
        lines = [f"{100.0 * self.level:g}% set of the {self.target} premia, F({n}, {nu})"]
        if self.is_empty:
            lines.append("empty: no premia price the assets")
        for name, rows in self.intervals.groupby(level=0, sort=False):
            said = " and ".join(f"[{a:.4g}, {b:.4g}]" for a, b in rows.to_numpy())
            lines.append(f"{name}: {said}")
        if not self.is_bounded:
            lines.append("unbounded: the betas may not identify the premia")
        return "\n".join(lines)


def identification_robust_set(
    factors: ArrayLike,
    returns: ArrayLike,
    *,
    level: float = 0.95,
    target: str = "ex post",
    fit_intercept: bool = True,
) -> IdentificationRobustSet:
    r"""Set of the premia of one or two factors that holds if the factors are weak or useless too.

    Premia are in it that the Anderson-Rubin test of Kleibergen [1]_ does not reject,

    .. math:: \frac{\nu}{n} (\mu - B \lambda)' \left[ S (1 + \lambda' V_f^{-1} \lambda) \right]^{-1}
       (\mu - B \lambda) \sim F_{n, \nu}, \qquad \nu = T - K - n

    with n assets, or the n = N - 1 differences between assets with a zero-beta rate. It is exact
    for normal and homoskedastic residuals. Errors of `skfactor.FamaMacBeth` and their t values need
    betas that differ between assets; this does not.

    Parameters
    ----------
    factors : array-like of shape (n_periods, n_factors) or (n_periods,)
        One or two factors.
    returns : array-like of shape (n_periods, n_assets)
        Returns of the test assets over the same periods.
    level : float, default=0.95
        Coverage, between 0 and 1.
    target : {"ex post", "ex ante"}, default="ex post"
        ``"ex ante"`` are the premia; ``"ex post"`` are those plus what the factors were on average
        above their expectation, which is what a two-pass regression of one sample estimates.
        For the former :math:`B V_f B'` is added to the covariance.
    fit_intercept : bool, default=True
        Whether there is a zero-beta rate, whatever its value.

    Returns
    -------
    IdentificationRobustSet
        Possibly unbounded, empty, or of several intervals.

    Raises
    ------
    ValueError
        If there are more than two factors, too few assets or dates, a value is missing or infinite,
        the rows differ, or factors or residuals are collinear.

    Notes
    -----
    In simulations of 60 to 240 dates, 10 and 25 assets, and one or two factors that are priced,
    useless, or one of each, 95% sets of either target covered the true premia in 93 to 98 percent
    of samples with normal returns, and in 90 to 97 percent of those with multivariate t(5) ones.
    Where volatilities of factors and residuals move together, as there, the set of a useless factor
    is bounded too often, in 30 to 70 percent of the samples: look at
    `skfactor.FamaMacBeth.diagnostics` too, whose test is robust to that.

    Kleibergen's score test (GLS-LM) has no set here: it rejected true premia in 7 to 24 percent of
    such samples, by F in 6 to 14, and accepts premia that fit worst of all.

    References
    ----------
    .. [1] Kleibergen, F. (2009), "Tests of Risk Premia in Linear Factor Models", Journal of
       Econometrics 149(2), 149-173. https://doi.org/10.1016/j.jeconom.2009.01.013

    Examples
    --------
    >>> import numpy as np
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import identification_robust_set
    >>> french = load_french().iloc[-240:]
    >>> returns = french.loc[:, "NoDur":"Other"].sub(french["RF"], axis=0)
    >>> useless = np.random.default_rng(0).normal(size=240)
    >>> identification_robust_set(useless, returns).is_bounded
    False
    """
    check_level(level)
    check_flag(fit_intercept, "fit_intercept")
    if not is_one_of(target, ("ex post", "ex ante")):
        raise ValueError(f"target={target!r} is neither 'ex post' nor 'ex ante'.")
    sample = read_factor_sample(factors, returns)
    t, n, k = sample.shape
    if k > 2:
        raise ValueError(
            f"identification_robust_set is for one or two factors; found {k}. Pass two of them, or "
            "use FamaMacBeth.diagnostics for whether the betas of all identify their premia."
        )
    if n <= k + fit_intercept:
        raise ValueError(f"{k} factors need more than {k + fit_intercept} assets; found {n}.")
    _, betas, residuals = sample.regress()
    check_residuals(sample, residuals)
    means = sample.returns.mean(axis=0)
    if fit_intercept:
        differences = helmert(n)
        means, betas, residuals = (
            differences @ means,
            differences @ betas,
            residuals @ differences.T,
        )
    n = len(means)
    values = np.column_stack([means, betas])
    gram = values.T @ np.linalg.solve(residuals.T @ residuals / t, values)
    best = np.linalg.solve(gram[1:, 1:], gram[1:, 0])
    # A basis in which both the errors of the best premia and the factors are uncorrelated.
    root = np.linalg.cholesky(gram[1:, 1:])
    variances, directions = np.linalg.eigh(root.T @ sample.factor_covariance @ root)
    return IdentificationRobustSet(
        list(target_names(factors, k)) if np.ndim(factors) == 2 else [getattr(factors, "name", 0)],
        float(level),
        target,
        (n, t - k - n),
        best,
        directions.T @ root.T,
        variances if target == "ex ante" else np.zeros(k),
        np.linalg.inv(sample.factor_covariance),
        float(gram[0, 0] - gram[1:, 0] @ best),
    )
