"""Moments of a linear factor model, and the parameters that make them smallest by efficient GMM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lapack, matmul_toeplitz, solve_triangular
from scipy.optimize import minimize

from skfactor._kernels.long_run import lag_weights, long_run_covariance, on_calendar
from skfactor._kernels.rounding import MOMENT_PIVOT, TINY
from skfactor._typing import Float64Array, IntArray


class SingularMomentsError(Exception):
    """The covariance of the moments has no inverse."""


class UnidentifiedError(Exception):
    """Premia are not identified by these betas (N, K)."""

    def __init__(self, betas: Float64Array) -> None:
        super().__init__()
        self.betas = betas


Whiten = Callable[[Float64Array], Float64Array]


@dataclass(frozen=True)
class FactorMoments:
    """Moments eps (x) [1, f] and f - mu as functions of theta: betas (N K), gamma (P), mu (K)."""

    returns: Float64Array  # (T, N)
    factors: Float64Array  # (T, K)
    zero_beta: bool
    positions: IntArray  # (T,) on the calendar
    kernel: str | None
    lags: float = 0.0

    def unpack(self, theta: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        n, k = self.returns.shape[1], self.factors.shape[1]
        return theta[: n * k].reshape(n, k), theta[n * k : -k], theta[-k:]

    def two_pass(self) -> Float64Array:
        """Least-squares estimates, the start."""
        mean = self.factors.mean(axis=0)
        betas = np.linalg.lstsq(self.factors - mean, self.returns, rcond=None)[0].T
        exposures = np.hstack([np.ones((len(betas), int(self.zero_beta))), betas])
        gamma = np.linalg.lstsq(exposures, self.returns.mean(axis=0), rcond=None)[0]
        return np.concatenate([betas.ravel(), gamma, mean])

    def series(self, theta: Float64Array) -> Float64Array:
        """Moments of each period (T, M)."""
        betas, gamma, mu = self.unpack(theta)
        instruments = np.insert(self.factors, 0, 1.0, axis=1)
        expected = (self.factors - mu + gamma[-len(mu) :]) @ betas.T + gamma[0] * self.zero_beta
        products = (self.returns - expected)[:, :, None] * instruments[:, None, :]
        return np.hstack([products.reshape(len(products), -1), self.factors - mu])

    def jacobian(self, theta: Float64Array, weights: Any = 1.0) -> Float64Array:
        """Average (M, P) over time of the weighted derivatives of the moments."""
        betas, gamma, mu = self.unpack(theta)
        (n, k), t = betas.shape, len(self.factors)
        instruments = np.insert(self.factors, 0, 1.0, axis=1) * np.reshape(weights, (-1, 1)) / t
        own = instruments.T @ (self.factors - mu + gamma[-k:])
        loadings = np.hstack([np.ones((n, int(self.zero_beta))), betas, -betas])
        level = instruments.sum(axis=0)
        top = np.hstack([np.kron(np.eye(n), own), np.kron(loadings, level[:, None])])
        bottom = np.hstack([np.zeros((k, top.shape[1] - k)), level[0] * np.eye(k)])
        return -np.vstack([top, bottom])

    def covariance(self, series: Float64Array) -> Float64Array:
        series = series - series.mean(axis=0)
        return long_run_covariance(series, self.positions, self.kernel, self.lags)

    def whitening(self, theta: Float64Array) -> Whiten:
        """Function that gives averages of the moments unit covariance."""
        covariance = self.covariance(self.series(theta))
        scale = np.maximum(np.sqrt(np.diag(covariance)), TINY)
        factor, failed = lapack.dpotrf(covariance / scale / scale[:, None], lower=1)
        if failed or np.diagonal(factor).min() < MOMENT_PIVOT:
            raise SingularMomentsError
        scale /= np.sqrt(len(self.returns))
        return lambda x: solve_triangular(factor, (x.T / scale).T, lower=True)

    def continuously_updated(self, theta: Float64Array) -> tuple[float, Float64Array]:
        """J (scalar) with the weights at theta too, and its gradient (P,)."""
        series, t = self.series(theta), len(self.returns)
        mean = series.mean(axis=0)
        weighed = np.linalg.solve(self.covariance(series), mean)
        smooth = (series - mean) @ weighed
        if self.kernel is not None:
            calendar = on_calendar(smooth[:, None], self.positions)
            window = lag_weights(self.kernel, self.lags, len(calendar) - 1)
            places = self.positions - self.positions[0]
            smooth = matmul_toeplitz((window, window), calendar)[places, 0]
        slopes = self.jacobian(theta, 1.0 + smooth.mean() - smooth)
        return t * float(mean @ weighed), 2.0 * t * (weighed @ slopes)


def _gauss_newton(
    moments: FactorMoments, theta: Float64Array, whiten: Whiten, max_iter: int, tol: float
) -> tuple[Float64Array, float, bool]:
    """Minimize the squares of whitened averages: parameters, minimum, and whether it settled."""
    average = whiten(moments.series(theta).mean(axis=0))
    for _ in range(max_iter):
        slopes = whiten(moments.jacobian(theta))
        norm = np.sqrt(np.einsum("mp,mp->p", slopes, slopes))
        if not norm.all() or (rank := np.linalg.lstsq(slopes / norm, average))[2] < len(norm):
            raise UnidentifiedError(moments.unpack(theta)[0])
        step, size = -rank[0] / norm, 1.0
        while size > 1e-6:
            trial = whiten(moments.series(theta + size * step).mean(axis=0))
            if trial @ trial <= average @ average * (1.0 + 1e-12) + 1e-20:
                break
            size /= 2.0
        theta, average = theta + size * step, trial
        if np.linalg.norm(slopes @ step) < tol:
            return theta, float(average @ average), True
    return theta, float(average @ average), False


@dataclass(frozen=True)
class Estimate:
    """Parameters, their J statistic, and how they were reached."""

    theta: Float64Array  # (N K + P + K,)
    j: float
    n_iter: int  # updates of the weights or steps of the last minimization
    converged: bool


def estimate(
    moments: FactorMoments, theta: Float64Array, steps: str, max_iter: int, tol: float
) -> Estimate:
    """Minimize J from a start, with weights that are updated twice, to the end, or continuously."""
    iterated, updates, enough = steps == "iterated", 0, False
    while updates < (max_iter if iterated else 2) and not enough:
        before, whiten = theta, moments.whitening(theta)
        theta, j, settled = _gauss_newton(moments, theta, whiten, max_iter, tol)
        change = np.linalg.norm(whiten(moments.jacobian(theta)) @ (theta - before))
        enough, updates = iterated and bool(change < tol), updates + 1
    if steps != "continuously-updated":
        return Estimate(theta, j, updates, settled and enough == iterated)
    # With parameters in units of standard errors the Hessian of J / 2 is about one.
    scale = np.linalg.qr(moments.whitening(theta)(moments.jacobian(theta)), mode="r")

    def half_j(z: Float64Array) -> tuple[float, Float64Array]:
        value, gradient = moments.continuously_updated(theta + solve_triangular(scale, z))
        return value / 2.0, solve_triangular(scale, gradient / 2.0, trans="T")

    options: Any = {"gtol": tol, "maxiter": max_iter}
    found: Any = minimize(half_j, np.zeros(len(theta)), method="BFGS", jac=True, options=options)
    settled = bool(np.abs(found.jac).max() <= tol)
    best = theta + solve_triangular(scale, found.x)
    return Estimate(best, 2.0 * float(found.fun), max(int(found.nit), 1), settled)
