"""FactorNeutralizer against pandas groupby-apply with numpy.linalg.lstsq on dummies."""

import warnings

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from timing import median_seconds, peak_bytes, print_machine, print_table, random_panel

from skfactor import FactorNeutralizer
from skfactor.exceptions import RankDeficientWarning

AGAINST = ["x0", "x1"]


def compare(n_dates: int, n_assets: int, n_features: int, n_groups: int, missing: float) -> None:
    X, _ = random_panel(n_dates, n_assets, n_features)
    rng = np.random.default_rng(1)
    X = X.mask(rng.random(X.shape) < missing)
    groups = pd.Series(rng.integers(0, n_groups, len(X)), X.index, name="group")
    # The loop takes its time: it is given some of the dates.
    some = X.index.unique("date")[: max(n_dates // 20, 5)]
    few, their_groups = X.loc[some], groups.loc[some]

    def residuals(rows: pd.DataFrame) -> pd.DataFrame:
        dummies = pd.get_dummies(their_groups.loc[rows.index]).to_numpy(float)
        z = np.column_stack([rows[AGAINST].to_numpy(), dummies])
        out, targets = rows.copy(), rows.columns.difference(AGAINST)
        # Columns that are complete share one factorization.
        for name in targets if missing else [targets]:
            y = rows[name].to_numpy()
            known = np.isfinite(np.column_stack([y, z])).all(axis=1)
            slopes = np.linalg.lstsq(z[known], y[known], rcond=None)[0]
            out[name] = y - z @ slopes
        return out

    neutralizer = FactorNeutralizer(against=AGAINST).fit(X, groupby=groups)
    seconds = median_seconds(lambda: neutralizer.transform(X, groupby=groups))
    memory = peak_bytes(lambda: neutralizer.transform(X, groupby=groups))
    by_date = few.groupby(level="date", group_keys=False)
    with threadpool_limits(1, user_api="blas"):
        loop = median_seconds(lambda: by_date.apply(residuals), repeat=1) * len(X) / len(few)
    difference = (by_date.apply(residuals) - neutralizer.transform(few, groupby=their_groups)).abs()
    row = {
        "seconds": seconds,
        "pandas and lstsq": loop,
        "times faster": loop / seconds,
        "largest difference": np.nanmax(difference.to_numpy()),
        "peak / X": memory / X.to_numpy().nbytes,
    }
    print_table(
        f"{n_dates} dates x {n_assets} assets x {n_features} columns, {n_groups} groups, "
        f"{missing:.0%} missing",
        [row],
    )


if __name__ == "__main__":
    print_machine()
    warnings.simplefilter("ignore", RankDeficientWarning)  # thin dates have no residuals
    compare(600, 4_000, 10, 50, 0.0)
    compare(600, 4_000, 10, 50, 0.02)
    compare(50_000, 22, 5, 3, 0.0)
