"""FamaMacBeth against linearmodels, a statsmodels loop, and one sum of the data."""

import numpy as np
import pandas as pd
import statsmodels.api as sm
from linearmodels.panel import FamaMacBeth as PanelFamaMacBeth
from timing import (
    median_seconds,
    peak_bytes,
    print_machine,
    print_table,
    random_panel,
    seconds_to_read,
)

from skfactor import FamaMacBeth


def panel(n_dates: int, n_assets: int, n_features: int, share: float) -> None:
    X, y = random_panel(n_dates, n_assets, n_features, share)
    values = X.to_numpy()
    by_asset, y_by_asset = X.swaplevel().sort_index(), y.swaplevel().sort_index()
    peer_X = sm.add_constant(by_asset)
    peer_X.index = peer_X.index.set_levels(peer_X.index.levels[1].to_timestamp(), level=1)
    peer_y = y_by_asset.set_axis(peer_X.index)
    peer = median_seconds(lambda: PanelFamaMacBeth(peer_y, peer_X).fit(), repeat=3)
    one_sum = median_seconds(values.sum)
    difference = np.abs(
        PanelFamaMacBeth(peer_y, peer_X).fit().params - FamaMacBeth().fit(X, y).premia_
    ).max()
    rows = []
    for name, data in {"date-sorted": (X, y), "asset-sorted": (by_asset, y_by_asset)}.items():
        seconds = median_seconds(lambda data=data: FamaMacBeth().fit(*data))
        memory = peak_bytes(lambda data=data: FamaMacBeth().fit(*data))
        rows.append(
            {
                "rows": name,
                "seconds": seconds,
                "linearmodels": peer,
                "times faster": peer / seconds,
                "in sums of X": seconds / one_sum,
                "peak / X": memory / values.nbytes,
            }
        )
    print_table(
        f"Panel: {n_dates} dates x {n_assets} assets x {n_features} exposures, {share:.0%} present"
        f" (largest difference of premia {difference:.1e})",
        rows,
    )


def short_cross_sections() -> None:
    X, y = random_panel(500_000, 22, 3, freq="min")
    one_sum = median_seconds(lambda: X.to_numpy().sum() + y.to_numpy().sum())
    seconds = median_seconds(lambda: FamaMacBeth().fit(X, y))
    row = {"seconds": seconds, "in sums of X and y": seconds / one_sum}
    print_table("Minute bars: 500,000 dates x 22 assets x 3 exposures", [row])


def streaming(n_dates: int, n_assets: int, n_features: int) -> None:
    X, y = random_panel(n_dates, n_assets, n_features)
    whole = median_seconds(lambda: FamaMacBeth().fit(X, y))
    expected = FamaMacBeth().fit(X, y)
    rows = []
    for n_together in (1, 12, 60, n_dates):
        parts = [
            slice(i, i + n_together * n_assets) for i in range(0, len(X), n_together * n_assets)
        ]
        calls = [(X.iloc[part], y.iloc[part]) for part in parts]

        def stream(calls: list = calls) -> FamaMacBeth:
            model = FamaMacBeth()
            for call in calls:
                model.partial_fit(*call)
            return model

        seconds = median_seconds(stream)
        row = {"dates a call": n_together, "seconds": seconds, "times one fit": seconds / whole}
        row["ms a call"] = 1e3 * seconds / len(calls)
        row["same to the last bit"] = stream().lambdas_.equals(expected.lambdas_)
        rows.append(row)
    print_table(f"Calls of partial_fit: {n_dates} x {n_assets} x {n_features}", rows)


def wide() -> None:
    rng = np.random.default_rng(0)
    index = pd.period_range("1949-01", periods=819, freq="M")
    factors = pd.DataFrame(rng.standard_normal((819, 5)), index=index, columns=list("abcde"))
    complete = pd.DataFrame(rng.standard_normal((819, 1000)), index=index)
    unbalanced = complete.mask(rng.random(complete.shape) < 0.05)

    def loop(values: np.ndarray) -> None:
        x = sm.add_constant(factors.to_numpy())
        betas = [sm.OLS(r, x, missing="drop").fit().params[1:] for r in values.T]
        x = sm.add_constant(np.array(betas))
        for r in values:
            sm.OLS(r, x, missing="drop").fit()

    rows = []
    for name, returns in {"complete": complete, "5% missing": unbalanced}.items():
        values = returns.to_numpy()
        peer = median_seconds(lambda values=values: loop(values), repeat=1)
        seconds = median_seconds(
            lambda returns=returns: FamaMacBeth().fit(factors, returns), repeat=11
        )
        row = {
            "returns": name,
            "seconds": seconds,
            "statsmodels loop": peer,
            "times faster": peer / seconds,
            "in sums of them, from cache": seconds / median_seconds(values.sum, repeat=11),
            "in reads from memory": seconds / seconds_to_read(values.nbytes),
        }
        rows.append(row)
    print_table("Wide: 819 months x 1,000 assets x 5 factors", rows)


if __name__ == "__main__":
    print_machine("linearmodels", "statsmodels")
    panel(240, 2_000, 10, 0.8)
    panel(600, 4_000, 10, 1.0)
    short_cross_sections()
    streaming(600, 4_000, 10)
    wide()
