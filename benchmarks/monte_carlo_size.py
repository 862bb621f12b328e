"""How often each standard error rejects a true premium at a nominal 5 percent.

Simulates two-pass models whose premia are known and counts how often |t| exceeds 1.96:
``python benchmarks/monte_carlo_size.py [replications]``, 2,000 by default, a few minutes.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from skfactor import FamaMacBeth

N_PERIODS, N_ASSETS = 600, 25
KINDS = ["fama-macbeth", "shanken", "gmm", "krs"]
Sample = tuple[np.ndarray, np.ndarray, float]  # factors, returns, true premium of the last factor


class Design:
    """A market with one or two priced factors and assets whose betas are drawn once."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.betas = np.column_stack(
            [rng.normal(1.0, 0.3, N_ASSETS), rng.normal(0.0, 0.5, N_ASSETS)]
        )
        self.errors = rng.normal(0.0, 0.003, N_ASSETS)

    def draw(
        self,
        rng: np.random.Generator,
        *,
        misspecified: bool = False,
        autocorrelation: float = 0.0,
    ) -> Sample:
        """Factors (T, 2), returns (T, N) and the premium that the second pass estimates."""
        shocks = 0.045 * rng.standard_normal((N_PERIODS + 50, 2))
        factors = shocks.copy()
        for t in range(1, len(factors)):
            factors[t] += autocorrelation * factors[t - 1]
        factors = factors[50:]
        premia = np.array([0.006, 0.003])
        means = 0.003 + self.betas @ premia + misspecified * self.errors
        noise = 0.025 * rng.standard_normal((N_PERIODS, N_ASSETS))
        returns = means + factors @ self.betas.T + noise
        x = np.column_stack([np.ones(N_ASSETS), self.betas])
        return factors, returns, float(np.linalg.lstsq(x, means, rcond=None)[0][-1])


def correct(design: Design, rng: np.random.Generator) -> Sample:
    return design.draw(rng)


def misspecified(design: Design, rng: np.random.Generator) -> Sample:
    return design.draw(rng, misspecified=True)


def useless(design: Design, rng: np.random.Generator) -> Sample:
    factors, returns, _ = design.draw(rng, misspecified=True)
    noise = 0.045 * rng.standard_normal((N_PERIODS, 1))
    return np.column_stack([factors[:, :1], noise]), returns, 0.0


def autocorrelated(design: Design, rng: np.random.Generator) -> Sample:
    return design.draw(rng, autocorrelation=0.5)


def unbalanced(design: Design, rng: np.random.Generator) -> Sample:
    factors, returns, premium = design.draw(rng)
    start = rng.integers(0, N_PERIODS // 2, N_ASSETS)
    start[::2] = 0  # half of the assets are there from the first period on
    late = np.arange(N_PERIODS)[:, None] < start
    return factors, np.where(late | (rng.random(returns.shape) < 0.05), np.nan, returns), premium


DESIGNS: dict[str, tuple[Callable[[Design, np.random.Generator], Sample], str | None]] = {
    "correct model": (correct, None),
    "misspecified model": (misspecified, None),
    "useless factor": (useless, None),
    "autocorrelated factors, no lags": (autocorrelated, None),
    "autocorrelated factors, Newey-West": (autocorrelated, "bartlett"),
    "unbalanced assets": (unbalanced, None),
}


def t_values(name: str, replications: int) -> Iterator[dict[str, float]]:
    """The t-values of the true premium of the last factor, by kind of error."""
    sample, kernel = DESIGNS[name]
    design, rng = Design(), np.random.default_rng(1)
    for _ in range(replications):
        factors, returns, premium = sample(design, rng)
        model = FamaMacBeth().fit(factors, returns)
        off = model.premia_.iloc[-1] - premium
        kinds = [k for k in KINDS if k != "shanken" or np.isfinite(returns).all()]
        yield {k: off / model.inference(k, kernel=kernel).std_errors.iloc[-1] for k in kinds}


def main(replications: int) -> None:
    print(f"{replications} replications, {N_PERIODS} periods, {N_ASSETS} assets, two factors")
    rates = {
        name: pd.DataFrame(t_values(name, replications)).abs().gt(1.96).mean() for name in DESIGNS
    }
    table = pd.DataFrame(rates).T.reindex(columns=KINDS)
    table.loc["unbalanced assets", "shanken"] = np.nan
    print(table.mul(100).round(1).to_string(na_rep="-"))
    error = 100 * np.sqrt(0.05 * 0.95 / replications)
    print(f"percent; simulation error of a rate of 5 percent: {error:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
