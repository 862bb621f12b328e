"""InstrumentedPCAInference: tests of alphas, characteristics and observed factors."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from skfactor._kernels.instrumented import DateSums, Problem
from skfactor._kernels.instrumented_bootstrap import (
    WildDraws,
    solve_with_zeros,
    sum_of_squares,
)
from skfactor._limits import single_blas_thread
from skfactor._results import Result
from skfactor._typing import BoolArray, Float64Array, IntArray
from skfactor._warn import warn_user
from skfactor.inference import TestResult

# Samples need fewer digits than estimates: of a statistic twice as many are right.
_TOLERANCE = float("1e-6")
# Sweeps of a null in which coefficients are zero that are not a whole factor.
_MOST_SWEEPS = 2000
# Parts of the draws for each process.
_PARTS = 4


@dataclass(frozen=True, eq=False, repr=False)
class InstrumentedPCAInference(Result):
    """Tests of an `InstrumentedPCA` by a wild bootstrap; see `InstrumentedPCA.inference`.

    The statistic is a sum of squared coefficients. Samples are those of the model that is fitted
    under the null: its fitted values, plus residuals of the model without the null, of random
    dates and times random numbers with mean zero and variance one [1]_. The model without the null
    is fitted to each. A p-value is the share of samples whose statistic is as large as that of the
    data, which are counted as one of them.

    Attributes
    ----------
    n_draws : int
        Number of samples.
    seed : int
        What decides the samples.
    n_jobs : int or None
        Number of processes; it changes no number.

    References
    ----------
    .. [1] Kelly, B. T., S. Pruitt and Y. Su (2019), "Characteristics Are Covariances: A Unified
       Model of Risk and Return", Journal of Financial Economics 134(3), 501-524.
       https://doi.org/10.1016/j.jfineco.2019.05.001

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorRanker, InstrumentedPCA
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(60, 50, 4, random_state=0, return_X_y=True)
    >>> model = make_pipeline(FactorRanker(), InstrumentedPCA(2)).fit(X, y)
    >>> inference = model[-1].inference(n_draws=19, random_state=0)
    >>> test = inference.alpha_test()
    >>> test.distribution
    'wild bootstrap'
    >>> inference.characteristic_tests(["x1"]).columns.tolist()
    ['statistic', 'p_value']
    """

    sums: DateSums  # of the dates that were used
    coefficients: Float64Array  # (L, K + M), of latent factors, alphas, observed factors
    given: Float64Array  # (T, M), ones for alphas and observed factors
    names: list[Hashable]  # of the characteristics
    observed: list[Hashable]  # names of the observed factors
    n_latent: int
    has_alpha: bool
    n_draws: int
    seed: int
    n_jobs: int | None
    max_iter: int
    tol: float

    def _parts(self) -> Iterator[str]:
        yield f"Wild bootstrap of an InstrumentedPCA, {self.n_draws} draws, seed {self.seed}"
        yield "Tests: alpha_test(), characteristic_tests(), factor_tests()"

    def alpha_test(self) -> TestResult:
        r"""Test that characteristics explain no expected returns beyond exposures.

        The statistic is :math:`\Gamma_\alpha' \Gamma_\alpha`, of the model with alphas, whether it
        was fitted with them or not.

        Returns
        -------
        TestResult
        """
        k = self.n_latent
        own = self.given[:, 1:] if self.has_alpha else self.given
        given = np.column_stack([np.ones(len(own)), own])
        latent, rest = self.coefficients[:, :k], self.coefficients[:, k + self.has_alpha :]
        nothing = np.zeros((len(latent), 1))
        problem, restricted = Problem(self.sums, given, k), Problem(self.sums, own, k)
        if self.has_alpha:
            full = self.coefficients
            null = restricted.solve(np.hstack([latent, rest]), self.max_iter, self.tol).coefficients
        else:
            null = self.coefficients
            start = np.hstack([latent, nothing, rest])
            full = problem.solve(start, self.max_iter, self.tol).coefficients
        start = np.hstack([null[:, :k], nothing, null[:, k:]])
        chosen = np.zeros(full.shape, dtype=bool)
        chosen[:, k] = True
        statistic, p_value = self._test(problem, full, start, chosen)
        return TestResult(statistic, p_value, (), "wild bootstrap", "the alphas are zero")

    def characteristic_tests(self, names: Sequence[Hashable] | None = None) -> pd.DataFrame:
        r"""Test for each characteristic that no exposure to a latent factor depends on it.

        The statistic is the sum of squares of its row of :math:`\Gamma_\beta`; under the null the
        model is fitted with this row zero, and alphas and observed factors as they are.

        Parameters
        ----------
        names : sequence of names, optional
            The characteristics to test, all by default, the constant too.

        Returns
        -------
        DataFrame of shape (n_tests, 2)
            ``statistic`` and ``p_value``, of each test alone.

        Raises
        ------
        ValueError
            If a name is unknown, or there are too few characteristics for the latent factors.
        """
        chosen_names = self._chosen(names)
        if len(self.names) <= self.n_latent:
            raise ValueError(
                f"{self.n_latent} latent factors need all {len(self.names)} characteristics, so "
                "that none can be without effect. Fit fewer components."
            )
        problem = Problem(self.sums, self.given, self.n_latent)
        found = []
        for name in chosen_names:
            chosen = np.zeros(self.coefficients.shape, dtype=bool)
            chosen[self.names.index(name), : self.n_latent] = True
            start = solve_with_zeros(problem, self.coefficients, ~chosen, _MOST_SWEEPS, _TOLERANCE)
            found.append(self._test(problem, self.coefficients, start, chosen))
        return _table(found, chosen_names)

    def factor_tests(self) -> pd.DataFrame:
        r"""Test for each observed factor that no exposure to it depends on characteristics.

        The statistic is the sum of squares of its column of :math:`\Gamma_\delta`; under the null
        the model is fitted without the factor.

        Returns
        -------
        DataFrame of shape (n_observed, 2)
            ``statistic`` and ``p_value``, of each test alone.

        Raises
        ------
        ValueError
            If the model was fitted without observed factors.
        """
        if not self.observed:
            raise ValueError("The model has no observed factors. Fit with factors= to test some.")
        problem = Problem(self.sums, self.given, self.n_latent)
        found = []
        for i in range(len(self.observed)):
            place = self.has_alpha + i
            restricted = Problem(self.sums, np.delete(self.given, place, axis=1), self.n_latent)
            column = self.n_latent + place
            null = restricted.solve(
                np.delete(self.coefficients, column, axis=1), self.max_iter, self.tol
            )
            chosen = np.zeros(self.coefficients.shape, dtype=bool)
            chosen[:, column] = True
            start = np.insert(null.coefficients, column, 0.0, axis=1)
            found.append(self._test(problem, self.coefficients, start, chosen))
        return _table(found, self.observed)

    def _chosen(self, names: Sequence[Hashable] | None) -> list[Hashable]:
        if names is None:
            return list(self.names)
        chosen: list[Hashable] = [names] if isinstance(names, str) else list(names)
        unknown = [name for name in chosen if name not in self.names]
        if unknown or not chosen:
            raise ValueError(f"names={unknown or chosen} are not among {self.names}.")
        return chosen

    @single_blas_thread
    def _test(
        self, problem: Problem, full: Float64Array, start: Float64Array, chosen: BoolArray
    ) -> tuple[float, float]:
        """Statistic of the model without the null, and its p-value under the null."""
        statistic = sum_of_squares(full, chosen)
        expected = problem.x - problem.at(start).residuals
        draws = WildDraws(
            problem,
            expected,
            problem.at(full).residuals,
            start,
            chosen,
            self.seed,
            self.max_iter,
            max(self.tol, _TOLERANCE),
        )
        numbers = np.arange(self.n_draws)
        n_processes = effective_n_jobs(self.n_jobs)
        if n_processes == 1:
            sample = draws.statistics(numbers)
        else:
            parts = np.array_split(numbers, min(_PARTS * n_processes, self.n_draws))
            found = Parallel(n_jobs=self.n_jobs)(delayed(_of_part)(draws, part) for part in parts)
            sample = np.concatenate(found)
        lost = int(np.isnan(sample).sum())
        if lost:
            warn_user(
                f"{lost} of {self.n_draws} samples did not converge in {self.max_iter} steps and "
                "are left out. Raise max_iter, or use fewer components.",
                ConvergenceWarning,
            )
        larger = int(np.count_nonzero(sample >= statistic))
        return statistic, (1.0 + larger) / (1.0 + self.n_draws - lost)


@single_blas_thread
def _of_part(draws: WildDraws, numbers: IntArray) -> Float64Array:
    return draws.statistics(numbers)


def _table(found: list[tuple[float, float]], names: list[Hashable]) -> pd.DataFrame:
    index = pd.Index(names, tupleize_cols=False)
    return pd.DataFrame(found, index, ["statistic", "p_value"])
