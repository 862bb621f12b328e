"""RiskModel: what any factor model says about the risk of assets."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._kernels.rounding import NEGATIVE_EIGENVALUE, SAME_ESTIMATE
from skfactor._results import Result, figure_text
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import numbers, raise_if_repeated


@dataclass(frozen=True, eq=False, repr=False)
class RiskModel(Result):
    r"""Exposures, the covariance of factors and specific variances: the risk of any portfolio.

    The covariance of the assets' returns is :math:`X F X' + D`, with exposures X, the factors'
    covariance F and the diagonal D of specific variances: returns have in common what the factors
    explain, and nothing else. Factor models make one with ``risk_model()``, such as
    `skfactor.FactorBetas`; you can also make one from your own estimates.

    Parameters
    ----------
    exposures : DataFrame of shape (n_assets, n_factors)
        Exposures of each asset. An asset with a NaN is unknown: a portfolio cannot hold it.
    factor_covariance : DataFrame of shape (n_factors, n_factors)
        Covariance of the factors' returns. Rows and columns are the factors of the exposures, in
        any order.
    specific_variance : Series of shape (n_assets,)
        Variance of each asset's return that the factors leave, in any order of the same assets.
        An asset with a NaN is unknown, too.
    factor_returns : DataFrame of shape (n_dates, n_factors), optional
        Returns of the factors, for attribution.
    specific_returns : DataFrame of shape (n_dates, n_assets), optional
        What the factors leave of the assets' returns.
    date : label, optional
        The date that the model describes.

    Attributes
    ----------
    unknown : Index
        Assets without exposures or without a specific variance.

    Raises
    ------
    TypeError
        If a part is not a DataFrame or Series.
    ValueError
        If labels repeat or differ between the parts, values are infinite or text, the factors'
        covariance has a NaN, is not symmetric or not positive semidefinite, or a specific variance
        is negative.

    Notes
    -----
    The three parts of the risk are copied. ``factor_returns`` and ``specific_returns``, which can
    be large, are not.

    References
    ----------
    .. [1] Sharpe, W. F. (1963), "A Simplified Model for Portfolio Analysis", Management Science
       9(2), 277-293. https://doi.org/10.1287/mnsc.9.2.277

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.risk import RiskModel
    >>> exposures = pd.DataFrame({"market": [1.0, 0.5]}, ["A", "B"])
    >>> covariance = pd.DataFrame({"market": [0.04]}, ["market"])
    >>> model = RiskModel(exposures, covariance, pd.Series({"A": 0.01, "B": 0.02}))
    >>> model.covariance()
          A     B
    A  0.05  0.02
    B  0.02  0.03
    >>> round(model.volatility(pd.Series({"A": 0.5, "B": 0.5})), 4)
    0.1732
    """

    exposures: pd.DataFrame
    factor_covariance: pd.DataFrame
    specific_variance: pd.Series
    factor_returns: pd.DataFrame | None = None
    specific_returns: pd.DataFrame | None = None
    date: Any = None

    def __post_init__(self) -> None:
        for name, kind in (
            ("exposures", pd.DataFrame),
            ("factor_covariance", pd.DataFrame),
            ("specific_variance", pd.Series),
        ):
            part = getattr(self, name)
            if not isinstance(part, kind):
                raise TypeError(f"{name} has to be a {kind.__name__}; found {type(part).__name__}.")
        assets, factors = self.exposures.index, self.exposures.columns
        raise_if_repeated(assets, "exposures")
        raise_if_repeated(factors, "exposures")
        exposures = numbers(self.exposures, "exposures")
        covariance = numbers(
            _in_order(self.factor_covariance, factors, "factor_covariance"), "factor_covariance"
        )
        _check_covariance(covariance)
        specific = numbers(
            _in_order(self.specific_variance, assets, "specific_variance"), "specific_variance"
        )
        if (specific < 0.0).any():
            raise ValueError(
                f"specific_variance is negative for the assets {list(assets[specific < 0.0])}."
            )
        for name, columns in (("factor_returns", factors), ("specific_returns", assets)):
            self._check_returns(name, columns)
        object.__setattr__(self, "exposures", pd.DataFrame(exposures.copy(), assets, factors))
        object.__setattr__(
            self, "factor_covariance", pd.DataFrame(covariance.copy(), factors, factors)
        )
        object.__setattr__(
            self, "specific_variance", pd.Series(specific.copy(), assets, name="specific_variance")
        )

    def _check_returns(self, name: str, columns: pd.Index) -> None:
        part = getattr(self, name)
        if part is None:
            return
        if not isinstance(part, pd.DataFrame):
            raise TypeError(f"{name} has to be a DataFrame by date; found {type(part).__name__}.")
        if not part.columns.equals(columns):
            object.__setattr__(self, name, _in_order(part.T, columns, name).T)

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        n_assets, n_factors = self.exposures.shape
        dated = "" if self.date is None else f" at {self.date}"
        n_unknown = len(self.unknown)
        yield f"Risk of {n_assets} assets by {n_factors} factors{dated}; {n_unknown} unknown"
        volatility = np.sqrt(np.diag(self.factor_covariance))
        yield pd.DataFrame({"volatility": volatility}, self.exposures.columns)
        typical = float(np.sqrt(self.specific_variance.median()))
        yield f"Median specific volatility: {figure_text(typical)}"

    @property
    def unknown(self) -> pd.Index:
        """Assets without exposures or without a specific variance."""
        lacking = self.exposures.isna().any(axis=1) | self.specific_variance.isna()
        return self.exposures.index[lacking]

    def covariance(self) -> pd.DataFrame:
        """Covariance of the assets' returns, X F X' + D.

        Returns
        -------
        DataFrame of shape (n_assets, n_assets)
            In squared units of the returns. Rows and columns of unknown assets are NaN.
        """
        factors, specific = self.factor_covariance.to_numpy(), self.specific_variance.to_numpy()
        return covariance_of_returns(self.exposures, factors, specific)

    def portfolio_exposures(self, weights: pd.Series | pd.DataFrame) -> Any:
        """Exposures of portfolios to the factors, X'w.

        Parameters
        ----------
        weights : Series of shape (n_held,) or DataFrame of shape (n_portfolios, n_held)
            Weights by asset, used as given. Assets that are not named have a weight of 0.

        Returns
        -------
        Series of shape (n_factors,) or DataFrame of shape (n_portfolios, n_factors)

        Raises
        ------
        TypeError, ValueError
            As `volatility`.
        """
        w, places = self._held(weights)
        found = w @ self._exposures(places)
        names = self.exposures.columns
        if isinstance(weights, pd.Series):
            return pd.Series(found[0], names, name="exposure")
        return pd.DataFrame(found, weights.index, names)

    def volatility(self, weights: pd.Series | pd.DataFrame) -> Any:
        """Standard deviation of the returns of portfolios.

        Parameters
        ----------
        weights : Series of shape (n_held,) or DataFrame of shape (n_portfolios, n_held)
            Weights by asset, used as given. Assets that are not named have a weight of 0.

        Returns
        -------
        float or Series of shape (n_portfolios,)
            In the units of the returns. No matrix of all pairs of assets is formed.

        Raises
        ------
        TypeError
            If the weights are not a Series or DataFrame.
        ValueError
            If an asset is not in the model or occurs twice, a weight is NaN, or a portfolio holds
            an unknown asset.
        """
        w, places = self._held(weights)
        exposures = w @ self._exposures(places)
        common = np.einsum("pk,kl,pl->p", exposures, self.factor_covariance.to_numpy(), exposures)
        variance = np.maximum(common, 0.0) + w**2 @ self._specific(places)
        if isinstance(weights, pd.Series):
            return float(np.sqrt(variance[0]))
        return pd.Series(np.sqrt(variance), weights.index, name="volatility")

    def sqrt_factors(self) -> pd.DataFrame:
        r"""A root G of the factors' covariance, :math:`F = G G'`.

        For optimizers: the variance of weights w is :math:`|G'X'w|^2 + |D^{1/2} w|^2`. By
        eigenvalues, so that a covariance without an inverse has one too.

        Returns
        -------
        DataFrame of shape (n_factors, n_factors)
        """
        values, vectors = np.linalg.eigh(self.factor_covariance.to_numpy())
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return pd.DataFrame(root, self.exposures.columns)

    def _held(self, weights: ArrayLike | None) -> tuple[Float64Array, IntArray]:
        """Weights (n_portfolios, n_held), and the places of their assets in the model."""
        if not isinstance(weights, pd.Series | pd.DataFrame):
            raise TypeError(
                "weights has to be a Series by asset, or a DataFrame with one portfolio per row; "
                f"found {type(weights).__name__}."
            )
        assets = weights.index if isinstance(weights, pd.Series) else weights.columns
        raise_if_repeated(assets, "weights")
        places = self.exposures.index.get_indexer(assets)
        if (places < 0).any():
            raise ValueError(
                f"The assets {list(assets[places < 0])} of the weights are not in the risk model."
            )
        w = np.atleast_2d(numbers(weights, "weights"))
        if np.isnan(w).any():
            raise ValueError("The weights hold NaN; pass 0 for no position.")
        unknown = assets.isin(self.unknown) & (w != 0.0).any(axis=0)
        if unknown.any():
            raise ValueError(
                f"The risk of the assets {list(assets[unknown])} is not known: they have no "
                "exposures or no specific variance, such as for too few observations in fit. "
                "Leave them out of the weights."
            )
        return w, places

    def _exposures(self, places: IntArray) -> Float64Array:
        """Exposures of held assets; of unknown ones, whose weight is 0, any number is fine."""
        exposures: Float64Array = np.nan_to_num(self.exposures.to_numpy()[places])
        return exposures

    def _specific(self, places: IntArray) -> Float64Array:
        specific: Float64Array = np.nan_to_num(self.specific_variance.to_numpy()[places])
        return specific


def covariance_of_returns(
    exposures: pd.DataFrame, factor_covariance: Float64Array, specific_variance: Float64Array
) -> pd.DataFrame:
    """X F X' + D (N, N), of exposures (N, K), and a covariance (K, K) and variances (N,)."""
    x = exposures.to_numpy()
    common = x @ factor_covariance @ x.T
    common += common.T.copy()
    common /= 2.0  # symmetric to the last digit
    common[np.diag_indices(len(x))] += specific_variance
    return pd.DataFrame(common, exposures.index, exposures.index, copy=False)


