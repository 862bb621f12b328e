"""A portfolio's volatility split by factor, by asset and by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._fitted import risk_model_of
from skfactor._results import Result, figure_text
from skfactor._risk_model import RiskModel, active_weights
from skfactor._typing import Float64Array
from skfactor._validation import raise_if_repeated

_SPECIFIC = "specific"


@dataclass(frozen=True, eq=False, repr=False)
class RiskDecomposition(Result):
    """Volatility of a portfolio in a factor model, split by factor, by asset and by group.

    Made by `decompose_risk`; in the units of the returns, per period. With a benchmark it is the
    volatility of the return beyond the benchmark's, and weights and exposures are the differences.

    Each contribution is exposure times ``volatility`` of the factor's own return times its
    ``correlation`` with the portfolio's ("x-sigma-rho" [1]_), and sums to the volatility of the
    portfolio. ``marginal``, the product of the last two, is the derivative of the volatility with
    respect to the exposure, and ``share`` the contribution over the volatility.

    Attributes
    ----------
    volatility : float
        Standard deviation of the portfolio's return.
    by_factor : DataFrame of shape (n_factors + 1, 6)
        One row per factor, with its ``exposure``, and ``"specific"``, of which the portfolio has
        one unit. Contributions sum to the volatility.
    by_asset : DataFrame of shape (n_assets, 6)
        One row per asset with its ``weight``. Contributions sum to the volatility.
    by_group : DataFrame of shape (n_groups, 4 or 5) or None
        One row per group of ``by=``: the ``weight`` of its assets (groups of factors have none),
        the ``volatility`` and ``correlation`` of its part of the return, ``contribution``, the
        product of both, and ``share``.

    References
    ----------
    .. [1] Menchero, J. and B. Davis (2011), "Risk Contribution Is Exposure Times Volatility Times
       Correlation: Decomposing Risk Using the X-Sigma-Rho Formula", Journal of Portfolio Management
       37(2), 97-106. https://doi.org/10.3905/jpm.2011.37.2.097

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> from skfactor.risk import decompose_risk
    >>> french = load_french()
    >>> returns = french[["NoDur", "BusEq"]].sub(french["RF"], axis=0)
    >>> model = FactorBetas().fit(french[["MktRF", "SMB", "HML"]], returns)
    >>> risk = decompose_risk(pd.Series({"NoDur": -0.5, "BusEq": 0.5}), model)
    >>> risk.by_factor.drop(columns="marginal").round(4)
              exposure  volatility  correlation  contribution   share
    factor
    MktRF       0.1744      0.0424       0.4459        0.0033  0.1486
    SMB         0.1058      0.0284       0.2875        0.0009  0.0389
    HML        -0.3120      0.0269      -0.4698        0.0039  0.1776
    specific    1.0000      0.0177       0.7968        0.0141  0.6349
    """

    volatility: float
    by_factor: pd.DataFrame
    by_asset: pd.DataFrame
    by_group: pd.DataFrame | None = None

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        yield (
            f"Volatility {figure_text(self.volatility)}: "
            f"{figure_text(self.factor_volatility)} from factors, "
            f"{figure_text(self.specific_volatility)} specific"
        )
        yield self.by_factor
        if self.by_group is not None:
            yield "Groups:"
            yield self.by_group
        yield f"{len(self.by_asset)} assets:"
        yield self.by_asset

    @property
    def factor_volatility(self) -> float:
        """Volatility from the factors alone."""
        contributions = self.by_factor["contribution"]
        return float(np.sqrt(max(self.volatility * contributions.iloc[:-1].sum(), 0.0)))

    @property
    def specific_volatility(self) -> float:
        """Volatility from the assets' residuals alone; squares of both sum to the variance."""
        return float(np.sqrt(self.volatility * self.by_factor["contribution"].iloc[-1]))


