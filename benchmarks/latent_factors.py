"""Latent factors against the package ipca (if installed) and scikit-learn's PCA.

``python benchmarks/latent_factors.py`` takes some minutes, most of them for ipca.
"""

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from timing import median_seconds, peak_bytes, print_machine, print_table

from skfactor import FamaMacBeth, InstrumentedPCA, InstrumentedPCACV, ReturnPCA, RiskPremiumPCA
from skfactor._kernels.instrumented import Problem
from skfactor.decomposition import n_factors

try:
    from ipca import InstrumentedPCA as Peer
except ImportError:
    Peer = None


def panel(n_dates: int, n_assets: int, n_columns: int, n_latent: int) -> Any:
    """Ranks between -1/2 and 1/2 and a constant, and returns with so many latent factors."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [np.arange(n_dates), np.arange(n_assets)], names=["date", "asset"]
    )
    z = rng.random((n_dates, n_assets, n_columns)) - 0.5
    z[..., -1] = 1.0
    turn = np.linalg.qr(rng.normal(size=(n_columns, n_latent)))[0]
    paths = rng.normal(0.1, 1.0, (n_dates, n_latent)) @ turn.T
    r = np.matmul(z, paths[..., None])[..., 0] + rng.normal(size=(n_dates, n_assets))
    columns = [f"z{k}" for k in range(n_columns)]
    X = pd.DataFrame(z.reshape(len(index), -1), index, columns, copy=False)
    return X, pd.Series(r.ravel(), index, name="r")


def cpu_seconds(call: Callable[[], Any], repeat: int = 3) -> float:
    """Shortest time of the processor in one thread, a call that warms up left out."""
    seconds = []
    with threadpool_limits(1):
        for _ in range(repeat):
            start = time.process_time()
            call()
            seconds.append(time.process_time() - start)
    return min(seconds)


def fit_peer(X: pd.DataFrame, y: pd.Series, n: int, **options: Any) -> Callable[[], Any]:
    """A fit of ipca, which wants (asset, date) order and prints much."""
    x, r = X.swaplevel().sort_index(), y.swaplevel().sort_index()

    def call() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            Peer(n_factors=n, intercept=False, **options).fit(X=x, y=r)

    return call


def compare(sizes: list[tuple[int, int, int, int, int]]) -> None:
    rows = []
    for n_dates, n_assets, n_columns, true, n in sizes:
        X, y = panel(n_dates, n_assets, n_columns, true)
        model = InstrumentedPCA(n, add_constant=False)
        ours = {"wall": median_seconds(lambda m=model, x=X, r=y: m.fit(x, r), 3)}
        ours["cpu"] = cpu_seconds(lambda m=model, x=X, r=y: m.fit(x, r))
        row = {"panel": f"{n_dates} x {n_assets} x {n_columns}, K = {n} of {true}", **ours}
        row["steps"] = model.n_iter_
        row["of FamaMacBeth"] = ours["cpu"] / cpu_seconds(
            lambda x=X, r=y: FamaMacBeth(fit_intercept=False).fit(x, r)
        )
        row["peak / X"] = peak_bytes(lambda m=model, x=X, r=y: m.fit(x, r)) / X.to_numpy().nbytes
        if Peer is not None and n == true:
            call = fit_peer(X, y, n, max_iter=10_000, iter_tol=1e-6)
            call()  # compiles
            row["ipca / ours, wall"] = median_seconds(call, 1) / ours["wall"]
            row["ipca / ours, cpu"] = cpu_seconds(call, 1) / ours["cpu"]
        rows.append(row)
    print_table("InstrumentedPCA, seconds; ipca to a tolerance of 1e-6", rows)


def refits() -> None:
    """Expanding windows from sums that add up, and cross-validation."""
    X, y = panel(600, 1_000, 36, 5)
    model = InstrumentedPCA(5, add_constant=False)
    sums = model.read_sums(X, y).sums

    def expand() -> None:
        start = None
        for end in range(60, 600):
            dates = np.arange(end)
            problem = Problem(sums.take(dates), np.empty((end, 0)), 5)
            first = problem.start() if start is None else start
            start = problem.solve(first, 200, 1e-8, sweeps=1).coefficients

    rows = [{"task": "540 expanding refits, K = 5, 36 columns", "seconds": cpu_seconds(expand, 1)}]
    search = InstrumentedPCACV(range(1, 9), add_constant=False, random_state=0)
    seconds = median_seconds(lambda: search.fit(X, y), 1)
    rows.append({"task": "five folds x K = 1..8, sums too", "seconds": seconds})
    inference = InstrumentedPCA(5, add_constant=False).fit(X, y).inference(n_draws=50)
    seconds = median_seconds(inference.alpha_test, 1) / 50
    rows.append({"task": "a draw of the alpha test, K = 5", "seconds": seconds})
    print_table("From sums of each date, 600 dates", rows)


def wide() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 5)) @ rng.normal(size=(5, 3_000)) + rng.normal(size=(600, 3_000))
    holes = np.where(rng.random((600, 1_000)) < 0.3, np.nan, x[:, :1_000])
    rules = ["ic1", "bic3", "er", "ed", "gx"]
    fits: dict[str, Callable[[], Any]] = {
        "RiskPremiumPCA, 600 x 3,000": lambda: RiskPremiumPCA(5).fit(x),
        "scikit-learn's PCA, full solver": lambda: PCA(5, svd_solver="full").fit(x),
        "ReturnPCA, pairwise, 600 x 1,000": lambda: ReturnPCA(5, missing="pairwise").fit(holes),
        "n_factors, five rules": lambda: n_factors(x, rules),
    }
    rows = [{"fit": name, "seconds": median_seconds(fit, 3)} for name, fit in fits.items()]
    print_table("Wide returns, seconds", rows)


if __name__ == "__main__":
    print_machine("scikit-learn", *(["ipca"] if Peer is not None else []))
    compare([(240, 800, 20, 4, 4), (600, 3_000, 36, 5, 5), (600, 3_000, 36, 5, 8)])
    refits()
    wide()
