"""Row groups of Parquet files in the order of their dates."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skfactor.datasets._arrow import as_key, date_range

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class RowGroup:
    """Rows of a file that are read at once."""

    fragment: Any  # the file
    place: int  # in the file
    n_rows: int
    first: Any  # earliest date, as a number or text that sorts as dates do
    last: Any


@dataclass(frozen=True)
class RowGroups:
    """Row groups of all files, ordered by their first dates."""

    groups: list[RowGroup]
    schema: pa.Schema  # of what is read of each
    by: str
    assets: str | None

    @classmethod
    def open(
        cls, path: object, by: str, assets: str | None, columns: Sequence[str] | None
    ) -> RowGroups:
        """Look at the footers of all files."""
        files, partitions = open_files(path)
        if assets is None:
            assets = _asset_level(files[0], by)
        schema = _common_schema(files, partitions, by, assets, columns)
        groups = [group for file in files for group in _row_groups(file, schema.field(by))]
        return cls(sorted(groups, key=lambda group: group.first), schema, by, assets)

    def batches(self, n_rows: int) -> list[list[RowGroup]]:
        """Row groups in their order, neighbours of a file together, up to this many rows.

        To read one of many row groups takes a time that grows with their number.
        """
        batches: list[list[RowGroup]] = []
        size = 0
        for group in self.groups:
            size += group.n_rows
            if batches and batches[-1][0].fragment is group.fragment and size <= n_rows:
                batches[-1].append(group)
            else:
                batches.append([group])
                size = group.n_rows
        return batches

    def read(self, batch: Sequence[RowGroup]) -> pa.Table:
        """The rows of row groups of one file."""
        file = batch[0].fragment
        with _naming(file.path):
            part = file.subset(row_group_ids=sorted(group.place for group in batch))
            return part.to_table(schema=self.schema)


def most_rows_at_once(groups: Sequence[RowGroup]) -> int:
    """Rows of the row groups that have dates in common and so have to be held together."""
    held: list[RowGroup] = []
    most = 0
    for group in groups:
        held = [*(each for each in held if each.last >= group.first), group]
        most = max(most, sum(each.n_rows for each in held))
    return most


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Say which file cannot be read."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} does not exist any more.") from error
    except (OSError, pa.ArrowException) as error:
        raise ValueError(
            f"{path} cannot be read as Parquet: {error}. It may be damaged; write it again."
        ) from error


def open_files(path: object) -> tuple[list[Any], dict[str, pa.DataType]]:
    """Files with their footers, and the columns that the names of folders stand for.

    Raises for what cannot be read, and names it.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    # Buffering a row group before it is decoded would hold it in memory twice.
    options = ds.ParquetFragmentScanOptions(pre_buffer=False)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    if isinstance(path, str | os.PathLike) and Path(path).is_dir():
        _check_folder(os.fspath(path), frozenset())
    try:
        found = ds.dataset(path, format=form, partitioning="hive")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file or folder {path}.") from error
    except (OSError, TypeError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
    files = list(found.get_fragments())
    if not files:
        raise ValueError(f"There is no Parquet file in {path}.")
    for file in files:
        with _naming(file.path):
            file.ensure_complete_metadata()
    keys = {name for file in files for name in ds.get_partition_keys(file.partition_expression)}
    return files, {name: found.schema.field(name).type for name in sorted(keys)}


def _check_folder(folder: str, above: frozenset[str]) -> None:
    """Raise for what pyarrow would leave out without a word, or look into for ever."""
    real = os.path.realpath(folder)
    if real in above:
        raise ValueError(f"{folder} is a link to a folder that it lies in. Remove the link.")
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith((".", "_"))]
    except OSError as error:
        raise ValueError(f"{folder} cannot be read: {error}") from error
    for entry in entries:
        if not Path(entry.path).exists():
            raise ValueError(
                f"{entry.path} is a link to nothing. Remove it, or bring back the file."
            )
        if not os.access(entry.path, os.R_OK):
            raise ValueError(f"{entry.path} may not be read by this user. Change its mode.")
        if entry.is_dir():
            _check_folder(entry.path, above | {real})


def _asset_level(file: Any, by: str) -> str | None:
    """The index level beside the dates, if pandas wrote such an index."""
    try:
        levels = (file.physical_schema.pandas_metadata or {}).get("index_columns", [])
        others = [level for level in levels if level != by]
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{file.path} does not say what its index was: what pandas wrote is damaged ({error}). "
            "Pass assets=, and write the file again."
        ) from error
    known = len(levels) == 2 and len(others) == 1 and isinstance(others[0], str)
    return others[0] if known else None


def _common_schema(
    files: Sequence[Any],
    partitions: dict[str, pa.DataType],
    by: str,
    assets: str | None,
    columns: Sequence[str] | None,
) -> pa.Schema:
    """Columns to read in a type that holds those of all files; raise if there is none."""
    import pyarrow as pa

    keys = [by] if assets is None else [by, assets]
    chosen = files[0].physical_schema.names if columns is None else columns
    names = list(dict.fromkeys([*keys, *chosen]))
    known: pa.Schema | None = None
    for file in files:
        own = file.physical_schema
        fields = {name: pa.field(name, kind) for name, kind in partitions.items()}
        fields |= {name: own.field(name).remove_metadata() for name in own.names}
        missing = [name for name in names if name not in fields]
        extra = [name for name in own.names if name not in names] if columns is None else []
        if missing or extra:
            found = f"has no columns {missing}" if missing else f"has {extra} beside {names}"
            raise ValueError(
                f"{file.path} {found}. Write it with the columns of the other files, or name those "
                "to read with columns=."
            )
        schema = pa.schema([fields[name] for name in names])
        try:
            known = (
                schema
                if known is None
                else pa.unify_schemas([known, schema], promote_options="permissive")
            )
        except pa.ArrowException as error:
            raise ValueError(
                f"{file.path} has other types than the files before it: {error}. Write it with the "
                "types of the others."
            ) from error
    return known


def _row_groups(file: Any, dates: pa.Field) -> Iterator[RowGroup]:
    """Row groups of a file; their first and last dates from its footer, if they are there."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    kind = dates.type.storage_type if isinstance(dates.type, pa.BaseExtensionType) else dates.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    constant = ds.get_partition_keys(file.partition_expression).get(dates.name)
    for group in file.row_groups:
        if not group.num_rows:
            continue
        known = (group.statistics or {}).get(dates.name, {})
        bounds: tuple[Any, Any] | None
        if constant is not None:
            bounds = constant, constant
        elif {"min", "max"} <= set(known) and not is_text:  # of text they may be cut off
            bounds = as_key(known["min"], kind), as_key(known["max"], kind)
        else:
            with _naming(file.path):
                part = file.subset(row_group_ids=[group.id])
                bounds = date_range(part.to_table(schema=pa.schema([dates]))[dates.name])
        if bounds is None:
            raise ValueError(f"{file.path} has rows without a date in {dates.name!r}. Drop them.")
        yield RowGroup(file, group.id, group.num_rows, *bounds)
