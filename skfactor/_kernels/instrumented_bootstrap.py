"""Wild bootstrap of coefficients of instrumented components (Kelly, Pruitt and Su, 2019)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from skfactor._kernels.instrumented import Problem, normalized
from skfactor._typing import BoolArray, Float64Array

# A t distribution of so many degrees of freedom, scaled to a variance of one.
_FREEDOM = 5
# The null is near the optimum of its samples.
_SWEEPS = 1
_UNIT = float(np.sqrt((_FREEDOM - 2.0) / _FREEDOM))


@dataclass(frozen=True, eq=False)
class WildDraws:
    """Managed portfolios of samples under a null, and the coefficients that samples have there.

    Of date t: the fitted values of the null, plus the residuals of a random date of the model that
    is tested, times a random number of mean zero and variance one.
    """

    problem: Problem  # of the model that is tested
    expected: Float64Array  # (T, L) fitted values of the null
    residuals: Float64Array  # (T, L)
    start: Float64Array  # (L, K + M) coefficients of the null
    chosen: BoolArray  # (L, K + M) coefficients whose squares add up to the statistic
    seed: int
    max_iter: int
    tol: float

    def portfolios(self, number: int) -> Float64Array:
        """Managed portfolios (T, L) of a sample; its number alone decides them."""
        rng, t = np.random.default_rng([self.seed, number]), len(self.residuals)
        sizes = _UNIT * rng.standard_t(_FREEDOM, size=t)
        return self.expected + self.residuals[rng.integers(0, t, size=t)] * sizes[:, None]

    def statistics(self, numbers: Iterable[int]) -> Float64Array:
        """Statistic of each sample; NaN where it did not converge."""
        out = []
        for number in numbers:
            sample = self.problem.of_portfolios(self.portfolios(number))
            found = sample.solve(self.start, self.max_iter, self.tol, sweeps=_SWEEPS)
            converged = found.gradient < self.tol
            out.append(sum_of_squares(found.coefficients, self.chosen) if converged else np.nan)
        return np.array(out)


def sum_of_squares(coefficients: Float64Array, chosen: BoolArray) -> float:
    """Sum of the squares of the chosen coefficients."""
    return float(np.sum(coefficients[chosen] ** 2))


def solve_with_zeros(
    problem: Problem, start: Float64Array, free: BoolArray, max_iter: int, tol: float
) -> Float64Array:
    """The best coefficients (L, K + M) of which only the free ones (L, K + M) are not zero.

    By alternating least squares, until the gradient is below ``tol`` or ``max_iter`` sweeps are
    made. Rows of G_b are zero as a whole, which a rotation of the factors does not change.
    """
    coefficients = np.where(free, start, 0.0)
    for _ in range(max_iter):
        point = problem.at(coefficients)
        h = np.hstack([point.latent, problem.given])
        if problem.gradient_size(point, h, free) < tol:
            break
        coefficients = problem.sweep(h, free)
        coefficients, _ = normalized(coefficients, point.latent, problem.given)
    return coefficients
