"""FactorRiskModel: a factor model, the covariance of its factors and specific risk, together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from inspect import Parameter, signature
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from skfactor._calendar import are_up_to
from skfactor._fitting import fitting
from skfactor._panel import find_panel
from skfactor._risk_model import RiskModel
from skfactor._sklearn import CallbackSupportMixin, Estimator, HasMethods
from skfactor._typing import GroupLabels, RowLabels
from skfactor.linear_model import FundamentalFactorModel
from skfactor.risk._ewm_covariance import EWMCovariance
from skfactor.risk._specific_risk import SpecificRisk


class FactorRiskModel(CallbackSupportMixin, Estimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Risk forecasts from a factor model: its exposures, a covariance and specific variances.

    A factor model gives factor returns and residuals; of these the covariance of the factors and
    the specific variances are estimated, with more weight on recent dates. The parts together make
    a `RiskModel` after any date, also for assets that have exposures and no history.

    Parameters
    ----------
    model : estimator or None, default=None
        The factor model, one that has ``risk_model``: `FundamentalFactorModel` (the default),
        `FactorBetas`, `ReturnPCA`, `RiskPremiumPCA` or `InstrumentedPCA`.
    covariance : estimator or None, default=None
        Covariance of the factors' returns: `EWMCovariance` (the default), or any estimator that has
        ``covariance_``, such as ``sklearn.covariance.LedoitWolf``, where no return is missing.
    specific : SpecificRisk or None, default=None
        Specific variances. None is ``SpecificRisk(structural=True)``.

    Attributes
    ----------
    model_ : estimator
        The fitted factor model.
    covariance_model_ : estimator
        The covariance, fitted to all dates.
    specific_ : SpecificRisk
        The specific risk, fitted to all dates.
    factor_returns_ : DataFrame of shape (n_dates, n_factors)
        Returns of the factors.
    specific_returns_ : DataFrame of shape (n_dates, n_assets)
        What the factors leave.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    References
    ----------
    .. [1] Grinold, R. C. and R. N. Kahn (2000), "Active Portfolio Management", 2nd ed.,
       McGraw-Hill, ISBN 978-0070248823.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import EWMCovariance, FactorRiskModel, SpecificRisk
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(n_dates=60, n_assets=50, n_features=2, random_state=0, return_X_y=True)
    >>> model = FactorRiskModel(covariance=EWMCovariance(24, correlation_halflife=48),
    ...                         specific=SpecificRisk(24)).fit(X, y)
    >>> risk = model.risk_model(X.loc["2014-12"])
    >>> equal = pd.Series(1.0 / 50, risk.exposures.index)
    >>> bool(0.01 < risk.volatility(equal) < 0.05)
    True
    """

    __metadata_request__fit: ClassVar = {"dates": True, "groupby": True, "weights": True}
    _parameter_constraints: ClassVar = {
        "model": [HasMethods(["fit", "risk_model"]), None],
        "covariance": [HasMethods(["fit"]), None],
        "specific": [SpecificRisk, None],
    }

    def __init__(
        self,
        model: BaseEstimator | None = None,
        covariance: BaseEstimator | None = None,
        specific: SpecificRisk | None = None,
    ) -> None:
        self.model = model
        self.covariance = covariance
        self.specific = specific

    @fitting(holds_estimators=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        groupby: GroupLabels | None = None,
        weights: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Self:
        """Fit the factor model, and risk to what it finds.

        Parameters
        ----------
        X, y : array-like
            What the factor model takes: a panel of exposures and returns, factors and one column
            per asset, or returns alone. Of a panel exposures are those known before the return.
        groupby, weights, sample_weight, dates : optional
            Passed to the factor model. ``weights``, capitalizations, are sizes for the specific
            risk, too.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data do not give factor returns and residuals of several dates and known assets,
            or as one of the parts.
        """
        given: dict[str, object] = {
            "groupby": groupby,
            "weights": weights,
            "sample_weight": sample_weight,
            "dates": dates,
        }
        given = {name: value for name, value in given.items() if value is not None}
        model: BaseEstimator = FundamentalFactorModel()
        if self.model is not None:
            model = clone(self.model)
        _check_taken(model, y, given)
        self.model_ = model.fit(X, y, **given) if y is not None else model.fit(X, **given)
        self.n_features_in_ = self.model_.n_features_in_
        if hasattr(self.model_, "feature_names_in_"):
            self.feature_names_in_ = self.model_.feature_names_in_
        rows = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
        self._read(rows, y, dates)
        self._sizes = self._capitalizations(rows, y, weights, dates)
        covariance = EWMCovariance() if self.covariance is None else clone(self.covariance)
        self.covariance_model_ = covariance.fit(self.factor_returns_)
        specific = SpecificRisk(structural=True) if self.specific is None else self.specific
        self.specific_ = clone(specific)
        exposures = self._last.exposures if specific.structural else None
        self.specific_.fit(self.specific_returns_, exposures=exposures, weights=self._sizes)
        return self

    def _read(self, X: pd.DataFrame, y: ArrayLike | None, dates: RowLabels | None) -> None:
        """Factor returns, residuals and the last exposures, from the model's risk model."""
        is_panel = y is not None and np.ndim(y) == 1
        panel = find_panel(X, y, n_rows=len(X), dates=dates) if is_panel else None
        if panel is None or not hasattr(self.model_, "transform"):
            self._last = self.model_.risk_model()
            returns, left = self._last.factor_returns, self._last.specific_returns
        else:  # exposures by row, which the model does not keep
            if panel.assets is None:
                raise ValueError("The assets of the rows are not known. Index X by (date, asset).")
            at_end = panel.dates.codes == len(panel.dates) - 1
            self._last = self.model_.risk_model(X[at_end])
            returns = self._last.factor_returns
            assert returns is not None
            exposures = np.asarray(self.model_.transform(X), dtype=np.float64)
            explained = (exposures * returns.to_numpy()[panel.dates.codes]).sum(axis=1)
            table = np.full((len(panel.dates), len(panel.assets)), np.nan)
            table[panel.dates.codes, panel.assets.codes] = np.asarray(y) - explained
            left = pd.DataFrame(table, panel.dates.labels, panel.assets.labels)
        if returns is None or left is None:
            raise ValueError(
                f"{type(self.model_).__name__} gives no factor returns or no residuals: rows have "
                "to be indexed by (date, asset)."
            )
        self.factor_returns_, self.specific_returns_ = returns, left

    def _capitalizations(
        self, X: pd.DataFrame, y: ArrayLike | None, weights: object, dates: RowLabels | None
    ) -> pd.DataFrame | None:
        """Sizes (n_dates, n_assets) of a panel's rows; None without."""
        if weights is None:
            return None
        panel = find_panel(X, y, n_rows=len(X), dates=dates)
        assert panel is not None
        assert panel.assets is not None
        table = np.full((len(panel.dates), len(panel.assets)), np.nan)
        values = np.asarray(weights, dtype=np.float64)
        table[panel.dates.codes, panel.assets.codes] = np.where(values > 0.0, values, np.nan)
        sizes = pd.DataFrame(table, panel.dates.labels, panel.assets.labels)
        return sizes.reindex(columns=self.specific_returns_.columns)

    def risk_model(
        self,
        X: pd.DataFrame | None = None,
        groupby: GroupLabels | None = None,
        *,
        date: Hashable = None,
        weights: pd.Series | None = None,
    ) -> RiskModel:
        """The forecast after a date, of what was known then.

        Parameters
        ----------
        X : DataFrame of shape (n_assets, n_features), optional
            Exposures or characteristics of one date, indexed by asset or by (date, asset): of the
            period that the forecast is for. They may have assets that were not in `fit`. None is
            the last date of `fit`; models with the same exposures on all dates take none.
        groupby : array-like of shape (n_assets,), mapping or DataFrame, optional
            Groups of the rows of X, for `FundamentalFactorModel`.
        date : label, optional
            Last date whose returns are used. None is the last one of `fit`.
        weights : Series of shape (n_assets,), optional
            Sizes of the assets of X, for the specific risk. None are the last ones of `fit`.

        Returns
        -------
        RiskModel
            Assets of which nothing is known are its ``unknown``.

        Raises
        ------
        ValueError
            If there are too few dates up to ``date``, or X is not what the model takes.
        """
        check_is_fitted(self)
        exposures = self._last.exposures
        if X is not None:
            exposures = self._exposures_of(X, groupby)
        returns, estimator = self.factor_returns_, self.covariance_model_
        specific_returns = self.specific_returns_
        if not specific_returns.index.equals(returns.index):
            specific_returns = specific_returns.loc[returns.index]
        if date is not None:
            until = are_up_to(returns.index, date)
            n_dates = int(until.sum())
            # The first rows are no copy of a table that may be large.
            rows = slice(0, n_dates) if until[:n_dates].all() else until
            returns, specific_returns = returns.iloc[rows], specific_returns.iloc[rows]
            known = returns.notna().sum() >= 2
            returns = returns.loc[:, known]
            estimator = clone(estimator).fit(returns)
        names = returns.columns
        lacking = exposures.columns.difference(names, sort=False)
        unknown = (exposures[lacking] != 0.0).any(axis=1)
        exposures = exposures[names].mask(unknown, np.nan)
        specific = self.specific_.forecast(
            date, exposures=exposures if self.specific_.structural else None, weights=weights
        ).reindex(exposures.index)
        horizon = getattr(estimator, "horizon", 1)
        return RiskModel(
            exposures=exposures,
            factor_covariance=pd.DataFrame(np.asarray(estimator.covariance_), names, names),
            specific_variance=specific * horizon,
            factor_returns=returns,
            specific_returns=specific_returns.reindex(columns=exposures.index),
            date=returns.index[-1:][0],
        )

    def _exposures_of(self, X: pd.DataFrame, groupby: GroupLabels | None) -> pd.DataFrame:
        if isinstance(self.model_, FundamentalFactorModel):
            exposures: pd.DataFrame = self.model_.exposures(X, groupby)
            return exposures.reindex(columns=self._last.exposures.columns)
        if groupby is not None:
            raise ValueError(f"{type(self.model_).__name__} takes no groupby=.")
        try:
            found: RiskModel = self.model_.risk_model(X)
        except TypeError:
            raise ValueError(
                f"{type(self.model_).__name__} has the same exposures on all dates: leave X out."
            ) from None
        return found.exposures

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        model = FundamentalFactorModel() if self.model is None else self.model
        tags.input_tags.allow_nan = get_tags(model).input_tags.allow_nan
        tags.target_tags.required = get_tags(model).target_tags.required
        return tags


def _check_taken(model: BaseEstimator, y: object, given: Mapping[str, object]) -> None:
    """Raise ``ValueError`` where the factor model needs y, or takes none of what is given."""
    taken = signature(model.fit).parameters
    if y is None and "y" in taken and taken["y"].default is Parameter.empty:
        raise ValueError(f"{type(model).__name__} needs y: pass fit(X, y).")
    unknown = [name for name in given if name not in taken]
    if unknown:
        raise ValueError(f"{type(model).__name__} takes no {unknown}. Leave them out.")
