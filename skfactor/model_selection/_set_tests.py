"""Tests of many sets by their losses on each date, which know how many sets were tried."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfactor._results import Result, p_value_is
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import check_level, check_seed, is_one_of, is_whole


@dataclass(frozen=True, repr=False)
class SuperiorityTest(Result):
    """Test that no set has a smaller expected loss than a reference.

    Attributes
    ----------
    p_value : float
        Of the hypothesis: small if some set beats the reference by more than the search explains.
    lower, upper : float
        Bounds of the p-value, for sets that are known to be as good and as poor as they look. The
        upper one is that of White's reality check.
    best : hashable
        Label of the set with the smallest average loss.
    reference : hashable
        Label of the reference.
    n_sets : int
        Sets that were tried against it.
    n_dates : int
        Tested dates.
    method : str
        ``"spa"`` or ``"reality-check"``.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import FactorSetSearchCV
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> search = FactorSetSearchCV(FamaMacBeth()).fit(X, y)
    >>> search.superior_to(["x1"], random_state=0).n_sets
    30
    """

    p_value: float
    lower: float
    upper: float
    best: Hashable
    reference: Hashable
    n_sets: int
    n_dates: int
    method: str

    def __str__(self) -> str:
        """What was tested and found, in two lines."""
        kind = "Superior predictive ability" if self.method == "spa" else "Reality check"
        return (
            f"{kind}: p-value {p_value_is(self.p_value)}\n"
            f"H0: none of {self.n_sets} sets is better than {self.reference} ({self.n_dates} dates)"
        )


@dataclass(frozen=True, repr=False)
class ConfidenceSet(Result):
    """Sets that the data cannot distinguish from the best.

    Attributes
    ----------
    included : list
        Labels of the sets, the one with the largest p-value first.
    p_values : Series of shape (n_sets,)
        p-value of every set, descending; those of at least ``significance`` are included.
    significance : float
        Probability that the best set is not included.
    n_dates : int
        Tested dates.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import FactorSetSearchCV
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> search = FactorSetSearchCV(FamaMacBeth(), max_size=2).fit(X, y)
    >>> len(search.model_confidence_set(0.10, random_state=0).p_values)
    15
    """

    included: list[Hashable]
    p_values: pd.Series
    significance: float
    n_dates: int

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        level = f"{100.0 * (1.0 - self.significance):g}%"
        yield (
            f"The best of {len(self.p_values)} sets is one of these {len(self)} "
            f"({level} confidence, {self.n_dates} dates):"
        )
        yield self.p_values[self.p_values >= self.significance].to_frame()

    def __len__(self) -> int:
        """How many sets are included."""
        return len(self.included)

    def __contains__(self, label: object) -> bool:
        """Whether a set is included."""
        return label in self.included


def common_losses(losses: Float64Array, dates: IntArray) -> tuple[Float64Array, list[int]]:
    """Losses (T, n) on the dates on which all sets have them, and which sets have any.

    Parameters
    ----------
    losses : ndarray of shape (n_sets, n_tested)
        Of each set on each tested date, fold after fold.
    dates : ndarray of shape (n_tested,)
        Positions of these dates.
    """
    # A date that is tested in several folds counts once, with its average.
    unique, place = np.unique(dates, return_inverse=True)
    if len(unique) < len(dates):
        count = np.bincount(place)
        losses = np.array([np.bincount(place, row) / count for row in losses])
    else:
        losses = losses[:, np.argsort(dates)]
    known = np.isfinite(losses)
    kept = np.flatnonzero(known.any(axis=1))
    common = known[kept].all(axis=0)
    if np.count_nonzero(common) < 10:
        raise ValueError(
            f"Only {np.count_nonzero(common)} tested dates have losses of all sets; a "
            "bootstrap of dates needs at least 10."
        )
    return losses[kept][:, common].T, kept.tolist()


def superiority_test(
    losses: Float64Array,
    labels: list[Hashable],
    reference: int,
    *,
    method: str,
    n_draws: int,
    block_length: int | None,
    random_state: int | None,
) -> SuperiorityTest:
    """Test losses (T, n) of sets against those of one of them."""
    if not is_one_of(method, ("spa", "reality-check")):
        raise ValueError(f"method={method!r} is unknown; it is 'spa' or 'reality-check'.")
    bootstrap = _arch("superior_to")
    if len(labels) < 2:
        raise ValueError("The reference is the only set that was tried: there is none to compare.")
    length = _check_draws(n_draws, block_length, len(losses))
    check_seed(random_state, optional=True)
    others = np.delete(losses, reference, axis=1)
    differs = (others != losses[:, [reference]]).any(axis=0)
    test = bootstrap.SPA(
        losses[:, reference],
        others[:, differs],
        block_size=length,
        reps=n_draws,
        bootstrap="stationary",
        seed=random_state,
    )
    test.compute()
    values = test.pvalues
    chosen = values["consistent" if method == "spa" else "upper"]
    return SuperiorityTest(
        p_value=float(chosen),
        lower=float(values["lower"]),
        upper=float(values["upper"]),
        best=labels[int(losses.mean(axis=0).argmin())],
        reference=labels[reference],
        n_sets=len(labels) - 1,
        n_dates=len(losses),
        method=method,
    )


def confidence_set(
    losses: Float64Array,
    labels: list[Hashable],
    significance: float,
    *,
    n_draws: int,
    block_length: int | None,
    random_state: int | None,
) -> ConfidenceSet:
    """Sets, of losses (T, n), that the data cannot distinguish from the best."""
    check_level(significance)
    bootstrap = _arch("model_confidence_set")
    length = _check_draws(n_draws, block_length, len(losses))
    check_seed(random_state, optional=True)
    if len(labels) == 1:
        return ConfidenceSet(labels, pd.Series([1.0], index=labels), significance, len(losses))
    frame = pd.DataFrame(losses, columns=range(len(labels)))
    found = bootstrap.MCS(
        frame,
        size=significance,
        reps=n_draws,
        block_size=length,
        method="max",
        bootstrap="stationary",
        seed=random_state,
    )
    found.compute()
    values = found.pvalues["Pvalue"].sort_values(ascending=False, kind="stable")
    index = pd.Index([labels[i] for i in values.index], tupleize_cols=False)
    p_values = pd.Series(values.to_numpy(), index=index, name="p_value")
    included = [label for label, value in p_values.items() if value >= significance]
    return ConfidenceSet(included, p_values, significance, len(losses))


def _check_draws(n_draws: Any, block_length: Any, n_dates: int) -> int:
    if not is_whole(n_draws) or n_draws < 1:
        raise ValueError(f"n_draws={n_draws!r} has to be a positive whole number.")
    if block_length is None:
        return max(1, int(n_dates ** (1.0 / 3.0)))
    if not is_whole(block_length) or not 1 <= block_length < n_dates:
        raise ValueError(
            f"block_length={block_length!r} has to be a whole number from 1 to less than the "
            f"{n_dates} tested dates."
        )
    return int(block_length)


def _arch(what: str) -> Any:
    try:
        from arch import bootstrap
    except ImportError:
        raise ImportError(
            f'{what} needs arch, the extra "search": pip install "skfactor[search]".'
        ) from None
    return bootstrap
