"""Which groups the assets of a fit were in, family by family, such as industries and countries."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, eq=False)
class GroupRecord:
    """Labels of the groups of each family, and each asset's last; ``a + b`` is of both."""

    families: dict[Hashable, pd.Index]  # by name of the family; labels ascending
    last: pd.DataFrame | None  # (n_assets, n_families) labels, None if assets are not known
    when: pd.Series | None  # (n_assets,) the dates of these

    def __post_init__(self) -> None:
        labels = self.labels
        if not labels.is_unique:
            twice = list(labels[labels.duplicated()])
            raise ValueError(
                f"The labels {twice[:5]} are groups of several columns of groupby=, {self.names}. "
                "Each group needs a name of its own, such as the column's name before its label."
            )

    @property
    def names(self) -> list[Hashable]:
        """Names of the families."""
        return list(self.families)

    @property
    def labels(self) -> pd.Index:
        """Labels (G,) of all families, one family after the other."""
        parts = list(self.families.values())
        return parts[0].append(parts[1:])

    def __add__(self, other: GroupRecord) -> GroupRecord:
        """Groups of the dates of both; of an asset's labels the later one."""
        if self.names != other.names:
            raise ValueError(
                f"Earlier calls had groupby= with the columns {self.names}, but it has "
                f"{other.names} here."
            )
        families = {
            name: labels if labels.equals(more := other.families[name]) else _union(labels, more)
            for name, labels in self.families.items()
        }
        if self.last is None or self.when is None or other.last is None or other.when is None:
            return GroupRecord(families, None, None)
        when = pd.concat([self.when, other.when])
        last = pd.concat([self.last, other.last])
        order = when.argsort(kind="stable")
        when, last = when.iloc[order], last.iloc[order]
        newest = ~when.index.duplicated(keep="last")
        return GroupRecord(families, last[newest].sort_index(), when[newest].sort_index())


def _union(left: pd.Index, right: pd.Index) -> pd.Index:
    union = left.append(right.difference(left, sort=False))
    try:
        return union.sort_values()
    except TypeError:  # labels of several types
        order = union.map(lambda label: (type(label).__name__, str(label))).argsort()
        return union[order]
