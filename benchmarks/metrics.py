"""Metrics by date against groupby-apply of pandas, 2.4 million rows."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from timing import print_machine, print_table, random_panel, side_by_side

from skfactor.metrics import (
    ic,
    ic_scorer,
    long_short_sharpe,
    quantile_turnover,
    r2_zero,
    rank_autocorrelation,
    rank_ic,
    rank_ic_scorer,
)


class Given:
    """An estimator whose predictions are its first feature: a scorer's own time."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return X.iloc[:, 0].to_numpy()


def pandas_ic(frame: pd.DataFrame, method: str) -> float:
    by_date = frame.groupby(level="date")
    return float(by_date.apply(lambda rows: rows["y"].corr(rows["p"], method=method)).mean())


def pandas_sharpe(frame: pd.DataFrame) -> float:
    def spread(rows: pd.DataFrame) -> float:
        means = rows["y"].groupby(pd.qcut(rows["p"], 10, labels=False)).mean()
        return float(means.iloc[-1] - means.iloc[0])

    returns = frame.groupby(level="date").apply(spread)
    return float(returns.mean() / returns.std())


def pandas_r2(frame: pd.DataFrame) -> float:
    parts = frame.groupby(level="date").apply(
        lambda rows: pd.Series([((rows["y"] - rows["p"]) ** 2).sum(), (rows["y"] ** 2).sum()])
    )
    missed, total = parts.sum()
    return float(1.0 - missed / total)


def pandas_autocorrelation(p: pd.Series) -> float:
    ranks = p.groupby(level="date").rank().unstack()  # noqa: PD010 -- of a series
    return float(ranks.corrwith(ranks.shift(), axis=1).mean())


def pandas_turnover(p: pd.Series) -> float:
    quantile = p.groupby(level="date").transform(pd.qcut, 10, labels=False)
    wide = quantile.unstack()  # noqa: PD010 -- of a series
    shares = []
    for extreme in (0, 9):
        inside = wide == extreme
        new = inside & ~inside.shift(fill_value=False)
        shares.append((new.sum(axis=1) / inside.sum(axis=1)).iloc[1:].mean())
    return float(np.mean(shares))


def compare(n_dates: int, n_assets: int) -> None:
    X, y = random_panel(n_dates, n_assets, 1)
    p = X["x0"]
    frame = pd.DataFrame({"y": y, "p": p})
    own_index = y.set_axis(y.index.copy())  # equal labels in another object
    cases: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "ic": (lambda: ic(y, p), lambda: pandas_ic(frame, "pearson")),
        "ic_scorer": (lambda: ic_scorer(Given(), X, y), lambda: pandas_ic(frame, "pearson")),
        "rank_ic": (lambda: rank_ic(y, p), lambda: pandas_ic(frame, "spearman")),
        "rank_ic, two indexes": (
            lambda: rank_ic(own_index, p),
            lambda: pandas_ic(frame, "spearman"),
        ),
        "rank_ic_scorer": (
            lambda: rank_ic_scorer(Given(), X, y),
            lambda: pandas_ic(frame, "spearman"),
        ),
        "r2_zero": (lambda: r2_zero(y, p), lambda: pandas_r2(frame)),
        "long_short_sharpe": (lambda: long_short_sharpe(y, p), lambda: pandas_sharpe(frame)),
        "rank_autocorrelation": (
            lambda: rank_autocorrelation(p),
            lambda: pandas_autocorrelation(p),
        ),
        "quantile_turnover": (lambda: quantile_turnover(p), lambda: pandas_turnover(p)),
    }
    rows = []
    for name, (ours, theirs) in cases.items():
        assert np.isclose(ours(), theirs(), rtol=1e-6)
        seconds, pandas_seconds = side_by_side(ours, theirs)
        rows.append(
            {
                "metric": name,
                "seconds": seconds,
                "pandas": pandas_seconds,
                "times pandas": pandas_seconds / seconds,
            }
        )
    print_table(f"{n_dates:,} dates x {n_assets:,} assets", rows)


if __name__ == "__main__":
    print_machine("scikit-learn")
    compare(600, 4_000)
    compare(5_000, 480)
