"""Tests of risk forecasts: returns divided by the volatilities that were forecast for them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import integrate, special, stats

from skfactor._kernels.rounding import NEGATIVE_EIGENVALUE
from skfactor._panel import time_index
from skfactor._results import Result
from skfactor._risk_model import RiskModel, models_by_date
from skfactor._typing import BoolArray, Float64Array
from skfactor._validation import is_whole, numbers, raise_if_repeated

_SETS = ("factors", "eigenfactors", "groups", "random", "minimum variance")
# Portfolios of the random set, each of about this share of the assets.
_N_RANDOM, _HELD = 50, 0.1


@dataclass(frozen=True, eq=False, repr=False)
class RiskEvaluation(Result):
    """How returns compare with the volatilities that were forecast for them.

    Made by `evaluate_risk`. With forecasts that are right and normal returns the bias statistic is
    about 1, within its band in 95% of the portfolios, and ``mrad`` and ``q`` are those of
    ``expected``.

    Attributes
    ----------
    table : DataFrame of shape (n_sets, 8)
        For each set of portfolios ``n_portfolios``, ``n_dates``, the mean ``bias``, the band
        ``lower`` to ``upper`` of a single one, the share ``inside`` it, and the means of ``mrad``,
        ``q`` and ``qlike``.
    portfolios : DataFrame
        The same of each portfolio, by (set, portfolio).
    standardized : DataFrame of shape (n_dates, n_portfolios)
        Returns over forecast volatilities.
    volatilities : DataFrame of shape (n_dates, n_portfolios)
        The forecasts.
    window : int
        Number of dates of rolling bias statistics.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfactor.risk import RiskModel, evaluate_risk
    >>> assets, one = list("abcd"), pd.Index(["market"])
    >>> model = RiskModel(pd.DataFrame(1.0, assets, one), pd.DataFrame([[1e-4]], one, one),
    ...                   pd.Series(4e-4, assets))
    >>> rng = np.random.default_rng(0)
    >>> returns = rng.normal(0, 0.01, (500, 1)) + rng.normal(0, 0.02, (500, 4))
    >>> days = pd.bdate_range("2024-01-01", periods=500)
    >>> found = evaluate_risk(pd.DataFrame(returns, days, assets),
    ...                       {pd.Timestamp("2023-12-31"): model}, sets=["minimum variance"])
    >>> found.table[["bias", "lower", "upper"]].round(2)
                      bias  lower  upper
    set
    minimum variance  1.02   0.94   1.06
    """

    table: pd.DataFrame
    portfolios: pd.DataFrame
    standardized: pd.DataFrame
    volatilities: pd.DataFrame
    window: int

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        yield "Returns over the volatilities that were forecast for them, by set of portfolios"
        yield self.table
        expected = ", ".join(f"{name} {figure:.2f}" for name, figure in self.expected.items())
        yield f"Right forecasts of normal returns: {expected}"

    @property
    def expected(self) -> pd.Series:
        """What normal returns and right forecasts give: ``bias``, ``mrad`` and ``q``."""
        q = 1.0 - special.digamma(0.5) - np.log(2.0)
        return pd.Series({"bias": 1.0, "mrad": _normal_mrad(self.window), "q": q}, name="expected")

    def rolling_bias(self) -> pd.DataFrame:
        """Bias statistics of the last ``window`` dates, NaN before there are so many.

        Returns
        -------
        DataFrame of shape (n_dates, n_portfolios)
        """
        return self.standardized.rolling(self.window).std()


def evaluate_risk(
    returns: pd.DataFrame,
    models: Mapping[Hashable, RiskModel],
    sets: str | Sequence[str] = "all",
    weights: pd.Series | None = None,
    *,
    factor_returns: pd.DataFrame | None = None,
    window: int = 12,
    random_state: int = 0,
) -> RiskEvaluation:
    r"""Test risk models on the returns of later dates, by sets of portfolios.

    Each return is divided by the volatility that the last model before its date forecast,
    :math:`b_t = R_t / \sigma_{t|t-1}`. Averages over portfolios hide what optimizers find:
    minimum-variance portfolios and eigenfactors show it [1]_.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_assets)
        Returns of the assets, one period each as the forecasts are for. Where an asset has none it
        is in no portfolio of that date.
    models : mapping of date to RiskModel
        Risk models by the last date whose returns they use; each is for dates after it, until the
        next model.
    sets : {"all"} or sequence of str, default="all"
        - ``"factors"``: the factors themselves, by ``factor_returns``;
        - ``"eigenfactors"``: the eigenvectors of the factors' covariance;
        - ``"groups"``: assets with an exposure of 1 to a factor whose exposures are 0 and 1;
        - ``"random"``: 50 portfolios of a random tenth of the assets each, less all assets;
        - ``"minimum variance"``: the portfolio of all assets with the least forecast variance.

        ``"all"`` is those for which there is what they need.
    weights : Series of shape (n_assets,), optional
        Weights of the assets in groups and random portfolios, such as capitalizations. None is
        equal weights.
    factor_returns : DataFrame of shape (n_dates, n_factors), optional
        Returns of the factors on the dates of the returns, such as
        ``FactorRiskModel.factor_returns_``. None takes those of the last model that has them, which
        may end before the returns do: later dates have no part then.
    window : int, default=12
        Dates of the rolling bias statistics.
    random_state : int, default=0
        Seed of the random portfolios.

    Returns
    -------
    RiskEvaluation

    Raises
    ------
    TypeError
        If returns are no DataFrame or models no mapping of RiskModels.
    ValueError
        If a set is unknown or lacks what it needs, no date comes after a model, models and returns
        have no assets in common, or weights are missing or not positive.

    Notes
    -----
    The bias statistic is the standard deviation of :math:`b_t`, its band
    :math:`1 \pm \sqrt{2 / T}`, for normal returns. ``mrad`` is the mean distance of rolling ones
    from 1, ``q`` the mean of :math:`b^2 - \log b^2` [2]_, ``qlike`` that of
    :math:`b^2 + \log \sigma^2`.

    References
    ----------
    .. [1] Menchero, J., J. Wang and D. J. Orr (2011), "Eigen-Adjusted Covariance Matrices", MSCI
       Research Insight. https://doi.org/10.2139/ssrn.1915318
    .. [2] Patton, A. J. (2011), "Volatility Forecast Comparison Using Imperfect Volatility
       Proxies", Journal of Econometrics 160(1), 246-256.
       https://doi.org/10.1016/j.jeconom.2010.03.034

    Examples
    --------
    See `RiskEvaluation`.

    >>> from skfactor.risk import evaluate_risk
    """
    returns = _check_returns(returns)
    ordered, used = models_by_date(models, returns.index)
    for date, model in models.items():
        known = model.exposures.index.difference(model.unknown)
        if not known.isin(returns.columns).any():
            raise ValueError(f"The model of {date} has no known asset in common with returns.")
    if factor_returns is None:
        known_returns = [each.factor_returns for each in ordered if each.factor_returns is not None]
        factor_returns = known_returns[-1] if known_returns else None
    elif not isinstance(factor_returns, pd.DataFrame):
        raise TypeError(
            "factor_returns has to be a DataFrame by date and factor; found "
            f"{type(factor_returns).__name__}."
        )
    chosen = _check_sets(sets, ordered, factor_returns is not None)
    if not is_whole(window) or window < 2:
        raise ValueError(f"window={window!r} has to be a whole number, at least 2.")
    draws = pd.DataFrame(
        np.random.default_rng(random_state).random((_N_RANDOM, returns.shape[1])),
        columns=returns.columns,
    )
    caps = _check_weights(weights, returns.columns)
    standardized: list[pd.DataFrame] = []
    volatilities: list[pd.DataFrame] = []
    for number in np.unique(used[used >= 0]):
        dates = returns.index[used == number]
        model = ordered[number]
        parts = []
        for name in chosen:
            if name in ("factors", "eigenfactors"):
                assert factor_returns is not None
                parts.append(_of_factors(name, model, factor_returns.reindex(dates)))
            else:
                parts.append(_of_assets(name, model, returns.loc[dates], caps, draws))
        standardized.append(pd.concat([b for b, _ in parts], axis=1, keys=chosen))
        volatilities.append(pd.concat([s for _, s in parts], axis=1, keys=chosen))
    b, sigma = pd.concat(standardized), pd.concat(volatilities)
    b.columns = b.columns.set_names(["set", "portfolio"])
    sigma.columns = b.columns
    portfolios = _statistics(b, sigma, int(window))
    return RiskEvaluation(_by_set(portfolios, chosen), portfolios, b, sigma, int(window))


def _check_returns(returns: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(returns, pd.DataFrame):
        raise TypeError(
            f"returns has to be a DataFrame by date and asset; found {type(returns).__name__}."
        )
    raise_if_repeated(returns.columns, "returns")
    dates = time_index(returns)
    if dates is None:
        raise ValueError("The rows of returns need their dates as index.")
    values = pd.DataFrame(numbers(returns, "returns"), returns.index, returns.columns)
    return values.iloc[dates.argsort()]


def _check_sets(
    sets: str | Sequence[str], models: list[RiskModel], has_factor_returns: bool
) -> list[str]:
    wanted = list(_SETS) if isinstance(sets, str) and sets == "all" else sets
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in wanted if name not in _SETS]
    if unknown or not wanted:
        raise ValueError(f"sets={sets!r} has to be 'all' or some of {list(_SETS)}.")
    lacking: dict[str, str] = {}
    if not has_factor_returns:
        lacking |= dict.fromkeys(("factors", "eigenfactors"), "models with factor_returns")
    if not any(len(_indicators(model)) for model in models):
        lacking["groups"] = "factors whose exposures are 0 and 1"
    if sets == "all":
        return [name for name in wanted if name not in lacking]
    for name in wanted:
        if name in lacking:
            raise ValueError(f"The set {name!r} needs {lacking[name]}, and there are none.")
    return wanted


def _check_weights(weights: pd.Series | None, assets: pd.Index) -> pd.Series:
    if weights is None:
        return pd.Series(1.0, assets)
    if not isinstance(weights, pd.Series):
        raise TypeError(f"weights has to be a Series by asset; found {type(weights).__name__}.")
    raise_if_repeated(weights.index, "weights")
    found = pd.Series(numbers(weights, "weights"), weights.index).reindex(assets)
    bad = found[~(found > 0.0)].index
    if len(bad):
        raise ValueError(f"weights are missing or not positive for the assets {list(bad)[:5]}.")
    return found


def _indicators(model: RiskModel) -> pd.Index:
    """Factors whose exposures are 0 and 1, and both."""
    x = model.exposures.to_numpy()
    x = x[np.isfinite(x).all(axis=1)]
    zero, one = x == 0.0, x == 1.0
    both = (zero | one).all(axis=0) & zero.any(axis=0) & one.any(axis=0)
    indicators: pd.Index = model.exposures.columns[both]
    return indicators


def _of_factors(
    name: str, model: RiskModel, factor_returns: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Standardized returns and volatilities of factors or of their eigenvectors."""
    covariance = model.factor_covariance
    f = factor_returns.reindex(columns=covariance.columns)
    if name == "factors":
        sigma = pd.Series(np.sqrt(np.diag(covariance)), covariance.columns)
        values = f
    else:
        variances, vectors = np.linalg.eigh(covariance.to_numpy())
        real = variances > NEGATIVE_EIGENVALUE * variances[-1]
        labels = [f"{k + 1}" for k in range(len(variances))]
        sigma = pd.Series(np.sqrt(np.where(real, variances, np.nan)), labels)
        # A group that is not there has no part in a return of all.
        values = pd.DataFrame(f.to_numpy() @ vectors, f.index, labels)
    table = pd.DataFrame([sigma] * len(f), f.index)
    return values / table.where(table > 0.0), table


