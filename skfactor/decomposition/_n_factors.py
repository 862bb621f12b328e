"""n_factors: how many latent factors returns have, by every rule that the field uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._kernels.factor_numbers import (
    LARGEST,
    SMALLEST,
    chosen_number,
    criteria,
    edge_number,
    penalized_eigenvalue_number,
    subsample_number,
)
from skfactor._kernels.principal import leading_directions
from skfactor._kernels.rounding import EPSILON
from skfactor._results import Result
from skfactor._typing import Float64Array, RandomState
from skfactor._validation import check_flag, is_whole, numbers, raise_if_repeated, random_source
from skfactor._warn import warn_user

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = (*SMALLEST, *LARGEST, "ed", "gx", "abc")
# Eigenvalues beyond max_factors that the edge of the bulk is measured by.
_BEYOND = {"ed": 5}
# Rules that one giant factor misleads, and the share of all variation that makes a giant.
_MISLED, _GIANT = ("er", "gr", "gx"), 0.5


@dataclass(frozen=True, eq=False, repr=False)
class NumberOfFactors(Result):
    """Numbers of factors that rules choose; see `n_factors`.

    Attributes
    ----------
    selected : Series of shape (n_methods,)
        Number of factors that each rule chooses.
    criteria : DataFrame of shape (max_factors + 1, n_criteria)
        Value of each criterion for 0, 1, ... factors. ``"er"`` and ``"gr"`` choose the largest
        value, the others the smallest; ``"ed"``, ``"gx"`` and ``"abc"`` have no such table.
    eigenvalues : Series of shape (min(n_periods, n_assets),)
        Eigenvalues of the returns' second moments per asset, descending, from 1.
    max_factors : int
        Largest number that was considered.
    notes : tuple of str
        What to know about these numbers: which rules choose ``max_factors``, and which are misled
        by one giant factor.

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.decomposition import n_factors
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> found = n_factors(returns, ["bic3", "er", "ed"])
    >>> found.selected.to_dict()
    {'bic3': 4, 'er': 1, 'ed': 4}
    >>> found.notes[0].partition(":")[0]
    'er chooses 1'
    """

    selected: pd.Series
    criteria: pd.DataFrame
    eigenvalues: pd.Series
    max_factors: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.selected.to_string(), *self.notes])

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        yield f"Numbers of factors, of at most {self.max_factors}"
        yield self.selected.to_frame("n_factors")

    def plot(self, ax: Axes | None = None) -> Any:
        """Scree plot: shares of the variation, and the numbers that the rules choose.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib Axes
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        shares = (self.eigenvalues / self.eigenvalues.sum()).iloc[: self.max_factors + 2]
        ax.plot(shares.index, shares, marker="o")
        for number, rules in self.selected.groupby(self.selected):
            ax.axvline(number + 0.5, linestyle=":", color="grey")
            ax.text(number + 0.5, shares.max(), ", ".join(rules.index), rotation=90, va="top")
        ax.set(xlabel="factor", ylabel="share of variation", yscale="log")
        return ax


