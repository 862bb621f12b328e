"""A fundamental risk model against skfolio and loops, on one thread.

Needs skfolio beside the package. The argument is the number of dates, 2520 by default. Times are
those of the processor, in which other work on the machine has less of a part.
"""

import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from skfolio.linear_model import CSLinearRegression
from skfolio.moments import RegimeAdjustedEWVariance
from timing import print_machine, print_table

from skfactor import EWMCovariance, FundamentalFactorModel, SpecificRisk
from skfactor.risk import RiskModel

N_ASSETS, N_GROUPS, N_STYLES = 1500, 40, 10


def cpu_seconds(*calls: Callable[[], object], repeat: int = 3) -> list[float]:
    """Shortest processor times of calls that take turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(repeat):
        for call, seconds in zip(calls, taken, strict=True):
            start = time.process_time()
            call()
            seconds.append(time.process_time() - start)
    return [min(seconds) for seconds in taken]


def market(n_dates: int) -> tuple[pd.DataFrame, pd.Series, np.ndarray, pd.Series]:
    """Styles, returns, group codes of assets and capitalizations."""
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2015-01-01", periods=n_dates, name="date")
    index = pd.MultiIndex.from_product([days, range(N_ASSETS)], names=["date", "asset"])
    styles = rng.standard_normal((len(index), N_STYLES))
    X = pd.DataFrame(styles, index, [f"style{k}" for k in range(N_STYLES)])
    groups = rng.integers(0, N_GROUPS, N_ASSETS)
    y = pd.Series(rng.normal(0.0, 0.02, len(index)), index)
    caps = pd.Series(np.tile(rng.lognormal(0.0, 1.5, N_ASSETS), n_dates), index)
    return X, y, groups, caps


def factor_returns(n_dates: int) -> None:
    X, y, groups, caps = market(n_dates)
    names = np.array([f"industry{g:02d}" for g in range(N_GROUPS)])
    labels = pd.Series(names[groups], range(N_ASSETS))
    dummies = np.eye(N_GROUPS)[groups]
    shape = (n_dates, N_ASSETS)
    design = np.concatenate(
        [
            np.broadcast_to(dummies, (*shape, N_GROUPS)),
            X.to_numpy().reshape(*shape, N_STYLES),
        ],
        axis=2,
    )
    r, w = y.to_numpy().reshape(shape), np.sqrt(caps.to_numpy()).reshape(shape)

    def ours() -> FundamentalFactorModel:
        return FundamentalFactorModel().fit(X, y, groupby=labels, weights=caps)

    def skfolio() -> CSLinearRegression:
        return CSLinearRegression().fit(design, r, cs_weights=w)

    def loop() -> np.ndarray:
        root = np.sqrt(w)
        return np.array(
            [
                np.linalg.lstsq(design[t] * root[t][:, None], r[t] * root[t], rcond=None)[0]
                for t in range(n_dates)
            ]
        )

    seconds = cpu_seconds(ours, skfolio, loop)
    styles = ours().lambdas_.iloc[:, -N_STYLES:].to_numpy()
    rows = [
        {
            "factor returns": name,
            "CPU ms a date": 1000.0 * taken / n_dates,
            "times ours": taken / seconds[0],
            "largest difference": difference,
        }
        for name, taken, difference in (
            ("FundamentalFactorModel.fit", seconds[0], 0.0),
            (
                "skfolio CSLinearRegression",
                seconds[1],
                np.abs(skfolio().coef_[:, -N_STYLES:] - styles).max(),
            ),
            ("loop of lstsq", seconds[2], np.abs(loop()[:, -N_STYLES:] - styles).max()),
        )
    ]
    print_table(f"{n_dates} dates x {N_ASSETS} assets x ({N_GROUPS} groups + {N_STYLES})", rows)


def specific_variances() -> None:
    residuals = np.random.default_rng(0).standard_normal((1000, 1500))
    frame = pd.DataFrame(residuals, columns=[f"a{i}" for i in range(1500)])
    peer = RegimeAdjustedEWVariance(half_life=84, hac_lags=5)
    seconds = cpu_seconds(
        lambda: SpecificRisk(regime_halflife=42).fit(frame), lambda: peer.fit(residuals)
    )
    ours = SpecificRisk(shrinkage=0.0).fit(frame).variance_
    rows = [
        {
            "specific variances": "SpecificRisk",
            "CPU seconds": seconds[0],
            "times ours": 1.0,
            "mean, truth is 1": ours.mean(),
        },
        {
            "specific variances": "skfolio RegimeAdjustedEWVariance",
            "CPU seconds": seconds[1],
            "times ours": seconds[1] / seconds[0],
            "mean, truth is 1": peer.variance_.mean(),
        },
    ]
    print_table("Specific variances of 1500 assets on 1000 dates, 5 lags", rows)


def the_rest() -> None:
    rng = np.random.default_rng(0)
    returns = rng.standard_normal((2520, 60)) * 0.01
    model = EWMCovariance(eigen_scale=1.4, n_simulations=1000, random_state=0)
    rows = [
        {
            "what": "covariance of 60 factors, 1000 simulations",
            "CPU seconds": cpu_seconds(lambda: model.fit(returns))[0],
        }
    ]
    n_assets, n_factors = 5000, 60
    names = [f"f{k}" for k in range(n_factors)]
    assets = [f"a{i}" for i in range(n_assets)]
    risk = RiskModel(
        pd.DataFrame(rng.standard_normal((n_assets, n_factors)), assets, names),
        pd.DataFrame(np.cov(returns.T), names, names),
        pd.Series(4e-4, assets),
    )
    weights = pd.DataFrame(rng.standard_normal((1000, n_assets)), columns=assets)
    rows.append(
        {
            "what": "volatility of 1000 portfolios x 5000 assets",
            "CPU seconds": cpu_seconds(lambda: risk.volatility(weights))[0],
        }
    )
    print_table("Covariance and volatilities", rows)


if __name__ == "__main__":
    print_machine("skfolio")
    factor_returns(int(sys.argv[1]) if len(sys.argv) > 1 else 2520)
    specific_variances()
    the_rest()
