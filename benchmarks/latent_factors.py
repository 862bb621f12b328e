"""Latent factors against the package ipca (if installed) and scikit-learn's PCA.

``python benchmarks/latent_factors.py`` takes some minutes, most of them for ipca. Names of parts
run these alone: ``threads``, ``large``, ``more``, ``refits``, ``wide``.
"""

import contextlib
import io
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from timing import median_seconds, peak_bytes, print_machine, print_table, side_by_side

from skfactor import FamaMacBeth, InstrumentedPCA, InstrumentedPCACV, ReturnPCA, RiskPremiumPCA
from skfactor._kernels.instrumented import Problem, normalized
from skfactor.decomposition import n_factors

try:
    from ipca import InstrumentedPCA as Peer
except ImportError:
    Peer = None


# Where ipca stops.
CONVERGED = {"max_iter": 10_000, "iter_tol": 1e-6}


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


def sweeps_to(sums: Any, n: int, tol: float) -> int:
    """Sweeps of plain alternating least squares, from the start of the authors."""
    nothing = np.empty((len(sums), 0))
    problem = Problem(sums, nothing, n)
    coefficients = np.linalg.svd(sums.portfolios.T, full_matrices=False)[0][:, :n]
    latent = np.zeros((len(sums), n))
    for sweep in range(10_000):
        new = problem.sweep(problem.at(coefficients).latent)
        new, factors = normalized(new, problem.at(new).latent, nothing)
        moved = max(np.abs(new - coefficients).max(), np.abs(factors - latent).max())
        coefficients, latent = new, factors
        if moved < tol:
            return sweep + 1
    return 10_000


def describe(X: pd.DataFrame, y: pd.Series, true: int, n: int) -> dict[str, Any]:
    """Seconds of the processor and memory of a fit of n factors, and of what it is made of."""
    model = InstrumentedPCA(n, add_constant=False)
    size = X.to_numpy().nbytes
    fit = cpu_seconds(lambda: model.fit(X, y))
    premia = cpu_seconds(lambda: FamaMacBeth(fit_intercept=False).fit(X, y))
    shape = " x ".join(map(str, (len(X.index.levels[0]), len(X.index.levels[1]), X.shape[1])))
    return {
        "panel": f"{shape}, K = {n} of {true}",
        "cpu": fit,
        "steps": model.n_iter_,
        "sums / FamaMacBeth": cpu_seconds(lambda: model.read_sums(X, y)) / premia,
        "fit / FamaMacBeth": fit / premia,
        "peak / X": peak_bytes(lambda: model.fit(X, y)) / size,
    }


def threads() -> None:
    """A panel of middle size, by the clock with as many threads as there are."""
    rows = []
    for true in (4, 3):
        X, y = panel(240, 800, 20, true)
        row = describe(X, y, true, 4)
        if Peer is not None:
            model, peer = InstrumentedPCA(4, add_constant=False), fit_peer(X, y, 4, **CONVERGED)
            ours, theirs = side_by_side(lambda m=model, x=X, r=y: m.fit(x, r), peer, repeat=3)
            row |= {"wall": ours, "ipca, wall": theirs, "times faster": theirs / ours}
        rows.append(row)
    print_table("InstrumentedPCA, seconds, all threads; ipca to a change of 1e-6", rows)


def large() -> None:
    X, y = panel(600, 3_000, 36, 5)
    row = describe(X, y, 5, 5)
    if Peer is not None:
        row["ipca, cpu"] = cpu_seconds(fit_peer(X, y, 5, **CONVERGED), 1)
        row["times faster"] = row["ipca, cpu"] / row["cpu"]
    print_table("InstrumentedPCA, seconds, one thread; ipca to a change of 1e-6", [row])


def more() -> None:
    """More factors than there are, which takes least squares by turns many sweeps."""
    X, y = panel(600, 3_000, 36, 5)
    row = describe(X, y, 5, 8)
    if Peer is not None:
        few, some = (cpu_seconds(fit_peer(X, y, 8, max_iter=m, iter_tol=0.0), 1) for m in (2, 12))
        sums = InstrumentedPCA(8, add_constant=False).read_sums(X, y).sums
        row["ipca, a sweep"] = (some - few) / 10
        row["sweeps"] = sweeps_to(sums, 8, 1e-6)
        row["ipca, extrapolated"] = few + row["ipca, a sweep"] * row["sweeps"]
        row["times faster"] = row["ipca, extrapolated"] / row["cpu"]
    print_table("InstrumentedPCA, seconds, one thread, too many factors", [row])


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
    pca = PCA(5, svd_solver="full")
    fits: dict[str, Callable[[], Any]] = {
        "RiskPremiumPCA, 600 x 3,000": lambda: RiskPremiumPCA(5).fit(x),
        "scikit-learn's PCA, full solver": lambda: pca.fit(x),
        "ReturnPCA, pairwise, 600 x 1,000": lambda: ReturnPCA(5, missing="pairwise").fit(holes),
        "n_factors, five rules": lambda: n_factors(x, rules),
    }
    for fit in fits.values():
        fit()
    walls = side_by_side(*fits.values(), repeat=3)
    rows = [
        {"fit": name, "wall": wall, "cpu": cpu_seconds(fit)}
        for (name, fit), wall in zip(fits.items(), walls, strict=True)
    ]
    print_table("Wide returns, seconds", rows)


PARTS = {each.__name__: each for each in (threads, large, more, refits, wide)}

if __name__ == "__main__":
    print_machine("scikit-learn", *(["ipca"] if Peer is not None else []))
    if Peer is not None:
        fit_peer(*panel(24, 30, 5, 2), 2, **CONVERGED)()  # compiles
    for name in sys.argv[1:] or list(PARTS):
        PARTS[name]()
