"""What the columns of a Dask DataFrame are, and a partition as what estimators take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfactor.datasets._row_groups import open_files

if TYPE_CHECKING:
    import dask.dataframe as dd


@dataclass(frozen=True)
class Layout:
    """Which columns of a frame are what, and the types that all partitions share."""

    dates: str
    assets: str | None
    features: tuple[str, ...]
    metadata: dict[str, str]  # names of columns by the arguments that they are passed as
    y: str | None
    sample_weight: str | None
    dtypes: dict[str, Any]
    all_columns: bool  # whether features are simply all other columns

    @classmethod
    def of(
        cls,
        frame: dd.DataFrame,
        *,
        dates: str,
        assets: str | None,
        features: Sequence[str] | None,
        metadata: Mapping[str, str] | None,
        y: str | None = None,
        sample_weight: str | None = None,
    ) -> Layout:
        """Find the columns, without looking at any data; raise for those that are missing."""
        given = {"dates": dates, "assets": assets, "y": y, "sample_weight": sample_weight}
        taken = {name for name in given.values() if name is not None}
        taken |= set((metadata or {}).values())
        names = [name for name in frame.columns if name not in taken]
        if features is not None:
            names = list(features)
            if y in names or len(set(names)) < len(names):
                raise ValueError(f"features= names y or a column twice: {names}.")
        known = empty_frame(_with_index(frame))
        wanted = {**given, **(metadata or {}), **{f"features ({n})": n for n in names}}
        missing = {what: n for what, n in wanted.items() if n is not None and n not in known}
        if missing:
            raise ValueError(
                f"The frame has no column for {missing}. It has {list(frame.columns)}"
                f"{'' if frame.index.name is None else f' and the index {frame.index.name!r}'}."
            )
        if not names:
            raise ValueError("No column is left for the features.")
        numbers = [n for n in (*names, y, sample_weight) if n is not None]
        dtypes = {n: known.dtypes[n] for n in numbers}
        return cls(
            dates,
            assets,
            tuple(names),
            dict(metadata or {}),
            y,
            sample_weight,
            dtypes,
            features is None,
        )

    @property
    def columns(self) -> list[str]:
        """All columns that are needed, each once."""
        used = (self.dates, self.assets, *self.features, *self.metadata.values())
        named = [name for name in (*used, self.y, self.sample_weight) if name is not None]
        return list(dict.fromkeys(named))

    def narrow(self, frame: dd.DataFrame) -> dd.DataFrame:
        """The frame with the columns that are needed, none of them in its index."""
        frame = _with_index(frame)
        columns = self.columns
        # Columns are selected only where needed: it would hide that partitions differ in them.
        return frame if set(columns) == set(frame.columns) else frame[columns]

    def exposures(self, part: pd.DataFrame) -> pd.DataFrame:
        """X of a partition, indexed by (date, asset)."""
        lacking = [name for name in self.columns if name not in part]
        extra = [name for name in part if name not in self.columns] if self.all_columns else []
        if lacking or extra:
            found = f"lacks {lacking}" if lacking else f"has {extra} beside them"
            raise ValueError(
                f"The frame has the columns {self.columns}, but a partition {found}. Give all "
                "partitions the same columns, or name those to use with features=."
            )
        assets = np.arange(len(part)) if self.assets is None else part[self.assets]
        index = pd.MultiIndex.from_arrays(
            [part[self.dates], assets], names=[self.dates, self.assets]
        )
        X = part[list(self.features)]
        if not all(X.dtypes.iloc[k] == self.dtypes[n] for k, n in enumerate(self.features)):
            X = pd.DataFrame({name: self.numbers(part, name) for name in self.features})
        return X.set_axis(index)

    def numbers(self, part: pd.DataFrame, name: str) -> pd.Series:
        """A column in the type of the whole frame, if nothing is lost by that."""
        column, dtype = part[name], self.dtypes[name]
        if column.dtype == dtype:
            return column
        own = column.dtype
        if not (
            isinstance(own, np.dtype)
            and isinstance(dtype, np.dtype)
            and np.can_cast(own, dtype, "safe")
        ):
            raise ValueError(
                f"The column {name!r} is {dtype} in the frame but {own} in a partition. "
                "Give all partitions the same type, for example with frame.astype where the frame "
                "is made."
            )
        return column.astype(dtype)

    def routed(self, part: pd.DataFrame, index: pd.Index) -> dict[str, Any]:
        """Metadata of a partition's rows."""
        return {what: part[name].set_axis(index) for what, name in self.metadata.items()}


def _with_index(frame: dd.DataFrame) -> dd.DataFrame:
    """The frame with a named index as a column."""
    return frame if frame.index.name is None else frame.reset_index()


def empty_frame(frame: dd.DataFrame) -> pd.DataFrame:
    """A frame without rows that has the columns and types of a Dask DataFrame."""
    from dask.dataframe.dispatch import make_meta

    empty: pd.DataFrame = make_meta(frame)
    return empty


def check_frame(frame: dd.DataFrame, instead: str) -> None:
    """Raise ``TypeError`` if the frame is not a Dask DataFrame."""
    import dask.dataframe as dd

    if not isinstance(frame, dd.DataFrame):
        raise TypeError(
            f"frame has to be a Dask DataFrame; found {type(frame).__name__}. Data in memory go to "
            f"the estimator's own {instead}."
        )


@contextmanager
def naming_damaged_files(frame: dd.DataFrame) -> Iterator[None]:
    """Say which Parquet file of a frame cannot be read, which Dask does not."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException):
        for source in frame.expr.walk():
            if type(source).__name__.startswith("ReadParquet"):
                open_files(source.path)
        raise


def partition_dates(frame: dd.DataFrame, dates: str) -> list[Any]:
    """For each partition a delayed array of its dates; only that column is read."""
    lists = frame[dates].map_partitions(_unique, meta=pd.Series([], dtype=object))
    delayed: list[Any] = lists.to_delayed()
    return delayed


def _unique(column: pd.Series) -> pd.Series:
    return pd.Series([pd.Index(column.dropna().unique())], dtype=object)


def split_dates(found: Sequence[pd.Series]) -> tuple[pd.Index, int]:
    """Dates that are in several partitions, and the number of all dates."""
    lists = [each.iloc[0] for each in found]
    lists = [each for each in lists if len(each)]
    if not lists:
        return pd.Index([]), 0
    together = lists[0].append(lists[1:])
    return together[together.duplicated()].unique(), together.nunique()