def n_factors(
    returns: ArrayLike,
    methods: str | Iterable[str] = "all",
    max_factors: int = 8,
    *,
    demean: bool = True,
    standardize: bool = False,
    random_state: RandomState = None,
) -> NumberOfFactors:
    r"""Choose the number of latent factors of returns.

    Parameters
    ----------
    returns : DataFrame or array-like of shape (n_periods, n_assets)
        Complete returns, one column per asset.
    methods : "all", str or iterable of str, default="all"
        - ``"ic1"``, ``"ic2"``, ``"ic3"``, ``"pc1"``, ``"pc2"``, ``"pc3"``, ``"bic3"``: information
          criteria [1]_.
        - ``"er"``, ``"gr"``: largest ratio of neighbouring eigenvalues, and of their growth [2]_.
        - ``"ed"``: eigenvalues that stand out from the edge of the bulk [3]_.
        - ``"gx"``: eigenvalues with a penalty [4]_.
        - ``"abc"``: ``"ic1"`` with the penalty that random subsamples agree on [5]_.
    max_factors : int, default=8
        Largest number that is considered.
    demean : bool, default=True
        Whether to take the mean of each asset off.
    standardize : bool, default=False
        Whether to divide each asset by its standard deviation; ``"abc"`` does so anyway.
    random_state : int, RandomState instance or None, default=None
        For the subsamples of ``"abc"``.

    Returns
    -------
    NumberOfFactors

    Raises
    ------
    ValueError
        If returns are missing, a method is unknown, or there are too few periods or assets for
        ``max_factors``.

    Warns
    -----
    UserWarning
        If rules choose ``max_factors``: they may want more.

    Notes
    -----
    With :math:`\mu_j` the eigenvalues of :math:`X'X / (NT)` and :math:`V(k) = \sum_{j > k} \mu_j`,
    IC1 minimizes :math:`\log V(k) + k p` with :math:`p = \frac{N + T}{NT} \log \frac{NT}{N + T}`,
    and ER maximizes :math:`\mu_k / \mu_{k + 1}`.

    Rules disagree on returns. One factor, the market, is so much larger than the others that ER
    and GR choose 1; it hides the others from them. IC and PC were made for weakly dependent noise,
    and groups of assets that move together make them choose as many as they may. ED and BIC3 are
    between. Take the numbers as a range to try, and judge by what the factors explain out of
    sample.

    References
    ----------
    .. [1] Bai, J. and S. Ng (2002), "Determining the Number of Factors in Approximate Factor
       Models", Econometrica 70(1), 191-221. https://doi.org/10.1111/1468-0262.00273
    .. [2] Ahn, S. C. and A. R. Horenstein (2013), "Eigenvalue Ratio Test for the Number of
       Factors", Econometrica 81(3), 1203-1227. https://doi.org/10.3982/ECTA8968
    .. [3] Onatski, A. (2010), "Determining the Number of Factors from Empirical Distribution of
       Eigenvalues", Review of Economics and Statistics 92(4), 1004-1016.
       https://doi.org/10.1162/REST_a_00043
    .. [4] Giglio, S. and D. Xiu (2021), "Asset Pricing with Omitted Factors", Journal of Political
       Economy 129(7), 1947-1990. https://doi.org/10.1086/714090
    .. [5] Alessi, L., M. Barigozzi and M. Capasso (2010), "Improved Penalization for Determining
       the Number of Factors in Approximate Factor Models", Statistics & Probability Letters
       80(23-24), 1806-1813. https://doi.org/10.1016/j.spl.2010.08.005

    Examples
    --------
    >>> import numpy as np
    >>> from skfactor.decomposition import n_factors
    >>> rng = np.random.default_rng(0)
    >>> factors, loadings = rng.normal(size=(200, 3)), rng.normal(size=(50, 3))
    >>> returns = factors @ loadings.T + rng.normal(size=(200, 50))
    >>> n_factors(returns, "ic1").selected["ic1"]
    np.int64(3)
    """
    chosen = check_methods(methods)
    check_flag(demean, "demean")
    check_flag(standardize, "standardize")
    if isinstance(returns, pd.DataFrame):
        raise_if_repeated(returns.columns, "returns")
    values = numbers(returns, "returns")
    if values.ndim != 2:
        raise ValueError(f"returns has shape {values.shape}; it needs one column per asset.")
    if np.isnan(values).any():
        raise ValueError(
            "returns has missing values. Keep the assets, or the dates, that are complete, such as "
            "returns.dropna(axis=1)."
        )
    return find_number(values, chosen, max_factors, demean, standardize, random_state)


def check_methods(methods: str | Iterable[str]) -> list[str]:
    """Names of rules in lower case; ``ValueError`` naming one that is unknown."""
    if isinstance(methods, str):
        methods = METHODS if methods == "all" else [methods]
    if not isinstance(methods, Iterable):
        raise ValueError(f"methods={methods!r} has to be a name or a list of names.")
    chosen = [str(name).lower() for name in methods]
    unknown = [name for name in chosen if name not in METHODS]
    if unknown or not chosen:
        raise ValueError(f"methods={unknown or chosen} has to be among {list(METHODS)}.")
    return chosen


