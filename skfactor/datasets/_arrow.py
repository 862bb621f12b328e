"""Arrow tables of a panel: dates that can be compared, and frames indexed by (date, asset)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from skfactor._typing import IntArray

if TYPE_CHECKING:
    import pyarrow as pa


def to_frame(rows: pa.Table, by: str, assets: str | None) -> pd.DataFrame:
    """Rows as a frame indexed by (date, asset), or by date."""
    keys = [by] if assets is None else [by, assets]
    codes, levels = zip(*(_encoded(rows[key]) for key in keys), strict=True)
    index: pd.Index
    if assets is None:
        index = levels[0].take(codes[0]).rename(by)
    else:
        index = pd.MultiIndex(levels, codes, names=keys, verify_integrity=False)
    values = rows.drop_columns(keys).to_pandas(ignore_metadata=True)
    return values.set_axis(index)


def _encoded(column: pa.ChunkedArray) -> tuple[IntArray, pd.Index]:
    """Codes and labels of a column; the code of what is missing is -1."""
    import pyarrow as pa

    encoded = storage(column)
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    encoded = encoded.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # of one chunk, in older releases
        encoded = encoded.chunk(0)
    labels = encoded.dictionary
    if isinstance(column.type, pa.BaseExtensionType):
        labels = pa.ExtensionArray.from_storage(column.type, labels)
    codes: IntArray = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, pd.Index(labels.to_pandas())


def storage(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values of an extension type, such as pandas' periods, as what they are stored as."""
    import pyarrow as pa

    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def comparable(dates: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates as whole numbers, or as the text that they are."""
    import pyarrow as pa

    dates = storage(dates)
    if pa.types.is_timestamp(dates.type) or pa.types.is_date64(dates.type):
        return dates.cast(pa.int64())
    if pa.types.is_date32(dates.type):
        return dates.cast(pa.int32())
    return dates


def comparable_scalar(date: Any, kind: pa.DataType) -> Any:
    """A date as in `comparable`, for dates of this type."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pa.scalar(date, kind).value
    return date