def decompose_risk(
    weights: pd.Series,
    model: RiskModel | BaseEstimator,
    *,
    benchmark: pd.Series | None = None,
    by: Mapping[object, object] | pd.Series | None = None,
) -> RiskDecomposition:
    r"""Split the volatility that a factor model implies for a portfolio.

    With the exposures X, the factors' covariance F and the specific variances D of the model the
    portfolio's exposures are :math:`b = X'w`, its variance is :math:`b'Fb + w'Dw`, and factor k
    contributes :math:`b_k (F b)_k / \sigma`.

    Parameters
    ----------
    weights : Series of shape (n_assets,)
        Weights by asset, used as given; assets that are not named have a weight of 0.
    model : RiskModel or estimator
        A `RiskModel`, or a fitted model that gives one, such as `skfactor.FactorBetas`; also a
        two-pass model, and pipelines, searches and formulas that hold one.
    benchmark : Series of shape (n_assets,), optional
        Weights of a benchmark, such as shares of capitalization. The risk that is split is then the
        active one, that of the weights less the benchmark's.
    by : dict or Series, optional
        Labels of groups: by asset, such as its sector, or by factor, such as industries and styles.

    Returns
    -------
    RiskDecomposition

    Raises
    ------
    TypeError
        If the weights are not a Series, or nothing in the model gives a risk model.
    ValueError
        If an asset is not in the model, has no exposures, or occurs twice, a weight is missing, a
        factor is called ``"specific"``, the volatility is zero, or ``by`` has no label for an asset
        of the weights or a factor.

    Notes
    -----
    Specific returns are taken as uncorrelated between assets. No matrix of all pairs of assets is
    formed.

    References
    ----------
    .. [1] Litterman, R. (1996), "Hot Spots and Hedges", Journal of Portfolio Management 23(5),
       52-75.

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.risk import decompose_risk
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> weights = returns.iloc[0] * 0.0 + 1.0 / returns.shape[1]
    >>> risk = decompose_risk(weights, FactorBetas().fit(factors, returns))
    >>> bool(abs(risk.by_asset["contribution"].sum() - risk.volatility) < 1e-15)
    True
    """
    given: dict[str, object] = {"weights": weights}
    if benchmark is not None:
        given["benchmark"] = benchmark
    for name, each in given.items():
        if not isinstance(each, pd.Series):
            raise TypeError(f"{name} has to be a Series by asset; found {type(each).__name__}.")
    risk = risk_model_of(model, "decompose_risk")
    if _SPECIFIC in risk.exposures.columns:
        raise ValueError("A factor is called 'specific', the name of the rest. Rename it.")
    if benchmark is not None:
        active = active_weights(weights, benchmark)
        assert isinstance(active, pd.Series)
        weights = active
    parts = _Parts(weights, risk)
    if parts.volatility == 0.0:
        raise ValueError("The portfolio has no risk to split: all weights or returns are zero.")
    by_group = None if by is None else parts.by_group(by)
    return RiskDecomposition(parts.volatility, parts.by_factor(), parts.by_asset(), by_group)