def _of_assets(
    name: str, model: RiskModel, returns: pd.DataFrame, caps: pd.Series, draws: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same of portfolios of the assets that have a return and known risk."""
    assets = model.exposures.index.difference(model.unknown, sort=False)
    assets = assets[assets.isin(returns.columns)]
    values = returns[assets].to_numpy()
    parts = _Parts(model, assets, caps[assets].to_numpy(), draws[assets].to_numpy())
    labels, weigh = _PORTFOLIOS[name](parts)
    b, sigma = np.full((2, len(values), len(labels)), np.nan)
    patterns, which = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    for number, here in enumerate(patterns):
        rows = which.reshape(-1) == number
        if not here.any():
            continue
        w = weigh(here)
        exposures = w @ parts.exposures[here]
        variance = np.einsum("pk,kl,pl->p", exposures, parts.covariance, exposures)
        volatility = np.sqrt(np.maximum(variance, 0.0) + w**2 @ parts.specific[here])
        sigma[rows] = np.where(volatility > 0.0, volatility, np.nan)
        b[rows] = values[rows][:, here] @ w.T / sigma[rows]
    return pd.DataFrame(b, returns.index, labels), pd.DataFrame(sigma, returns.index, labels)


class _Parts:
    """A risk model of some assets as arrays, and what portfolios are made of."""

    def __init__(
        self, model: RiskModel, assets: pd.Index, caps: Float64Array, draws: Float64Array
    ) -> None:
        frame = model.exposures.loc[assets]
        self.exposures: Float64Array = frame.to_numpy()
        self.covariance: Float64Array = model.factor_covariance.to_numpy()
        self.root: Float64Array = model.sqrt_factors().to_numpy()
        self.specific: Float64Array = model.specific_variance.loc[assets].to_numpy()
        self.caps, self.draws = caps, draws
        self.groups = _indicators(model)
        self.members: Float64Array = frame[self.groups].to_numpy()


Weigh = Callable[[BoolArray], Float64Array]


def _groups(parts: _Parts) -> tuple[list[Hashable], Weigh]:
    def weigh(here: BoolArray) -> Float64Array:
        w = (parts.members[here] * parts.caps[here, None]).T
        with np.errstate(invalid="ignore"):
            return np.asarray(w / w.sum(axis=1, keepdims=True))

    return list(parts.groups), weigh


def _random(parts: _Parts) -> tuple[list[Hashable], Weigh]:
    def weigh(here: BoolArray) -> Float64Array:
        all_of_them = parts.caps[here] / parts.caps[here].sum()
        w = parts.caps[here] * (parts.draws[:, here] < _HELD)
        with np.errstate(invalid="ignore"):
            return np.asarray(w / w.sum(axis=1, keepdims=True) - all_of_them)

    return [f"{k + 1}" for k in range(_N_RANDOM)], weigh


def _minimum_variance(parts: _Parts) -> tuple[list[Hashable], Weigh]:
    def weigh(here: BoolArray) -> Float64Array:
        specific = parts.specific[here]
        if not (specific > 0.0).all():
            raise ValueError(
                "Some assets have a specific variance of 0, so that no portfolio has the least "
                "variance. Leave the set 'minimum variance' out, or these assets."
            )
        # The inverse of A A' + D applied to ones, without a matrix of all pairs of assets.
        a = parts.exposures[here] @ parts.root
        scaled = a / specific[:, None]
        inner = np.eye(a.shape[1]) + a.T @ scaled
        w = 1.0 / specific - scaled @ np.linalg.solve(inner, scaled.sum(axis=0))
        return np.asarray(w / w.sum())[None]

    return ["minimum variance"], weigh


_PORTFOLIOS: dict[str, Callable[[_Parts], tuple[list[Hashable], Weigh]]] = {
    "groups": _groups,
    "random": _random,
    "minimum variance": _minimum_variance,
}


def _statistics(b: pd.DataFrame, sigma: pd.DataFrame, window: int) -> pd.DataFrame:
    """One row per portfolio."""
    n_dates = b.notna().sum()
    squares = (b**2).where(b != 0.0)
    band = np.sqrt(2.0 / n_dates.where(n_dates > 0))
    bias = b.std()
    rolling = b.rolling(window).std()
    return pd.DataFrame(
        {
            "n_dates": n_dates,
            "bias": bias,
            "lower": 1.0 - band,
            "upper": 1.0 + band,
            "inside": ((bias - 1.0).abs() <= band).astype(float).where(bias.notna()),
            "mrad": (rolling - 1.0).abs().mean(),
            "q": (squares - np.log(squares)).mean(),
            "qlike": (b**2 + np.log(sigma**2)).mean(),
        }
    )


def _by_set(portfolios: pd.DataFrame, sets: list[str]) -> pd.DataFrame:
    known = portfolios[portfolios["bias"].notna()]
    grouped = known.groupby(level="set", sort=False)
    table = grouped.mean()
    table.insert(0, "n_portfolios", grouped.size())
    return table.reindex(sets).rename_axis("set")


def _normal_mrad(window: int) -> float:
    """Mean distance from 1 of the standard deviation of so many normal values."""
    free = window - 1
    law = stats.chi(free, scale=1.0 / np.sqrt(free))
    left, _ = integrate.quad(lambda s: (1.0 - s) * law.pdf(s), 0.0, 1.0)
    # The mean of the distance is that of s - 1 and twice what lies below 1.
    return float(law.mean() - 1.0 + 2.0 * left)
