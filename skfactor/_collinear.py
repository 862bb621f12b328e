"""Collinear regressors in words: which columns they are, and what to leave out."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Iterable

from skfactor._kernels.collinear import Collinear
from skfactor._typing import IntArray

# So many columns of a set are named.
_NAMES = reprlib.Repr()
_NAMES.maxlist = 12


def describe_collinear(
    found: Collinear | None, names: Iterable[Hashable], *, intercept_is_optional: bool = True
) -> str:
    """What is collinear and what to leave out; ``names`` are those of all regressors (K,).

    Empty if nothing was found.
    """
    if found is None:
        return ""
    parts = []
    if len(found.constant):
        verb = "is" if len(found.constant) == 1 else "are"
        kind = "constant, as the intercept is" if found.has_const else "zero"
        parts.append(f"{_select(found.constant, names)} {verb} {kind}")
    one_level = sum(each.is_level for each in found.sets) == 1
    instead = " or set fit_intercept=False" if intercept_is_optional and one_level else ""
    for each in found.sets:
        columns = _select(each.columns, names)
        drop = f"drop {'one' if each.n_superfluous == 1 else each.n_superfluous} of them"
        if each.is_level and found.has_const:
            parts.append(
                f"{columns} combine to a constant, as the dummies of all groups do: {drop}{instead}"
            )
        else:
            parts.append(f"{columns} are collinear: {drop}")
    return "; ".join(parts)


def _select(columns: IntArray, names: Iterable[Hashable]) -> str:
    labels = list(names)
    return _NAMES.repr([labels[k] for k in columns])
