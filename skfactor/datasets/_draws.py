"""What the simulations are drawn from, and the checks of what they are given."""

from __future__ import annotations

from math import prod
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from skfactor._typing import Float64Array, IntArray

_MOST_DRAWS = 1_000_000_000


def check_counts(**counts: int) -> None:
    """Raise unless each is a whole number of at least one."""
    for name, count in counts.items():
        check_scalar(count, name, Integral, min_val=1)
    n_draws = prod(map(int, counts.values()))
    if n_draws > _MOST_DRAWS:
        raise ValueError(f"{counts} ask for more than the {_MOST_DRAWS:,} numbers that are drawn.")


def check_shares(**shares: object) -> None:
    """Raise unless each is in [0, 1)."""
    for name, share in shares.items():
        if not isinstance(share, int | float | np.number) or not 0.0 <= share < 1.0:
            raise ValueError(f"{name} has to be at least 0 and below 1; found {share!r}.")


def vector(name: str, value: ArrayLike, n: int) -> Float64Array:
    """Return n finite numbers, from n of them or from one for all."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} has to hold numbers; found {value!r}.") from error
    if array.shape not in {(), (n,)}:
        expected = "one number" if n == 1 else f"one number or {n} of them"
        raise ValueError(f"{name} has to be {expected}; found an array of shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has to be finite; found {value!r}.")
    return np.broadcast_to(array, (n,)).copy()


def scale(name: str, value: ArrayLike, n: int) -> Float64Array:
    """Return n standard deviations, from n of them or from one for all."""
    deviations = vector(name, value, n)
    if (deviations < 0.0).any():
        raise ValueError(f"{name} is a standard deviation, it cannot be negative; found {value!r}.")
    return deviations


def periods(start: Any, n: int, freq: Any) -> pd.PeriodIndex:
    """Return n periods from the first one on, named date."""
    try:
        return pd.period_range(start, periods=n, freq=freq, name="date")
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"start={start!r} and freq={freq!r} make no periods, as '2010-01' and 'M' do: {error}"
        ) from error


def numbered(prefix: str, n: int) -> list[str]:
    """Return n names, padded with zeros so that they sort as they count."""
    return [f"{prefix}{i:0{len(str(n))}d}" for i in range(1, n + 1)]


def draw_share(rng: np.random.RandomState, share: float, size: int) -> IntArray:
    """Draw positions of a share of so many cells, without repeats.

    Always the same number of draws: what comes after does not depend on the share.
    """
    return rng.permutation(size)[: round(share * size)]


def draw_betas(
    rng: np.random.RandomState, betas: ArrayLike | None, n_assets: int, n_factors: int
) -> pd.DataFrame:
    """Draw exposures (n_assets, n_factors), or take those given, with names."""
    assets = pd.Index(numbered("A", n_assets), name="asset")
    factors = pd.Index(numbered("f", n_factors))
    if betas is None:
        drawn = 0.5 * rng.standard_normal((n_assets, n_factors))
        drawn[:, 0] += 1.0
        return pd.DataFrame(drawn, index=assets, columns=factors)
    try:
        values = np.array(betas, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"betas does not hold numbers: {error}.") from error
    if values.shape != (n_assets, n_factors):
        raise ValueError(
            f"betas has to be of shape (n_assets, n_factors), here ({n_assets}, {n_factors}); "
            f"found {values.shape}. Pass n_assets and n_factors to match."
        )
    if not np.isfinite(values).all():
        raise ValueError("betas has to be finite; found NaN or infinity.")
    if isinstance(betas, pd.DataFrame):
        assets, factors = betas.index, betas.columns
    return pd.DataFrame(values, index=assets, columns=factors)


def draw_pricing_errors(
    rng: np.random.RandomState, errors: ArrayLike | None, betas: Float64Array
) -> Float64Array:
    """Draw pricing errors (n_assets,) of a given deviation, or take those given, or none."""
    n_assets, n_factors = len(betas), betas.shape[1]
    if errors is None or np.ndim(errors) > 0:
        return vector("pricing_errors", 0.0 if errors is None else errors, n_assets)
    deviation = scale("pricing_errors", errors, 1)
    if n_assets < n_factors + 2:
        raise ValueError(
            f"Pricing errors orthogonal to a constant and {n_factors} betas need at least "
            f"{n_factors + 2} assets; found n_assets={n_assets}. Add assets, or pass the errors "
            "as an array."
        )
    design = np.column_stack([np.ones(n_assets), betas])
    drawn = rng.standard_normal(n_assets)
    drawn -= design @ np.linalg.lstsq(design, drawn)[0]
    drawn *= deviation / drawn.std()
    return drawn
