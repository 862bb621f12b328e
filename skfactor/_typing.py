"""Aliases used in annotations throughout the package."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Float64Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.integer[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]

# One label per row, or one for all rows.
RowLabels: TypeAlias = ArrayLike | Hashable
# One group per row, or per asset; a frame has a column for each family of groups.
GroupLabels: TypeAlias = RowLabels | Mapping[Hashable, Hashable]


class Splitter(Protocol):
    """What makes folds, as the splitters of scikit-learn do."""

    def split(
        self, X: ArrayLike, y: ArrayLike | None = None, groups: RowLabels | None = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Row numbers of the training and of the test sample, for each fold."""
        ...


# Columns by name (by position in an array), or what finds them in X.
ColumnChoice: TypeAlias = Sequence[Hashable] | Callable[..., object]
# What scikit-learn takes as random_state.
RandomState: TypeAlias = int | np.random.RandomState | None
# What scikit-learn takes as cv: a number of folds, a splitter or the folds themselves.
SplitterLike: TypeAlias = int | Splitter | Iterable[tuple[ArrayLike, ArrayLike]]
# What scikit-learn takes as scoring: a name or a function of (estimator, X, y).
ScoringLike: TypeAlias = str | Callable[..., float]
# Named or unnamed sets of columns. The names are Any because a Mapping is invariant in its keys.
ColumnSets: TypeAlias = Mapping[Any, Sequence[Hashable]] | Sequence[Sequence[Hashable]]
