"""Intervals and tests of latent factor models where the truth is known.

Counts how often 95% intervals of `ThreePassPremia` hold the premium, and how often the test of
alphas of `InstrumentedPCA` rejects at 5 percent where there are none:
``python benchmarks/latent_size.py [premia or alphas] [samples]``, 2,000 and 400 samples by
default, ten minutes.
"""

import sys

import numpy as np
import pandas as pd
from timing import print_machine, print_table

from skfactor import InstrumentedPCA, ThreePassPremia

PREMIA = np.array([0.4, 0.2, -0.1])
# Exposures of what is observed to the latent factors: one of them, a mixture, nothing.
OBSERVED = {"a latent factor": [1.0, 0.0, 0.0], "a mixture": [0.5, 0.5, 0.3], "noise": [0.0] * 3}
NOISE = np.array([0.3, 1.0, 1.0])


def premia_covered(rng: np.random.Generator, n_periods: int, n_assets: int) -> np.ndarray:
    """Whether the interval of each observed factor holds its premium, in one sample."""
    loadings = rng.normal([1.0, 0.0, 0.0], 1.0, (n_assets, 3))
    latent = rng.normal(size=(n_periods, 3))
    returns = (PREMIA + latent) @ loadings.T + rng.normal(size=(n_periods, n_assets))
    exposures = np.array(list(OBSERVED.values()))
    observed = latent @ exposures.T + NOISE * rng.normal(size=(n_periods, 3))
    interval = ThreePassPremia(3).fit(observed, returns).inference().conf_int()
    truth = exposures @ PREMIA
    return ((interval["lower"] < truth) & (truth < interval["upper"])).to_numpy()


def alphas_rejected(rng: np.random.Generator, n_dates: int, n_assets: int, n_latent: int) -> bool:
    """Whether alphas are found, in one sample that has none."""
    index = pd.MultiIndex.from_product(
        [np.arange(n_dates), np.arange(n_assets)], names=["date", "asset"]
    )
    ranks = rng.random((len(index), 3)) - 0.5
    z = np.column_stack([ranks, np.ones(len(index))])
    gamma = np.linalg.qr(rng.normal(size=(4, n_latent)))[0]
    factors = rng.normal(0.3, 1.0, (n_dates, n_latent))
    returns = np.sum((z @ gamma) * factors[index.codes[0]], axis=1) + rng.normal(size=len(index))
    model = InstrumentedPCA(n_latent, tol=1e-7).fit(
        pd.DataFrame(ranks, index, ["x1", "x2", "x3"]), pd.Series(returns, index)
    )
    inference = model.inference(n_draws=59, random_state=rng.integers(2**31))
    return inference.alpha_test().p_value <= 0.05


def premia(n_samples: int) -> None:
    rows = []
    for n_periods, n_assets in ((240, 100), (600, 50)):
        rng = np.random.default_rng(0)
        hits = np.mean([premia_covered(rng, n_periods, n_assets) for _ in range(n_samples)], axis=0)
        shares = dict(zip(OBSERVED, 100.0 * hits, strict=True))
        rows.append({"periods x assets": f"{n_periods} x {n_assets}", **shares})
    print_table(f"Percent of 95% intervals that hold the premium, {n_samples} samples", rows)


def alphas(n_samples: int) -> None:
    rows = []
    for n_latent in (1, 2):
        rng = np.random.default_rng(0)
        found = [alphas_rejected(rng, 60, 40, n_latent) for _ in range(n_samples)]
        share = 100.0 * np.mean(found)
        rows.append({"dates x assets": "60 x 40", "factors": n_latent, "rejections": share})
    print_table(f"Percent of alphas of zero that are rejected at 5%, {n_samples} samples", rows)


PARTS = {"premia": (premia, 2000), "alphas": (alphas, 400)}

if __name__ == "__main__":
    print_machine()
    for name in sys.argv[1:2] or list(PARTS):
        part, n_samples = PARTS[name]
        part(int(sys.argv[2]) if len(sys.argv) > 2 else n_samples)
