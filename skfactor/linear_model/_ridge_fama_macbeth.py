"""RidgeFamaMacBeth: penalized cross-sectional regressions, for many characteristics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import ClassVar, Self

from numpy.typing import ArrayLike
from sklearn.utils import Tags

from skfactor._fitting import fitting
from skfactor._kernels.ridge import solve_ridge
from skfactor._passes.slopes import Fits
from skfactor._sklearn import Interval
from skfactor._typing import RowLabels
from skfactor._validation import check_one_column, raise_if_empty
from skfactor.linear_model._panel_fit import PanelRegression
from skfactor.linear_model._premia_model import PREMIA_CONSTRAINTS


class RidgeFamaMacBeth(PanelRegression):
    r"""Fama-MacBeth regressions with a ridge penalty, for many characteristics.

    On each date the returns of the assets are regressed on exposures that are standardized within
    the date, with a penalty on the squares of their slopes [1]_; the premia are the averages of
    these slopes over time. With a penalty there may be more exposures than assets on a date, and
    exposures may be collinear. For panels only: `y` has one column.

    Parameters
    ----------
    alpha : float, default=1.0
        The penalty, in the units of a correlation: on n uncorrelated exposures slopes shrink by
        the factor 1 / (1 + alpha), whatever the number of assets and the units of the exposures.
        0 is `FamaMacBeth`. To choose it, use ``GridSearchCV`` on a grid of powers of ten.
    fit_intercept : bool, default=True
        Whether to estimate the zero-beta rate, the column ``"const"``; it is not penalized.
        Without it exposures are divided by their root mean squares and not centred.
    min_assets : int or None, default=None
        Fewest assets on a date; thinner dates get NaN. None is 2, or 1 without an intercept, and
        with ``alpha=0`` the number of coefficients.
    premia_window, premia_halflife, missing, rank_deficient, date_level
        As in `FamaMacBeth`. Dates on which no exposure varies are those that are deficient.

    Attributes
    ----------
    lambdas_ : DataFrame of shape (n_dates, n_premia)
        Slopes of each date, in the units of the returns per unit of the exposures as they were
        passed; ``"const"`` first. Dates that could not be estimated are NaN.
    cross_sections_ : DataFrame
        For each date ``n_assets``, ``r2``, ``adj_r2`` with the effective number of coefficients,
        and the ``condition_number`` of the standardized exposures together with the penalty.
    premia_, coef_, intercept_, dates_, n_features_in_, feature_names_in_
        As in `FamaMacBeth`.

    See Also
    --------
    FamaMacBeth : Without a penalty, and with first-pass betas.

    Notes
    -----
    With :math:`z_{ik} = (x_{ik} - \bar x_k) / s_k` the exposures of asset i on a date, standardized
    by the weighted mean and standard deviation of that date (divisor n), and weights
    :math:`w_i` that add up to one (1 / n without ``sample_weight``), the date's slopes minimize

    .. math::
        \sum_i w_i \Bigl(r_i - a - \sum_k z_{ik} \theta_k\Bigr)^2 + \alpha \sum_k \theta_k^2 ,

    which is :math:`\theta = (C + \alpha I)^{-1} c` with C the correlations of the exposures and c
    their standardized covariances with the returns. scikit-learn's ``Ridge(alpha=n * alpha)`` on z
    has the same solution. Reported are :math:`\lambda_k = \theta_k / s_k` and
    :math:`\lambda_0 = \bar r - \sum_k \bar x_k \lambda_k`, so that `predict` is
    :math:`\lambda_0 + x' \lambda` for exposures as they are.

    An exposure that is constant on a date has slope 0 there, as a penalty implies when the data
    say nothing. The standard errors of `inference` are those of the average of the shrunk slopes:
    they do not tell how far shrinking has moved it.

    References
    ----------
    .. [1] Hoerl, A. E. and R. W. Kennard (1970), "Ridge Regression: Biased Estimation for
       Nonorthogonal Problems", Technometrics 12(1), 55-67.
       https://doi.org/10.1080/00401706.1970.10488634

    Examples
    --------
    >>> from skfactor import RidgeFamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> model = RidgeFamaMacBeth(alpha=0.1).fit(X, y)
    >>> model.predict(X).shape == y.shape
    True
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    __metadata_request__partial_fit: ClassVar = {"dates": True}
    _fama_macbeth_note: ClassVar = (
        "Exposures taken as known. Slopes are shrunk by a penalty; that bias is in no error."
    )
    _parameter_constraints: ClassVar = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        **PREMIA_CONSTRAINTS,
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        premia_window: int | None = None,
        premia_halflife: float | None = None,
        min_assets: int | None = None,
        missing: str = "drop",
        rank_deficient: str = "nan",
        date_level: str | int | None = "auto",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.premia_window = premia_window
        self.premia_halflife = premia_halflife
        self.min_assets = min_assets
        self.missing = missing
        self.rank_deficient = rank_deficient
        self.date_level = date_level

    @fitting(one_task=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Self:
        """Estimate the premia.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Exposures or characteristics of each row.
        y : array-like of shape (n_rows,)
            Returns, in decimals.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row in its date's regression and standardization.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X or y. A scalar: one cross-section.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y has several columns, date and asset do not identify the rows, a value is
            infinite or text, columns are constant everywhere, or no date can be estimated.

        Warns
        -----
        RankDeficientWarning
            If some dates could not be estimated; their slopes are NaN.
        NoDatesWarning
            If there are no dates anywhere, so that all rows make one cross-section.
        """
        values, target = self._validate(X, y, reset=True)
        raise_if_empty(target)
        check_one_column(
            target,
            "RidgeFamaMacBeth takes panels, with exposures",
            "Stack the returns by (date, asset), or use FamaMacBeth, which estimates the exposures "
            "itself.",
        )
        self._fit_panel(values, target, X, y, {"sample_weight": sample_weight}, dates)
        return self

    def _fewest_assets(self) -> int:
        if self.alpha == 0.0:
            return super()._fewest_assets()
        return max(self.min_assets or 0, 1 + self.fit_intercept)

    def _solver(self) -> Callable[..., Fits]:
        if self.alpha == 0.0:
            return super()._solver()
        return partial(solve_ridge, alpha=float(self.alpha))

    def _facts(self) -> dict[str, str]:
        return {"Penalty:": f"{self.alpha:g}"}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags
