"""The size of Gu, Kelly and Xiu (2020): months x 5,000 stocks x 94 characteristics in float32.

``python benchmarks/many_characteristics.py 720`` takes the 720 months of their sample (1.35 GB of
characteristics, and as much again for an output); without a number, half of them.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from timing import peak_bytes, print_machine, print_table

from skfactor import FactorRanker, FamaMacBeth, RidgeFamaMacBeth, Winsorizer
from skfactor._kernels.cross_moments import segment_cross_moments

N_ASSETS, N_FEATURES = 5_000, 94
# Products of the matrix of a month, characteristics and return, with itself.
OPERATIONS = 2 * (N_FEATURES + 1) ** 2 * N_ASSETS


def panel(n_dates: int) -> tuple[pd.DataFrame, pd.Series]:
    """Characteristics in [-1, 1] and returns, date by date."""
    rng = np.random.default_rng(0)
    dates = pd.period_range("1957-03", periods=n_dates, freq="M")
    index = pd.MultiIndex.from_product([dates, np.arange(N_ASSETS)], names=["date", "asset"])
    values = rng.random((N_FEATURES, len(index)), dtype=np.float32)
    values -= np.float32(0.5)
    columns = [f"c{k}" for k in range(N_FEATURES)]
    X = pd.DataFrame(values.T, index=index, columns=columns, copy=False)
    y = 0.01 * values[0] + 0.1 * rng.standard_normal(len(index))
    return X, pd.Series(y, index=index, name="return")


def best_seconds(call: Callable[[], Any], repeat: int = 3) -> float:
    """Shortest of a few calls: other work on the machine only ever adds."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def share_of_blas(step: Callable[[], Any], n_dates: int, repeat: int = 5) -> tuple[float, float]:
    """Rate of a step in billions of operations a second, and that of float64 BLAS for the same.

    One thread each, in turn and for as long, so that what else runs on the machine slows both.
    """
    left = np.random.default_rng(0).standard_normal((N_FEATURES + 1, N_ASSETS))
    right = left.copy()  # a matrix with itself would be a product of half the operations

    def products() -> None:
        for _ in range(n_dates):
            left @ right.T

    with threadpool_limits(1, user_api="blas"):
        pairs = [(best_seconds(step, 1), best_seconds(products, 1)) for _ in range(repeat)]
    seconds, blas = np.median(pairs, axis=0)
    operations = n_dates * OPERATIONS / 1e9
    return operations / seconds, operations / blas


def main(n_dates: int) -> None:
    X, y = panel(n_dates)
    size = X.to_numpy().nbytes
    steps: dict[str, Callable[[], Any]] = {}
    for transformer in (Winsorizer(), FactorRanker()):
        steps[type(transformer).__name__] = partial(transformer.fit(X).transform, X)
    for model in (FamaMacBeth(), RidgeFamaMacBeth(0.1)):
        steps[type(model).__name__] = partial(model.fit, X, y)
    seconds = {name: best_seconds(step) for name, step in steps.items()}
    rows = [
        {"step": name, "seconds": seconds[name], "peak / X": peak_bytes(step) / size}
        for name, step in steps.items()
    ]
    title = f"{n_dates} dates x {N_ASSETS:,} assets x {N_FEATURES} float32, {size / 1e9:.2f} GB"
    print_table(title, rows)

    values, returns, offsets = X.to_numpy().T, y.to_numpy(), np.arange(n_dates + 1) * N_ASSETS
    steps["its cross-products alone"] = lambda: segment_cross_moments(values, returns, offsets)
    rates = []
    for name in ("FamaMacBeth", "its cross-products alone", "RidgeFamaMacBeth"):
        rate, blas = share_of_blas(steps[name], n_dates)
        rates.append({"step": name, "GF/s": rate, "BLAS GF/s": blas, "share": rate / blas})
    print_table("Rate of the regressions, in operations of the products alone", rates)


if __name__ == "__main__":
    print_machine()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 360)