def eigenvalues_beyond(method: str) -> int:
    """How many eigenvalues beyond the largest number of factors a rule looks at."""
    return _BEYOND.get(method, 1)


def find_number(
    values: Float64Array,
    methods: list[str],
    max_factors: int,
    demean: bool,
    standardize: bool,
    random_state: object,
) -> NumberOfFactors:
    """`n_factors` of complete returns (T, N)."""
    t, n = values.shape
    if not is_whole(max_factors) or max_factors < 1:
        raise ValueError(f"max_factors={max_factors!r} has to be a whole number from 1 on.")
    beyond = max(map(eigenvalues_beyond, methods))
    if min(t - demean, n) < max_factors + beyond:
        raise ValueError(
            f"max_factors={max_factors} needs {max_factors + beyond + demean} periods and "
            f"{max_factors + beyond} assets for {', '.join(methods)}; found {t} and {n}. Pass a "
            "smaller max_factors" + (", or methods without 'ed'." if "ed" in methods else ".")
        )
    x = values - values.mean(axis=0) if demean else values
    deviations = x.std(axis=0)
    constant = deviations <= EPSILON * np.abs(values).max(axis=0)
    if constant.any() and (standardize or "abc" in methods):
        raise ValueError(
            f"{int(constant.sum())} columns of returns are constant (first: column "
            f"{int(constant.argmax())}) and cannot be standardized. Drop them."
        )
    if standardize:
        x = x / deviations
    eigenvalues, _ = leading_directions(x, 1)
    eigenvalues = eigenvalues / (t * n)
    table = criteria(eigenvalues, t, n, max_factors)
    selected = {}
    for name in methods:
        if name == "ed":
            selected[name] = edge_number(eigenvalues, max_factors)
        elif name == "gx":
            selected[name] = penalized_eigenvalue_number(eigenvalues, t, n, max_factors)
        elif name == "abc":
            rng = random_source(random_state)
            selected[name] = subsample_number(x / x.std(axis=0), max_factors, rng)
        else:
            selected[name] = chosen_number(name, table[name])
    notes = []
    most = [name for name, number in selected.items() if number == max_factors]
    if most:
        notes.append(
            f"{_choose(most)} {max_factors}, the largest number considered. They may want more, "
            "with a larger max_factors; or groups of assets that move together pass for factors, "
            "which 'ed' and 'bic3' mind less."
        )
        warn_user(notes[0])
    giant = _giant_factor(selected, eigenvalues, max_factors)
    if giant:
        notes.append(giant)
    kept = [name for name in methods if name in table]
    return NumberOfFactors(
        pd.Series(selected, name="n_factors", dtype=np.int64),
        pd.DataFrame({name: table[name] for name in kept}).rename_axis("n_factors"),
        pd.Series(eigenvalues, pd.RangeIndex(1, len(eigenvalues) + 1), name="eigenvalue"),
        max_factors,
        tuple(notes),
    )


def _choose(names: list[str]) -> str:
    return f"{', '.join(names)} {'choose' if len(names) > 1 else 'chooses'}"


def _giant_factor(
    selected: dict[str, int], eigenvalues: Float64Array, max_factors: int
) -> str | None:
    """What to know where one factor is so large that rules choose it alone."""
    misled = [name for name in _MISLED if selected.get(name) == 1]
    share = eigenvalues[0] / eigenvalues.sum()
    most = min(max_factors, len(eigenvalues) - eigenvalues_beyond("ed"))
    if not misled or share < _GIANT or most < 1:
        return None
    others = edge_number(eigenvalues, most)
    if others < 2:
        return None
    return (
        f"{_choose(misled)} 1: the first factor, such as the market, has {share:.0%} of all "
        f"variation, beside which the others look small; 'ed' finds {others}. To count those "
        "beside it, take it off first, for example the average of each period: "
        "n_factors(returns.sub(returns.mean(axis=1), axis=0))."
    )
