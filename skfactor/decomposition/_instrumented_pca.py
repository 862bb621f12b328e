"""InstrumentedPCA: latent factors whose exposures are functions of characteristics."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from skfactor._fitting import fit_task, fitting
from skfactor._limits import single_blas_thread
from skfactor._sklearn import Interval
from skfactor._typing import Float64Array, RandomState, RowLabels
from skfactor._validation import remember_names
from skfactor.decomposition._instrumented_model import (
    INSTRUMENTED_CONSTRAINTS,
    InstrumentedModel,
    sums_of_rows,
)
from skfactor.decomposition._instrumented_sums import InstrumentedSums


class InstrumentedPCA(InstrumentedModel):
    r"""Latent factors whose exposures are linear in characteristics (IPCA).

    .. math:: r_{it} = z_{it}' (\Gamma_\alpha + \Gamma_\beta f_t + \Gamma_\delta g_t) + e_{it}

    Characteristics z, known before the return r, tell how an asset loads on K factors f that are
    not observed; coefficients :math:`\Gamma` and factors are those that leave the smallest sum of
    squares over all rows of the panel [1]_. Assets may enter and leave, and change.

    Parameters
    ----------
    n_components : int, default=1
        Number of latent factors.
    fit_alpha : bool, default=False
        Whether expected returns may depend on characteristics beyond the exposures,
        :math:`\Gamma_\alpha`.
    add_constant : bool, default=True
        Whether to add a characteristic ``"const"`` that is 1.
    premia_window : int or None, default=None
        Average the factors over this many of the last dates only.
    premia_halflife : float or None, default=None
        Average with exponential weights: a date this many dates back has half the weight.
    min_assets : int or None, default=None
        Fewest complete rows of a date; thinner dates are left out. None is ``n_components``.
    n_init : int, default=1
        Number of starts, of which the best is kept; the first is the solution for characteristics
        whose second moments do not vary, the others are random.
    max_iter : int, default=200
        Most steps from a start.
    tol : float, default=1e-10
        Size of the gradient, relative to its parts, that ends the steps.
    ridge : float, default=0.0
        Share of its average square that is added to each characteristic's own square on every
        date, as if there were assets without a return that have this characteristic alone. It
        makes collinear characteristics estimable.
    random_state : int, RandomState instance or None, default=None
        For the random starts.
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out rows that miss a characteristic or the return.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a (date, asset) index. None says that the rows have no
        dates; with dates it raises.

    Attributes
    ----------
    gamma_ : DataFrame of shape (n_characteristics, n_components)
        Coefficients of the exposures; orthonormal columns.
    gamma_alpha_ : Series of shape (n_characteristics,)
        Coefficients of alphas, orthogonal to ``gamma_``; zero without ``fit_alpha``.
    gamma_observed_ : DataFrame of shape (n_characteristics, n_observed)
        Coefficients of the exposures to the factors that were passed, orthogonal to ``gamma_``.
    factors_ : DataFrame of shape (n_dates, n_components)
        Latent factors, uncorrelated about zero, the largest first, with positive means. NaN on
        dates that were left out.
    premia_ : Series of shape (n_components + n_observed,)
        Their averages, and those of the factors that were passed.
    r2_ : DataFrame
        Explained shares of the sum of squares, of assets and of ``managed`` portfolios: ``total``,
        and ``predictive`` with the latent factors at their averages.
    managed_portfolios_ : DataFrame of shape (n_dates, n_characteristics)
        Average returns weighted by each characteristic.
    specific_variances_ : DataFrame of shape (n_assets, 2) or None
        ``variance``, the mean square of each asset's residuals, and ``n_dates``, how many there
        are. None where assets are not known.
    cross_sections_ : DataFrame
        For each date ``n_assets`` and the ``condition_number`` of the exposures' cross-products.
    n_iter_ : int
        Steps that were made.
    converged_ : bool
        Whether the gradient is below ``tol``.
    dates_ : Index of shape (n_dates,)
        All dates of the fit, ascending.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    RiskPremiumPCA : Latent factors with constant exposures, of wide returns.
    skfactor.FamaMacBeth : Characteristics are the exposures themselves.

    Notes
    -----
    The model is the same for every linear transformation of the characteristics, exposures and
    factors are not: bring characteristics to one scale on every date first, as
    `skfactor.FactorRanker` does; the authors use ranks from -1/2 to 1/2. Where their scale moves
    over time there are local optima, of which ``n_init`` finds more.

    Of each date only the averages of z r and of z z' matter. Latent factors are eliminated, and
    the explained sum of squares is maximized over the space that the columns of
    :math:`\Gamma_\beta` span: a few sweeps of alternating least squares, then Newton's method.

    No lag is applied: a row has the characteristics that were known before its return.

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
    >>> model[-1].gamma_.shape
    (5, 2)
    >>> model.predict(X).shape == y.shape
    True
    """

    __metadata_request__partial_fit: ClassVar = {"dates": True, "factors": True}
    _parameter_constraints: ClassVar = {
        **INSTRUMENTED_CONSTRAINTS,
        "n_components": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        fit_alpha: bool = False,
        add_constant: bool = True,
        premia_window: int | None = None,
        premia_halflife: float | None = None,
        min_assets: int | None = None,
        n_init: int = 1,
        max_iter: int = 200,
        tol: float = 1e-10,
        ridge: float = 0.0,
        random_state: RandomState = None,
        missing: str = "drop",
        date_level: str | int | None = "auto",
    ) -> None:
        self.n_components = n_components
        self.fit_alpha = fit_alpha
        self.add_constant = add_constant
        self.premia_window = premia_window
        self.premia_halflife = premia_halflife
        self.min_assets = min_assets
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.ridge = ridge
        self.random_state = random_state
        self.missing = missing
        self.date_level = date_level

    @property
    def _n_latent(self) -> int:
        return self.n_components

    @fitting(forget=False, one_task=False)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
    ) -> Self:
        """Add whole dates to those of earlier calls, for a panel that is not in memory at once.

        The optimum is that of one `fit` to all dates, up to ``tol``; steps start from that of the
        earlier calls. Variances of single assets are not kept: `risk_model` needs a `fit`.

        Parameters
        ----------
        X, y, sample_weight, dates, factors
            As in `fit`, the rows of dates that no earlier call had.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a date came in an earlier call, or as in `fit`.
        """
        earlier = self._read if hasattr(self, "gamma_") else None
        if earlier is not None and (earlier.names[-1:] == ("const",)) != self.add_constant:
            raise ValueError("add_constant was changed after dates had been fitted.")
        rows = self._read_rows(X, y, sample_weight, dates, reset=earlier is None)
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            read = self._sums_of(rows, factors, done)
            self._factors = factors
            self._finish(read if earlier is None else earlier + read, self._warm_start())
            self.specific_variances_ = None
        return self

    def _warm_start(self) -> Float64Array | None:
        """Coefficients of an earlier fit of the same model; None if there was none."""
        if not hasattr(self, "gamma_") or self.gamma_.shape[1] != self.n_components:
            return None
        parts = [self.gamma_.to_numpy()]
        if self.fit_alpha:
            parts.append(self.gamma_alpha_.to_numpy()[:, None])
        return np.hstack([*parts, self.gamma_observed_.to_numpy()])

    @single_blas_thread
    def read_sums(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
    ) -> InstrumentedSums:
        """Sums of some whole dates, for `fit_sums`; the model stays as it is.

        Parameters
        ----------
        X, y, sample_weight, dates, factors
            As in `fit`.

        Returns
        -------
        InstrumentedSums
            ``a + b`` are those of the dates of both; they may be made in different processes.

        Raises
        ------
        ValueError
            As in `fit`, for what can be seen of these rows.
        """
        return sums_of_rows(clone(self), X, y, sample_weight, dates, factors)

    @fitting(forget=True)
    def fit_sums(self, sums: InstrumentedSums) -> Self:
        """Fit to the sums of all dates, as `read_sums` made them of parts.

        The numbers are those of `fit` to all rows. Variances of single assets are not known:
        `risk_model` needs a `fit`.

        Parameters
        ----------
        sums : InstrumentedSums
            Those of all parts, added up.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If it is something else.
        ValueError
            As in `fit`, or if ``add_constant`` is not that of `read_sums`.
        """
        if not isinstance(sums, InstrumentedSums):
            raise TypeError(f"sums has to come from read_sums; found {type(sums).__name__}.")
        if (sums.names[-1:] == ("const",)) != self.add_constant:
            raise ValueError("The sums were made with another add_constant.")
        self._names = list(sums.names[: len(sums.names) - self.add_constant])
        remember_names(self, self._names, sums.has_text_names)
        self.column_labels_ = None
        self._factors = None
        self._finish(sums, None)
        self.specific_variances_ = None
        return self
