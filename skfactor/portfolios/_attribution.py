"""A portfolio's returns and their risk split by factor: per date and over time, adding up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skfactor._panel import time_index
from skfactor._results import Result
from skfactor._risk_model import RiskModel, active_weights, models_by_date
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import numbers, raise_if_repeated
from skfactor.portfolios._inputs import factors_named, portfolio_of, same_dates

_SPECIFIC = "specific"


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
    """Returns split into what each factor gave and the specific rest.

    Made by `attribute`.

    Attributes
    ----------
    contributions : DataFrame of shape (n_dates, n_factors + 1)
        Exposure times factor return for each factor, and ``"specific"``; each row sums to the
        return of its date.
    returns : Series of shape (n_dates,)
        The returns.
    forecasts : DataFrame of shape (n_dates, n_factors + 1) or None
        Contributions to the volatility that the risk model forecast for each date; each row sums to
        it. None without a risk model.

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> from skfactor.portfolios import attribute
    >>> french = load_french().loc["2016":]
    >>> factors, returns = french[["MktRF", "SMB", "HML"]], french["BusEq"] - french["RF"]
    >>> betas = FactorBetas().fit(factors, returns).betas_.iloc[0]
    >>> attribute(betas, factors, returns).linked().iloc[-1].round(4)
    MktRF       0.2455
    SMB        -0.0147
    HML        -0.0674
    specific    0.0948
    Name: 2017-03, dtype: float64
    """

    contributions: pd.DataFrame
    returns: pd.Series
    forecasts: pd.DataFrame | None = None

    def risk(self) -> pd.DataFrame:
        """Split mean and volatility of the returns by factor: what each gave and what it risked.

        Returns
        -------
        DataFrame of shape (n_factors + 1, 5 or 6)
            For each factor and ``"specific"`` the ``mean`` and ``volatility`` of its contributions
            to the return, their ``correlation`` with the return, the ``contribution`` to the
            volatility, which is the product of the two before it, and its ``share``; with a risk
            model the mean ``forecast`` of that contribution. Means, contributions and forecasts sum
            to those of the return.

        Raises
        ------
        ValueError
            If there are fewer than two dates, or the returns do not vary.
        """
        volatility = float(self.returns.std())
        if not volatility > 0.0:
            raise ValueError(
                f"The volatility of {len(self.returns)} returns is {volatility:g}: nothing is "
                "there to split. Use several dates."
            )
        own = self.contributions.std()
        centred = self.contributions - self.contributions.mean()
        left = self.returns - self.returns.mean()
        contribution = centred.mul(left, axis=0).sum() / (len(left) - 1.0) / volatility
        table = pd.DataFrame(
            {
                "mean": self.contributions.mean(),
                "volatility": own,
                "correlation": (contribution / own).where(own > 0.0),
                "contribution": contribution,
                "share": contribution / volatility,
            }
        ).rename_axis("factor")
        if self.forecasts is not None:
            table["forecast"] = self.forecasts.mean()
        return table

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        yield f"Contributions to the returns of {len(self.returns)} dates:"
        yield self.contributions.assign(**{"return": self.returns})

    def linked(self, linking: str = "carino") -> pd.DataFrame:
        r"""Contributions to the return from the first date through each date.

        Parameters
        ----------
        linking : {"carino", "sum"}, default="carino"
            ``"carino"`` splits the compound return: contributions of date t are multiplied by
            :math:`k_t = \log(1 + R_t) / R_t` and divided by the same of the compound return.
            ``"sum"`` adds up contributions, to the sum of the returns.

        Returns
        -------
        DataFrame of shape (n_dates, n_factors + 1)
            Each row sums to the compound return (or the sum) through its date.

        Raises
        ------
        ValueError
            If ``linking`` is unknown, or a return is -1 or below, which cannot be compounded.

        References
        ----------
        .. [1] Cariño, D. R. (1999), "Combining Attribution Effects Over Time", Journal of
           Performance Measurement 3(4), 5-14.
        """
        if linking == "sum":
            total, linked = self.returns.cumsum(), self.contributions.cumsum()
        elif linking == "carino":
            if (self.returns <= -1.0).any():
                raise ValueError(
                    f"A return of {self.returns.min():g} cannot be compounded. Returns have to be "
                    "in decimals; linking='sum' adds up any."
                )
            growth = np.log1p(self.returns).cumsum()
            total = np.expm1(growth)
            linked = self.contributions.mul(_ratio(np.log1p(self.returns), self.returns), axis=0)
            linked = linked.cumsum().div(_ratio(growth, total), axis=0)
        else:
            raise ValueError(f"linking={linking!r} has to be 'carino' or 'sum'.")
        return linked.assign(**{_SPECIFIC: total - linked.drop(columns=_SPECIFIC).sum(axis=1)})


def attribute(
    exposures: pd.Series | pd.DataFrame | RiskModel | Mapping[Hashable, RiskModel],
    factor_returns: pd.DataFrame | None,
    returns: pd.Series | pd.DataFrame,
    *,
    weights: pd.Series | pd.DataFrame | None = None,
    benchmark: pd.Series | pd.DataFrame | None = None,
) -> Attribution:
    """Split the returns of a portfolio or asset into those of its factors and a specific rest.

    Parameters
    ----------
    exposures : Series of shape (n_factors,), DataFrame (n_dates, n_factors), RiskModel or dict
        Exposures to the factors, the same on all dates or one row per date: those with which the
        return in the same row was earned. `skfactor.FactorBetas` estimates them. A
        `skfactor.risk.RiskModel` knows those of the assets, from which ``weights`` make the
        portfolio's, and forecasts their risk; a dict from date to RiskModel, as
        `skfactor.risk.evaluate_risk` takes it, has each model for the dates after its own.
    factor_returns : DataFrame of shape (n_dates, n_factors) or None
        Returns of the factors, such as ``FamaMacBeth.lambdas_`` or traded factors. The factors are
        those of the exposures, in any order; others are left out. None takes those of the (last)
        RiskModel, on the dates of the returns.
    returns : Series of shape (n_dates,) or DataFrame of shape (n_dates, n_assets)
        Returns of the portfolio, indexed by date; or of assets, with ``weights``.
    weights : Series of shape (n_assets,) or DataFrame of shape (n_dates, n_assets), optional
        Weights of the assets in the portfolio, for returns of assets and for a RiskModel: the
        same on all dates, or those with which the return of the same row is earned. Assets that are
        not named have a weight of 0.
    benchmark : Series of shape (n_assets,) or DataFrame of shape (n_dates, n_assets), optional
        Weights of a benchmark, where ``returns`` are those of assets: what is split is the active
        return, that of the weights less the benchmark's.

    Returns
    -------
    Attribution

    Raises
    ------
    TypeError
        If an input is not of the kinds above.
    ValueError
        If dates differ, a factor is missing, a value is (contributions add up over dates on which
        all is known), or a date has no risk model before it.

    References
    ----------
    .. [1] Grinold, R. C. and R. N. Kahn (2000), Active Portfolio Management, 2nd edition,
       McGraw-Hill, chapter 17.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor.portfolios import attribute
    >>> months = pd.period_range("2024-01", periods=2, freq="M")
    >>> returns = pd.Series([0.03, -0.01], months)
    >>> factors = pd.DataFrame({"market": [0.02, -0.01], "value": [0.01, 0.02]}, months)
    >>> attribute(pd.Series({"market": 1.0, "value": 0.5}), factors, returns).contributions
             market  value  specific
    2024-01    0.02  0.005     0.005
    2024-02   -0.01  0.010    -0.010
    """
    if benchmark is not None:
        if not isinstance(returns, pd.DataFrame) or weights is None:
            raise TypeError("benchmark= needs returns of assets in a DataFrame, and weights=.")
        weights = active_weights(weights, benchmark)
    forecasts = None
    if isinstance(exposures, RiskModel) or (
        isinstance(exposures, Mapping)
        and any(isinstance(each, RiskModel) for each in exposures.values())
    ):
        models = _Models(exposures, returns)
        if factor_returns is None:
            factor_returns = models.factor_returns()
        exposures, forecasts = models.exposures_and_risk(weights)
        weights = weights if isinstance(returns, pd.DataFrame) else None
    returns = portfolio_of(returns, weights)
    if not isinstance(exposures, pd.Series | pd.DataFrame):
        raise TypeError(
            "exposures has to be a Series by factor, a DataFrame by date and factor, a RiskModel, "
            f"or a dict from date to RiskModel; found {type(exposures).__name__}."
        )
    names = exposures.index if isinstance(exposures, pd.Series) else exposures.columns
    raise_if_repeated(names, "exposures")
    factors = factors_named(factor_returns, names, returns)
    if _SPECIFIC in names:
        raise ValueError("A factor is called 'specific', the name of the rest. Rename it.")
    if isinstance(exposures, pd.DataFrame):
        same_dates(returns, exposures, ("returns", "exposures"))
    parts = {"returns": returns, "exposures": exposures, "factor_returns": factors}
    arrays = {name: numbers(part, name) for name, part in parts.items()}
    # A group that is not there has no return, and nothing is exposed to it.
    arrays["factor_returns"] = np.where(arrays["exposures"] == 0.0, 0.0, arrays["factor_returns"])
    for name, values in arrays.items():
        if np.isnan(values).any():
            raise ValueError(
                f"{name} has {np.isnan(values).sum()} missing values. Restrict all inputs to dates "
                "on which everything is known."
            )
    products = arrays["factor_returns"] * arrays["exposures"]
    contributions = pd.DataFrame(products, index=returns.index, columns=names)
    contributions[_SPECIFIC] = arrays["returns"] - products.sum(axis=1)
    dates = time_index(returns)
    order = np.arange(len(returns)) if dates is None else dates.argsort()
    if forecasts is not None:
        forecasts = forecasts.iloc[order]
    return Attribution(contributions.iloc[order], returns.iloc[order].astype(np.float64), forecasts)


class _Models:
    """One risk model of all dates of some returns, or that of each date."""

    def __init__(
        self, given: RiskModel | Mapping[Hashable, RiskModel], returns: pd.Series | pd.DataFrame
    ) -> None:
        self.returns = returns
        self.models: list[RiskModel]
        self.used: IntArray
        if isinstance(given, RiskModel):
            self.models, self.used = [given], np.zeros(len(returns), dtype=np.intp)
            return
        self.models, self.used = models_by_date(given, returns.index)
        if (self.used < 0).any():
            raise ValueError(
                f"{int((self.used < 0).sum())} dates of returns have no model before them, the "
                f"first is {returns.index[self.used < 0][0]}. Leave them out."
            )

    def factor_returns(self) -> pd.DataFrame:
        """Returns of the factors on the dates of the returns, from the last model with some."""
        known = [each for each in self.models if each.factor_returns is not None]
        return _known_returns((known or self.models)[-1], self.returns)

    def exposures_and_risk(
        self, weights: pd.Series | pd.DataFrame | None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Exposures (n_dates, n_factors), and contributions to the volatility, by date.

        A factor that a model does not have is one to which nothing is exposed then.
        """
        if weights is None:
            raise TypeError("A RiskModel knows the exposures of assets: pass weights= by asset.")
        if isinstance(weights, pd.DataFrame):
            same_dates(self.returns, weights, ("returns", "weights"))
        exposures: list[pd.DataFrame] = []
        risks: list[pd.DataFrame] = []
        for number in np.unique(self.used):
            rows, model = np.flatnonzero(self.used == number), self.models[number]
            held = weights.iloc[rows] if isinstance(weights, pd.DataFrame) else weights.to_frame().T
            b = model.portfolio_exposures(held)
            volatility = model.volatility(held).to_numpy()[:, None]
            scale = np.where(volatility > 0.0, volatility, 1.0)
            risk = (b * (b.to_numpy() @ model.factor_covariance.to_numpy())) / scale
            risk[_SPECIFIC] = volatility[:, 0] - risk.sum(axis=1)
            take = np.arange(len(rows)) if len(held) == len(rows) else np.zeros(len(rows), int)
            for found, part in ((exposures, b), (risks, risk)):
                found.append(part.iloc[take].set_axis(rows, axis=0))
        tables = [pd.concat(found).sort_index().fillna(0.0) for found in (exposures, risks)]
        both = [table.set_axis(self.returns.index, axis=0) for table in tables]
        both[1] = both[1][[*both[0].columns, _SPECIFIC]]
        return both[0], both[1]


def _known_returns(model: RiskModel, returns: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Returns of the factors of a risk model on the dates of the returns."""
    if model.factor_returns is None:
        raise ValueError("The RiskModel has no factor_returns: pass those of the factors.")
    lacking = returns.index.difference(model.factor_returns.index)
    if len(lacking):
        raise ValueError(
            f"The RiskModel has no factor_returns on {len(lacking)} of the {len(returns)} dates of "
            f"returns, the first of which is {lacking[0]}. Pass factor_returns."
        )
    return model.factor_returns.loc[returns.index]


def _ratio(log: pd.Series, plain: pd.Series) -> Float64Array:
    """Logarithmic over simple returns, 1 where both are 0."""
    ratio = np.ones(len(log))
    np.divide(log, plain, out=ratio, where=plain.to_numpy() != 0.0)
    return ratio