class _Parts:
    """Covariances of the parts of a portfolio's return with the whole."""

    def __init__(self, weights: pd.Series, risk: RiskModel) -> None:
        self.risk, self.held = risk, weights.index
        self.exposures: Float64Array = risk.portfolio_exposures(weights).to_numpy()
        self.covariance: Float64Array = risk.factor_covariance.to_numpy()
        self.weights: Float64Array = weights.to_numpy(dtype=np.float64)
        self.of_factors: Float64Array = self.covariance @ self.exposures
        self.loadings: Float64Array = risk.exposures.loc[self.held].to_numpy()
        self.specific: Float64Array = risk.specific_variance.loc[self.held].to_numpy()
        # The specific variance of an asset without a position may be unknown.
        self.of_specific = np.where(self.weights == 0.0, 0.0, self.specific * self.weights)
        self.specific_variance = float(self.weights @ self.of_specific)
        common = max(float(self.exposures @ self.of_factors), 0.0)
        self.volatility = float(np.sqrt(common + self.specific_variance))

    def by_factor(self) -> pd.DataFrame:
        names = pd.Index([*self.risk.exposures.columns, _SPECIFIC], name="factor")
        return self._table(
            {"exposure": np.append(self.exposures, 1.0)},
            np.append(np.diag(self.covariance), self.specific_variance),
            np.append(self.of_factors, self.specific_variance),
            names,
        )

    def by_asset(self) -> pd.DataFrame:
        variances = np.einsum("nk,kl,nl->n", self.loadings, self.covariance, self.loadings)
        return self._table(
            {"weight": self.weights},
            variances + self.specific,
            self.loadings @ self.of_factors + self.of_specific,
            self.held,
        )

    def by_group(self, by: Mapping[object, object] | pd.Series) -> pd.DataFrame:
        if not isinstance(by, Mapping | pd.Series):
            raise TypeError(
                f"by has to be a dict or a Series of labels; found {type(by).__name__}."
            )
        labels = by if isinstance(by, pd.Series) else pd.Series(by, dtype=object)
        raise_if_repeated(labels.index, "by")
        factors = self.risk.exposures.columns
        if labels.index.isin(factors).any() and not labels.index.isin(self.held).any():
            return self._by_group_of_factors(_labels(labels, factors, "factors"))
        names, member = _members(_labels(labels, self.held, "assets"))
        w = member * self.weights
        exposures = w @ np.nan_to_num(self.loadings)
        common = np.einsum("gk,kl,gl->g", exposures, self.covariance, exposures)
        return self._table(
            {"weight": w.sum(axis=1)},
            np.maximum(common, 0.0) + w @ self.of_specific,
            exposures @ self.of_factors + w @ self.of_specific,
            names,
            of_units=False,
        )

    def _by_group_of_factors(self, labels: pd.Series) -> pd.DataFrame:
        names, member = _members(labels)
        if _SPECIFIC in names:
            raise ValueError("A group of by= is called 'specific', as the rest is. Rename it.")
        exposures = member * self.exposures
        common = np.einsum("gk,kl,gl->g", exposures, self.covariance, exposures)
        return self._table(
            {},
            np.append(np.maximum(common, 0.0), self.specific_variance),
            np.append(exposures @ self.of_factors, self.specific_variance),
            names.append(pd.Index([_SPECIFIC])).rename(names.name),
            of_units=False,
        )

    def _table(
        self,
        amounts: dict[str, Float64Array],
        variances: Float64Array,
        covariances: Float64Array,
        index: pd.Index,
        *,
        of_units: bool = True,
    ) -> pd.DataFrame:
        """Volatilities and covariances of units of something, or of parts as they are."""
        marginal = covariances / self.volatility
        volatility = np.sqrt(variances)
        correlation = np.full(len(marginal), np.nan)
        np.divide(marginal, volatility, out=correlation, where=volatility > 0.0)
        table = amounts | {"volatility": volatility, "correlation": correlation}
        contribution = marginal
        if of_units:
            (amount,) = amounts.values()
            table["marginal"] = marginal
            # The covariance of an unknown asset is not known, and without a position not needed.
            contribution = np.where(amount == 0.0, 0.0, amount * marginal)
        table |= {"contribution": contribution, "share": contribution / self.volatility}
        return pd.DataFrame(table, index)


def _labels(labels: pd.Series, wanted: pd.Index, what: str) -> pd.Series:
    found = labels.reindex(wanted)
    lacking = wanted[found.isna()]
    if len(lacking):
        raise ValueError(f"by= has no label for the {what} {list(lacking)[:5]}.")
    return found


def _members(labels: pd.Series) -> tuple[pd.Index, Float64Array]:
    """Names of groups, and which of the labels are theirs (n_groups, n_labels)."""
    codes, names = pd.factorize(labels, sort=True)
    member = np.zeros((len(names), len(codes)))
    member[codes, np.arange(len(codes))] = 1.0
    return pd.Index(names, name="group"), member
