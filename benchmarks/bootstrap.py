"""The bootstrap of two passes against a loop of arch over fits: ``python benchmarks/bootstrap.py``.

arch runs some draws only, and its time is for as many as ours.
"""

import sys

import numpy as np
import pandas as pd
from arch.bootstrap import IIDBootstrap
from timing import median_seconds, print_machine, print_table

from skfactor import FamaMacBeth

N_PERIODS, N_ASSETS, N_FACTORS = 600, 25, 4
N_DRAWS, N_THEIRS = 5_000, 50


def two_pass() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Factor returns, and returns of assets that are exposed to them."""
    rng = np.random.default_rng(0)
    index = pd.period_range("1970-01", periods=N_PERIODS, freq="M")
    factors = 0.005 + 0.04 * rng.standard_normal((N_PERIODS, N_FACTORS))
    betas = 1.0 + 0.5 * rng.standard_normal((N_ASSETS, N_FACTORS))
    returns = factors @ betas.T + 0.03 * rng.standard_normal((N_PERIODS, N_ASSETS))
    return pd.DataFrame(factors, index), pd.DataFrame(returns, index)


def main(repeat: int) -> None:
    """Print times of premia alone, and of premia with percentile-t."""
    factors, returns = two_pass()
    model = FamaMacBeth().fit(factors, returns)

    def premia(x: pd.DataFrame, y: pd.DataFrame) -> np.ndarray:
        return FamaMacBeth().fit(x.set_axis(factors.index), y.set_axis(factors.index)).premia_

    def t_values(x: pd.DataFrame, y: pd.DataFrame) -> np.ndarray:
        fitted = FamaMacBeth().fit(x.set_axis(factors.index), y.set_axis(factors.index))
        return fitted.inference("shanken").t_values

    def draw() -> object:
        return model.inference("bootstrap", n_draws=N_DRAWS, block_length=1)

    rows = []
    for name, ours, theirs in (
        ("premia", lambda: draw().std_errors, premia),
        ("percentile-t", lambda: draw().conf_int(), t_values),
    ):
        loop = IIDBootstrap(factors, returns, seed=0)
        row = {"what": name, "skfactor": median_seconds(ours, repeat)}
        seconds = median_seconds(lambda f=theirs, b=loop: b.apply(f, N_THEIRS), repeat)
        row["arch over fits"] = seconds * N_DRAWS / N_THEIRS
        row["times faster"] = row["arch over fits"] / row["skfactor"]
        rows.append(row)
    print_table(f"{N_DRAWS:,} draws of {N_PERIODS} x {N_ASSETS} x {N_FACTORS}", rows)


if __name__ == "__main__":
    print_machine("arch")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
