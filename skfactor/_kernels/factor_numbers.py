"""How many factors returns have: criteria of the eigenvalues of their second moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skfactor._kernels.principal import leading_directions
from skfactor._kernels.rounding import TINY
from skfactor._typing import Float64Array

# Criteria of which the smallest value is chosen, and those of which the largest is.
SMALLEST = ("ic1", "ic2", "ic3", "pc1", "pc2", "pc3", "bic3")
LARGEST = ("er", "gr")
# Steps of the edge of the bulk of eigenvalues, and eigenvalues in each of its regressions.
_EDGE_STEPS, _EDGE = 4, 5
# Multiples of the penalty that are tried on subsamples, and the smallest share of assets in one.
_MULTIPLES = np.arange(1, 301) / 100.0
_N_SUBSAMPLES, _SMALLEST_SHARE = 30, 0.75


def penalties(n_periods: int, n_assets: int) -> tuple[float, float, float]:
    """Penalties of Bai and Ng (2002) for each further factor."""
    t, n, m = n_periods, n_assets, min(n_periods, n_assets)
    size = (n + t) / (n * t)
    return size * np.log(1.0 / size), size * np.log(m), np.log(m) / m


def left_over(values: Float64Array) -> Float64Array:
    """Sums of the eigenvalues after the first 0, 1, ..., m."""
    sums = np.append(np.cumsum(values[::-1])[::-1], 0.0)
    left: Float64Array = np.maximum(sums, TINY)
    return left


def criteria(
    values: Float64Array, n_periods: int, n_assets: int, most: int
) -> dict[str, Float64Array]:
    """Criteria (most + 1,) for 0, 1, ..., ``most`` factors.

    From the eigenvalues of X'X / (T N), descending.
    """
    left, k = left_over(values), np.arange(most + 1)
    rest, noise = left[: most + 1], left[most]
    found: dict[str, Float64Array] = {}
    for number, penalty in enumerate(penalties(n_periods, n_assets), 1):
        found[f"ic{number}"] = np.log(rest) + k * penalty
        found[f"pc{number}"] = rest + k * noise * penalty
    cells = n_periods * n_assets
    found["bic3"] = rest + k * noise * (n_assets + n_periods - k) * np.log(cells) / cells
    # An eigenvalue for no factor, as if it explained this much.
    none = left[0] / np.log(min(n_periods, n_assets))
    extended = np.append(none, values)[: most + 2]
    found["er"] = extended[:-1] / np.maximum(extended[1:], TINY)
    # log(V(k - 1) / V(k)), of which the first is log(1 + none / V(0)).
    growth = np.log1p(extended / left[: most + 2])
    found["gr"] = growth[:-1] / np.maximum(growth[1:], TINY)
    return found


def edge_number(values: Float64Array, most: int) -> int:
    """Onatski (2010): eigenvalues that differ from the next by more than those of the bulk.

    ``most`` + 5 eigenvalues have to be there, in any unit.
    """
    gaps = values[:most] - values[1 : most + 1]
    start, found = most + 1, most
    for _ in range(_EDGE_STEPS):
        places = np.arange(start - 1, start - 1 + _EDGE) ** (2.0 / 3.0)
        y = values[start - 1 : start - 1 + _EDGE]
        x = places - places.mean()
        threshold = 2.0 * abs(float(x @ y / (x @ x)))
        found = int(np.max(np.flatnonzero(gaps >= threshold), initial=-1)) + 1
        if start == found + 1:
            break
        start = found + 1
    return found


def penalized_eigenvalue_number(
    values: Float64Array, n_periods: int, n_assets: int, most: int
) -> int:
    """Giglio and Xiu (2021): eigenvalues before the smallest sum of one and its penalty."""
    size = np.log(n_assets) + np.log(n_periods)
    penalty = 0.5 * float(np.median(values[:most])) * size * (n_assets**-0.5 + n_periods**-0.5)
    return int(np.argmin(values[:most] + np.arange(1, most + 1) * penalty))


def subsample_number(x: Float64Array, most: int, rng: np.random.RandomState) -> int:
    """Alessi, Barigozzi and Capasso (2010): the choice of IC1 that random subsamples agree on.

    The penalty is multiplied by numbers from 0.01 to 3. The choice at the second run of multiples
    for which it is the same in all subsamples; the first run is that at ``most`` factors.
    """
    t, n = x.shape
    sizes = np.unique(np.linspace(_SMALLEST_SHARE * n, n, _N_SUBSAMPLES).astype(int))
    k = np.arange(most + 1)
    chosen = []
    for size in sizes[sizes > most]:
        values, _ = leading_directions(x[:, rng.permutation(n)[:size]], 1)
        rest = left_over(values / (size * t))[: most + 1]
        penalty = _MULTIPLES[:, None] * k * penalties(t, int(size))[0]
        chosen.append(np.argmin(np.log(rest) + penalty, axis=1))
    table = np.array(chosen)
    stable = (table == table[-1]).all(axis=0)
    begins = np.flatnonzero(stable & ~np.append(False, stable[:-1]))
    below = [int(table[-1, start]) for start in begins if table[-1, start] < most]
    return below[0] if below else int(table[-1, -1])


def chosen_number(name: str, values: Sequence[float] | Float64Array) -> int:
    """The number of factors that a criterion chooses."""
    return int(np.argmin(values) if name in SMALLEST else np.argmax(values))
