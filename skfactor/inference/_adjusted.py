"""p-values of several tests, adjusted for their number."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special
from statsmodels.stats.multitest import multipletests

from skfactor._results import Result, p_value_text
from skfactor._typing import Float64Array

# What statsmodels calls the methods.
_METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh", "by": "fdr_by"}
_SAID = {
    "bonferroni": "Bonferroni: probability of any false rejection",
    "holm": "Holm (1979): probability of any false rejection",
    "bh": "Benjamini and Hochberg (1995): expected share of false rejections, independent tests",
    "by": "Benjamini and Yekutieli (2001): expected share of false rejections, any dependence",
    "romano-wolf": "Romano and Wolf (2005): probability of any false rejection, by the bootstrap",
}


@dataclass(frozen=True, eq=False, repr=False)
class AdjustedTests(Result):
    """p-values adjusted for the number of tests, and over which tests.

    Made by `PremiaInference.adjusted`.

    Attributes
    ----------
    p_values : Series of shape (n_tests,)
        Adjusted p-values: a hypothesis is rejected where its one is at most the significance. NaN
        where there is no p-value.
    t_values : Series of shape (n_tests,)
        What they are the p-values of.
    method : str
        ``"bonferroni"``, ``"holm"``, ``"bh"``, ``"by"`` or ``"romano-wolf"``.
    tests : list
        Names of the tests that were counted: those with a p-value. Tests that were tried and are
        not among them are not adjusted for.
    significance : float
        Of the rejections and of ``hurdle_t``.
    hurdle_t : float or Series of shape (n_tests,)
        Absolute t value from which on these tests are rejected, in place of 1.96; a Series where
        the tests have different degrees of freedom.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> print(model.inference().adjusted("holm"))
          t_value p_value  rejected
    MktRF  -0.147  0.8876     False
    SMB     0.766  0.8876     False
    HML     3.978  0.0002      True
    Mom     5.591 <0.0001      True
    <BLANKLINE>
    Holm (1979): probability of any false rejection
    Adjusted over 4 tests: MktRF, SMB, HML, Mom; |t| from 2.241 on is significant at 5%
    """

    p_values: pd.Series
    t_values: pd.Series
    method: str
    tests: list[Hashable]
    significance: float
    hurdle_t: float | pd.Series

    @property
    def rejected(self) -> pd.Series:
        """Whether each hypothesis is rejected; not where there is no p-value."""
        return (self.p_values <= self.significance).rename("rejected")

    def to_frame(self) -> pd.DataFrame:
        """One row per test: its t value, adjusted p-value, and whether it is rejected."""
        return pd.concat([self.t_values, self.p_values, self.rejected], axis=1)

    def __str__(self) -> str:
        digits = {"t_value": "{:.3f}".format, "p_value": p_value_text}
        names = [str(name) for name in self.tests]
        which = ", ".join(names if len(names) <= 10 else [*names[:9], f"... {names[-1]}"])
        hurdle, level = self.hurdle_t, f"{100.0 * self.significance:g}%"
        if isinstance(hurdle, pd.Series):
            said = f"{hurdle.min():.3f} to {hurdle.max():.3f}"
        else:
            said = f"{hurdle:.3f}"
        return (
            f"{self.to_frame().to_string(formatters=digits)}\n\n{_SAID[self.method]}\n"
            f"Adjusted over {len(names)} tests: {which}; |t| from {said} on is significant at "
            f"{level}"
        )


def check_method(method: object, *, are_drawn: bool = False) -> None:
    """Raise ``ValueError`` for what is not a method of adjustment, or needs draws of t values."""
    known = [*_METHODS, "romano-wolf"] if are_drawn else [*_METHODS]
    if isinstance(method, str) and method in known:
        return
    if isinstance(method, str) and method == "romano-wolf":
        raise ValueError(
            "method='romano-wolf' needs the joint distribution of the t values, which "
            "inference('bootstrap') has: inference('bootstrap').adjusted('romano-wolf')."
        )
    raise ValueError(f"method={method!r} is unknown; it is one of {known}.")


def t_hurdles(df: Float64Array, p_value: float) -> Float64Array:
    """Absolute t values (n_tests,) with a two-sided p-value, of so many degrees of freedom."""
    share, is_t = 1.0 - p_value / 2.0, np.isfinite(df)
    return np.where(is_t, special.stdtrit(np.where(is_t, df, 1.0), share), special.ndtri(share))


def adjust(
    p_values: pd.Series,
    t_values: pd.Series,
    hurdles_of: Callable[[float], Float64Array],
    method: str,
    significance: float,
) -> AdjustedTests:
    """Adjust p-values of t values; ``hurdles_of`` has the t values (n_tests,) of a p-value."""
    values = p_values.to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    if not known.any():
        raise ValueError("None of the tests has a p-value to adjust.")
    adjusted = np.full(len(values), np.nan)
    adjusted[known] = multipletests(values[known], significance, _METHODS[method])[1]
    n_tests, n_rejected = int(known.sum()), int(np.count_nonzero(adjusted <= significance))
    # p-values up to this one are rejected: all that are, and none that are not.
    if method == "bonferroni":
        largest = significance / n_tests
    elif method == "holm":
        largest = significance / max(n_tests - n_rejected, 1)
    else:
        largest = significance * max(n_rejected, 1) / n_tests
        if method == "by":
            largest /= float((1.0 / np.arange(1, n_tests + 1)).sum())
    hurdles = hurdles_of(largest)
    same = bool((hurdles[known] == hurdles[known][0]).all())
    return AdjustedTests(
        pd.Series(adjusted, p_values.index, name="p_value"),
        t_values.rename("t_value"),
        method,
        list(p_values.index[known]),
        float(significance),
        float(hurdles[known][0]) if same else pd.Series(hurdles, p_values.index, name="hurdle_t"),
    )
