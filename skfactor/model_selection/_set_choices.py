"""Which sets of columns a search tries: all of them, given ones, or those on a greedy way."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from skfactor._typing import BoolArray, Float64Array, IntArray

# More sets than this are not tried one by one.
MOST_SETS = 2**20
_GREEDY = "strategy='forward', 'backward' or 'beam', or a smaller max_size"

# Scores (n_sets,) of sets (n_sets, K), the higher the better, NaN where there is none.
Evaluate = Callable[[BoolArray], Float64Array]


@dataclass(frozen=True)
class Units:
    """What a set is put together from: columns and groups of columns, and those in every set."""

    free: BoolArray  # (U, K) columns of each unit that a set may have or not
    always: BoolArray  # (K,) columns in every set
    n_always: int
    smallest: int  # sizes of sets, in units, those in every set included
    largest: int

    def members(self, chosen: BoolArray) -> BoolArray:
        """Columns (n_sets, K) of sets of free units (n_sets, U)."""
        members: BoolArray = (chosen.astype(np.intp) @ self.free.astype(np.intp)) > 0
        return members | self.always

    def are_eligible(self, chosen: BoolArray) -> BoolArray:
        """Whether sets (n_sets, U) are of an allowed size and not empty (n_sets,)."""
        return self.allow(self.sizes(chosen))

    def allow(self, sizes: IntArray) -> BoolArray:
        """Whether sizes (n_sets,) are allowed."""
        allowed: BoolArray = (sizes >= max(self.smallest, 1)) & (sizes <= self.largest)
        return allowed

    def sizes_of_members(self, members: BoolArray) -> IntArray:
        """Columns and groups in each set (n_sets,), told from its columns (n_sets, K)."""
        return self.sizes(members[:, self.free.argmax(axis=1)])

    def sizes(self, chosen: BoolArray) -> IntArray:
        """Columns and groups in each set (n_sets,)."""
        sizes: IntArray = chosen.sum(axis=1) + self.n_always
        return sizes


def read_units(
    names: Sequence[Hashable],
    *,
    always: Any,
    groups: object,
    min_size: int,
    max_size: int | None,
) -> Units:
    """Units of the columns of these names, or an error that says what was found."""
    fixed = _known(_as_list(always, "always"), names, "always")
    if len(set(fixed)) < len(fixed):
        raise ValueError(f"always={list(always)} names a column twice.")
    grouped: dict[Any, str] = {}
    units = []
    for label, columns in _read_groups(groups):
        places = _known(columns, names, f"The group {label!r}")
        for place in places:
            if place in grouped:
                raise ValueError(
                    f"The column {names[place]!r} is in the groups {grouped[place]!r} and "
                    f"{label!r}. A column comes and goes with one group."
                )
            if place in fixed:
                raise ValueError(
                    f"The column {names[place]!r} is in always= and in the group {label!r}. Take "
                    "the group out of groups= and name all its columns in always=."
                )
            grouped[place] = label
        units.append(places)
    units += [[k] for k in range(len(names)) if k not in grouped and k not in fixed]
    units.sort(key=min)
    n_units = len(units) + len(fixed)
    largest = n_units if max_size is None else max_size
    if min_size > min(largest, n_units):
        limit = f"the {n_units} there are" if largest >= n_units else f"max_size={max_size}"
        raise ValueError(f"min_size={min_size} is more than {limit}.")
    if len(fixed) > largest:
        raise ValueError(f"always= names {len(fixed)} columns, more than max_size={max_size}.")
    free = np.zeros((len(units), len(names)), dtype=bool)
    for row, places in zip(free, units, strict=True):
        row[places] = True
    in_every = np.zeros(len(names), dtype=bool)
    in_every[fixed] = True
    return Units(free, in_every, len(fixed), min_size, largest)


def _read_groups(groups: object) -> list[tuple[Any, list[Any]]]:
    if groups is None:
        return []
    if isinstance(groups, str) or not isinstance(groups, Mapping | Sequence):
        raise ValueError(
            f"groups={groups!r} has to be a dict or a list of lists of columns that come together."
        )
    pairs = groups.items() if isinstance(groups, Mapping) else enumerate(groups)
    read = [(label, _as_list(columns, f"The group {label!r}")) for label, columns in pairs]
    for label, columns in read:
        if not columns:
            raise ValueError(f"The group {label!r} is empty.")
    return read


def _as_list(columns: object, what: str) -> list[Hashable]:
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise ValueError(f"{what} has to be a list of columns; found {columns!r}.")
    return list(columns)


def _known(columns: Sequence[Hashable], names: Sequence[Hashable], what: str) -> list[int]:
    unknown = [column for column in columns if column not in names]
    if unknown:
        raise ValueError(f"{what} names {unknown}; X has {names}.")
    return [names.index(column) for column in columns]


def read_candidates(
    candidates: object, names: Sequence[Hashable], always: Sequence[Hashable]
) -> tuple[list[Hashable], BoolArray]:
    """Labels and columns (n_sets, K) of given sets, those of ``always`` added."""
    if isinstance(candidates, str) or not isinstance(candidates, Mapping | Sequence):
        raise ValueError(
            f"candidates has to be a dict or a list of lists of columns; found {candidates!r}."
        )
    fixed = _known(_as_list(always, "always"), names, "always")
    labels: list[Hashable]
    if isinstance(candidates, Mapping):
        labels, sets = list(candidates), list(candidates.values())
    else:
        labels, sets = [], list(candidates)
    if not sets:
        raise ValueError("candidates is empty: there are no sets to compare. Pass at least one.")
    members = np.zeros((len(sets), len(names)), dtype=bool)
    for row, columns in zip(members, sets, strict=True):
        what = f"The candidate {columns!r}"
        places = _known(_as_list(columns, what), names, what)
        if not places:
            raise ValueError("A candidate names no column.")
        if len(set(places)) < len(places):
            raise ValueError(f"{what} names a column twice.")
        row[places + fixed] = True
    if len(np.unique(members, axis=0)) < len(members):
        raise ValueError("Two candidates are the same set of columns. Leave one out.")
    return labels or labels_of(members, names), members


def labels_of(members: BoolArray, names: Sequence[Hashable]) -> list[Hashable]:
    """Sets (n_sets, K) as text such as ``"MktRF + SMB"``."""
    text = [str(name) for name in names]
    return [" + ".join([text[k] for k in np.flatnonzero(row)]) for row in members]


def all_sets(units: Units) -> BoolArray:
    """Every choice (n_sets, U) of free units of an allowed size."""
    n_free = len(units.free)
    first = max(units.smallest, 1) - units.n_always
    sizes = range(max(first, 0), min(units.largest - units.n_always, n_free) + 1)
    number = sum(comb(n_free, size) for size in sizes)
    if number > MOST_SETS:
        raise ValueError(
            f"There are {number:,} sets of {n_free} columns or groups, more than the "
            f"{MOST_SETS:,} that are tried one by one. Use {_GREEDY}, groups= or candidates=."
        )
    chosen = np.zeros((number, n_free), dtype=bool)
    start = 0
    for size in sizes:
        count = comb(n_free, size)
        if size:
            places = np.fromiter(
                (k for each in combinations(range(n_free), size) for k in each),
                dtype=np.intp,
                count=count * size,
            )
            rows = np.repeat(np.arange(start, start + count), size)
            chosen[rows, places] = True
        start += count
    return chosen


def most_steps(units: Units, strategy: str, width: int) -> int:
    """Sets that a greedy strategy tries at most."""
    n_free = len(units.free)
    n_steps = units.largest - units.n_always
    if strategy == "backward":
        n_steps = n_free - max(units.smallest, 1) + units.n_always
    return 1 + sum(width * (n_free - step) for step in range(n_steps))


def forward(units: Units, evaluate: Evaluate) -> None:
    """From the columns in every set on, add what scores best, to the largest size."""
    beam(units, evaluate, 1)


def beam(units: Units, evaluate: Evaluate, width: int) -> None:
    """Like `forward`, keeping the best sets of each size."""
    n_free = len(units.free)
    kept = np.zeros((1, n_free), dtype=bool)
    if units.n_always:
        evaluate(kept)
    for _ in range(units.largest - units.n_always):
        grown = kept[:, None] | np.eye(n_free, dtype=bool)
        following = np.unique(grown[~kept], axis=0)
        if not len(following):
            return
        kept = _best(following, evaluate(following), width)
        if not len(kept):
            return


def backward(units: Units, evaluate: Evaluate) -> None:
    """From all columns on, take out what is missed least, to the smallest size."""
    n_free = len(units.free)
    kept = np.ones((1, n_free), dtype=bool)
    if np.isnan(evaluate(kept)).all():
        raise ValueError(
            f"The set of all {units.members(kept).sum()} columns cannot be estimated on enough "
            "dates, and strategy='backward' begins with it. Use strategy='forward'."
        )
    while units.sizes(kept)[0] > max(units.smallest, 1):
        following = (kept & ~np.eye(n_free, dtype=bool))[kept[0]]
        if not len(following):
            return
        kept = _best(following, evaluate(following), 1)
        if not len(kept):
            return


def _best(chosen: BoolArray, scores: Float64Array, number: int) -> BoolArray:
    """The best of sets (n_sets, U); fewer where others have no score."""
    order = np.argsort(-scores, kind="stable")[:number]
    return chosen[order[~np.isnan(scores[order])]]