def models_by_date(
    models: Mapping[Hashable, RiskModel], dates: pd.Index
) -> tuple[list[RiskModel], IntArray]:
    """Risk models in order, and which of them is for each date, -1 before the first.

    Each is for the dates after its own, until the next one.
    """
    given: object = models
    if not isinstance(given, Mapping) or not all(
        isinstance(each, RiskModel) for each in given.values()
    ):
        raise TypeError(
            "models has to be a dict from date to RiskModel, such as {date: model.risk_model()}."
        )
    if not models:
        raise ValueError("models is empty. It needs a RiskModel for a date before the returns.")
    keys = pd.Index(list(models))
    order = keys.argsort()
    keys = keys[order]
    used: IntArray = np.asarray(keys.searchsorted(dates, side="left")) - 1
    if (used < 0).all():
        raise ValueError(
            f"No date of returns comes after the first model, {keys[0]}: the last is {dates[-1]}. "
            "Models are for dates after their own."
        )
    ordered = list(models.values())
    return [ordered[i] for i in order], used


def active_weights(
    weights: pd.Series | pd.DataFrame, benchmark: pd.Series | pd.DataFrame
) -> pd.Series | pd.DataFrame:
    """Weights less those of a benchmark, of the assets of both; by date if one of them is."""
    wide = []
    for given, name in ((weights, "weights"), (benchmark, "benchmark")):
        if not isinstance(given, pd.Series | pd.DataFrame):
            raise TypeError(
                f"{name} has to be a Series by asset or a DataFrame by date and asset; found "
                f"{type(given).__name__}."
            )
        wide.append(given if isinstance(given, pd.DataFrame) else given.to_frame().T)
        raise_if_repeated(wide[-1].columns, name)
    by_date = [each.index for each in (weights, benchmark) if isinstance(each, pd.DataFrame)]
    if len(by_date) == 2 and not by_date[0].equals(by_date[1]):
        raise ValueError("weights and benchmark are of other dates. Pass both on the same ones.")
    assets = wide[0].columns.union(wide[1].columns, sort=False)
    held, other = (
        numbers(each.reindex(columns=assets, fill_value=0.0), name)
        for each, name in zip(wide, ("weights", "benchmark"), strict=True)
    )
    active = held - other
    if by_date:
        return pd.DataFrame(active, by_date[0], assets)
    return pd.Series(active[0], assets)


