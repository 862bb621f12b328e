"""Standard errors of two-pass premia against linearmodels, and on many test assets."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from linearmodels.asset_pricing import LinearFactorModel
from timing import median_seconds, peak_bytes, print_machine, print_table

from skfactor import FamaMacBeth

KERNELS = {
    "robust": ({}, {}),
    "Bartlett, 12 lags": (
        {"kernel": "bartlett", "bandwidth": 12},
        {"cov_type": "kernel", "kernel": "bartlett", "bandwidth": 12},
    ),
}


def two_pass(n_periods: int, n_assets: int, n_factors: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Factor returns, and returns of assets that are exposed to them."""
    rng = np.random.default_rng(0)
    index = pd.date_range("1949-01-31", periods=n_periods, freq="ME")
    factors = 0.005 + 0.04 * rng.standard_normal((n_periods, n_factors))
    betas = 1.0 + 0.5 * rng.standard_normal((n_assets, n_factors))
    returns = factors @ betas.T + 0.03 * rng.standard_normal((n_periods, n_assets))
    names = [f"factor{k}" for k in range(n_factors)]
    assets = [f"asset{i}" for i in range(n_assets)]
    return (
        pd.DataFrame(factors, index=index, columns=names),
        pd.DataFrame(returns, index=index, columns=assets),
    )


def infer(model: FamaMacBeth, options: dict) -> list:
    """Everything there is to say of premia."""
    found = model.inference("krs", **options)
    return [found.std_errors, found.t_values, found.p_values, found.conf_int()]


def _infer_next(models: Iterator[FamaMacBeth]) -> list:
    return infer(next(models), {})


def beside_linearmodels(n_periods: int, n_assets: int, n_factors: int) -> None:
    X, y = two_pass(n_periods, n_assets, n_factors)
    model = FamaMacBeth().fit(X, y)
    rows = []
    for name, (ours, theirs) in KERNELS.items():
        peer = LinearFactorModel(y, X, risk_free=True).fit(**theirs)
        found = model.inference("krs", **ours)
        # A model keeps the influence of its dates: each call has a model of its own.
        fitted = iter([FamaMacBeth().fit(X, y) for _ in range(204)])
        row = {
            "errors": name,
            "krs errors": median_seconds(
                lambda ours=ours, fitted=fitted: next(fitted).inference("krs", **ours).std_errors,
                repeat=101,
            ),
            "with t, p, intervals": median_seconds(
                lambda ours=ours, fitted=fitted: infer(next(fitted), ours), repeat=101
            ),
            "again": median_seconds(lambda ours=ours: infer(model, ours), repeat=101),
            "and the fit": median_seconds(
                lambda ours=ours: infer(FamaMacBeth().fit(X, y), ours), repeat=51
            ),
            "linearmodels' fit": median_seconds(
                lambda theirs=theirs: LinearFactorModel(y, X, risk_free=True).fit(**theirs),
                repeat=21,
            ),
        }
        row["times faster"] = row["linearmodels' fit"] / row["with t, p, intervals"]
        row["with the fit"] = row["linearmodels' fit"] / row["and the fit"]
        difference = found.std_errors.to_numpy() / peer.risk_premia_se.to_numpy() - 1.0
        row["largest difference"] = np.abs(difference).max()
        rows.append(row)
    print_table(f"Errors of premia: {n_periods} x {n_assets} portfolios x {n_factors}", rows)


def many_assets(n_periods: int, n_assets: int, n_factors: int) -> None:
    X, complete = two_pass(n_periods, n_assets, n_factors)
    unbalanced = complete.mask(np.random.default_rng(1).random(complete.shape) < 0.05)
    rows = []
    for name, y in {"complete": complete, "5% missing": unbalanced}.items():
        fitted = iter([FamaMacBeth().fit(X, y) for _ in range(7)])
        call = partial(_infer_next, fitted)
        row = {"returns": name, "krs": median_seconds(call)}
        row["peak / returns"] = peak_bytes(call) / complete.to_numpy().nbytes
        rows.append(row)
    print_table(f"Errors of premia: {n_periods} x {n_assets:,} assets x {n_factors}", rows)


if __name__ == "__main__":
    print_machine("linearmodels")
    beside_linearmodels(800, 25, 4)
    many_assets(819, 1_000, 5)
