"""One model against several at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from skfactor._definite import cholesky_factor
from skfactor._kernels.one_sided import one_sided_test
from skfactor._results import texts
from skfactor._typing import Float64Array, IntArray
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import TestResult

Model = TypeVar("Model")


@dataclass(frozen=True, repr=False)
class ManyComparisons(TestResult):
    """Test that none of several models is better than the first.

    Made by `compare_r2` and `compare_sharpe` of several models. Those whose factors are among the
    first one's cannot be better; those that have all of its factors and more cannot be worse, so
    that a pair is tested by the additional factors. Neither counts in the joint test.

    Attributes
    ----------
    statistic, p_value, df, distribution, null
        As in `TestResult`, of the joint test.
    pairs : DataFrame
        A row for each model: its ``difference``, positive if the first model explains more, the
        ``p_value`` of the first against it alone, ``nested`` ("smaller", "larger" or ""), and
        whether it is in the joint test, ``tested``.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.inference import compare_sharpe
    >>> french = load_french()
    >>> others = {name: french[["MktRF", name]] for name in ("SMB", "HML", "Mom")}
    >>> found = compare_sharpe(french[["MktRF", "Mom"]], {k: others[k] for k in ("SMB", "HML")})
    >>> found.pairs["tested"].to_list()
    [True, True]
    """

    pairs: pd.DataFrame

    def __str__(self) -> str:
        return f"{super().__str__()}\n{texts(self.pairs).to_string()}"


def named_models(
    models: Mapping[Hashable, Model] | Sequence[Model], what: str
) -> dict[Hashable, Model]:
    """Models by name, or numbered from 1; ``ValueError`` if there are none."""
    named: dict[Hashable, Model] = {}
    if isinstance(models, Mapping):
        named.update(models)
    else:
        named.update(enumerate(models, 1))
    if not named:
        raise ValueError(f"{what} was given no models to compare with.")
    return named


@dataclass(frozen=True)
class Pair:
    """The first model against another one."""

    difference: float
    p_value: float
    nested: str  # "smaller" or "larger" is the other one; empty if neither has the other's factors
    influence: Float64Array | None = None  # (T,) of each date on the difference, if not nested
    bound: float = 0.0  # p-value of the other one being better, where the joint test needs one


def joint_test(
    pairs: dict[Hashable, Pair], positions: IntArray, long_run: LongRun, null: str
) -> ManyComparisons:
    """One-sided test of the differences of all pairs that are not nested."""
    rows = [(p.difference, p.p_value, p.nested, not p.nested) for p in pairs.values()]
    columns = ["difference", "p_value", "nested", "tested"]
    table = pd.DataFrame(rows, pd.Index(list(pairs), name="model"), columns)
    tested = {name: pair.influence for name, pair in pairs.items() if pair.influence is not None}
    if not tested:
        return ManyComparisons(np.nan, np.nan, (), "chi-bar-squared", null, table)
    series = np.column_stack(list(tested.values()))
    covariance, _ = long_run.covariance(series, positions)
    covariance = covariance / len(series)
    root = cholesky_factor(covariance)
    if root is None:
        raise ValueError(
            f"The differences to the models {list(tested)} depend on each other: some of them "
            "explain the same. Leave out those that follow from others."
        )
    values = np.array([pairs[name].difference for name in tested])
    statistic, p_value = one_sided_test(values, root)
    # Bonferroni's, of pairs.
    p_value = max(p_value, min(1.0, len(values) * min(pairs[name].bound for name in tested)))
    return ManyComparisons(statistic, p_value, (len(values),), "chi-bar-squared", null, table)