def _in_order(part: Any, labels: pd.Index, name: str) -> Any:
    """A part with rows (and, of a covariance, columns) in the order of the labels."""
    axes = [part.index] if name != "factor_covariance" else [part.index, part.columns]
    if all(axis.equals(labels) for axis in axes):
        return part
    what = "assets" if name.startswith("specific") else "factors"
    for axis in axes:
        raise_if_repeated(axis, name)
        lacking, beyond = labels.difference(axis, sort=False), axis.difference(labels, sort=False)
        if len(lacking) or len(beyond):
            raise ValueError(
                f"{name} and exposures have different {what}: {list(lacking)[:5]} are only among "
                f"the exposures, {list(beyond)[:5]} only in {name}."
            )
    return part.loc[labels, labels] if len(axes) == 2 else part.loc[labels]


def _check_covariance(covariance: Float64Array) -> None:
    if np.isnan(covariance).any():
        raise ValueError("factor_covariance holds NaN. Leave out factors without an estimate.")
    variances = np.diag(covariance)
    if (variances < 0.0).any():
        raise ValueError("factor_covariance has negative variances on its diagonal.")
    scale = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    correlations = covariance / scale / scale[:, None]
    if (np.abs(correlations - correlations.T) > SAME_ESTIMATE).any():
        raise ValueError("factor_covariance is not symmetric.")
    smallest = np.linalg.eigvalsh(correlations).min(initial=0.0)
    if smallest < -NEGATIVE_EIGENVALUE:
        raise ValueError(
            f"factor_covariance has a negative eigenvalue, {smallest:.3g} of its correlations: "
            "some portfolio of factors would have a negative variance."
        )
