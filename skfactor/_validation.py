"""From what people pass to arrays, or to an error that says what was found and what to do."""

from __future__ import annotations

from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas.api.types import is_hashable
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, validate_data

from skfactor._kernels.rounding import LARGEST
from skfactor._panel import carries_dates, check_same_rows
from skfactor._sklearn import has_default_output, num_samples
from skfactor._typing import BoolArray, Float64Array, FloatArray
from skfactor._undated import columns_left
from skfactor._warn import warn_user

# What NumPy says where it finds no numbers.
_NO_NUMBERS = (
    *("could not convert", "float() argument", "setting an array element", "too large to convert"),
    *("Cannot cast", "Cannot interpret", "must be real number", "not convertible"),
)
# From pandas 3 on a frame is copied when it is written to, so that keeping it costs nothing.
COPY_ON_WRITE = int(pd.__version__.split(".")[0]) >= 3


def validate_features(estimator: BaseEstimator, X: Any, *, reset: bool) -> FloatArray:
    """X as a float array (n_rows, n_features); names and number of features checked or stored.

    NaN is allowed; infinity, text and anything else that is not a number raise ``ValueError``.
    """
    if isinstance(X, pd.DataFrame):
        raise_if_repeated(X.columns, "X")
        if not len(X.columns):
            raise ValueError("X has no columns.")
    elif hasattr(X, "collect") and hasattr(X, "collect_schema"):
        raise ValueError("X is a LazyFrame, which holds no values yet. Pass X.collect().")
    elif isinstance(X, pd.Series):
        raise ValueError(
            "X is a Series, and it needs one column per feature. For one feature pass X.to_frame()."
        )
    try:
        values: FloatArray
        if _is_plain(X, "X"):
            if reset and has_text_names(X):
                remember_features(estimator, X)
            else:
                validate_data(estimator, X, reset=reset, skip_check_array=True)
            values = X.to_numpy()
        else:
            values = validate_data(
                estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
            )
    except (ValueError, TypeError, OverflowError) as error:
        _explain_text(X, error)
        raise_if_no_numbers(error, "X")
        raise
    match_labels(estimator, X, reset=reset)
    # scikit-learn's own search for infinity copies a column-ordered array that holds NaN.
    raise_if_infinite(values, feature_names(estimator, X), "X")
    return values


def match_labels(estimator: BaseEstimator, X: Any, *, reset: bool) -> None:
    """Store or check names of columns that are not text, which scikit-learn does not look at.

    Without a check another order of such columns would be taken for that of `fit`.
    """
    if reset:
        named = isinstance(X, pd.DataFrame) and not has_text_names(X)
        estimator.column_labels_ = X.columns if named else None
        return
    known = getattr(estimator, "column_labels_", None)
    if known is None or not isinstance(X, pd.DataFrame) or X.columns.equals(known):
        return
    fitted, found = list(known), list(X.columns)
    if set(fitted) == set(found):
        raise ValueError(
            f"The columns of X are in the order {found}, and were in {fitted} in fit. Pass "
            f"X[{fitted}]."
        )
    raise ValueError(
        f"X has the columns {found}; {type(estimator).__name__} was fitted on {fitted}."
    )


def has_text_names(X: pd.DataFrame) -> bool:
    """Whether all columns have text for names, which scikit-learn keeps then."""
    return bool(X.columns.inferred_type == "string")


def remember_features(estimator: BaseEstimator, X: pd.DataFrame) -> None:
    """Store number and names of the columns, as scikit-learn does, which looks much longer."""
    remember_names(estimator, list(X.columns), has_text_names(X))


def remember_names(estimator: BaseEstimator, names: Sequence[Hashable], are_text: bool) -> None:
    """Store the number of features, and their names if they had some."""
    estimator.n_features_in_ = len(names)
    if are_text:
        estimator.feature_names_in_ = np.array(names, dtype=object)


def validate_target(estimator: BaseEstimator, X: Any, y: Any) -> Float64Array:
    """Target as a float array, (n_rows,) or (n_rows, n_columns); NaN is allowed.

    Raises ``ValueError`` for text, infinity, another number of rows than X, or other labels.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    if isinstance(y, pd.DataFrame) and not len(y.columns):
        raise ValueError("y has no columns.")
    values: Float64Array
    if _is_plain(y, "y"):
        values = y.to_numpy()
    else:
        try:
            values = check_array(
                y, dtype=np.float64, ensure_2d=False, ensure_all_finite=False, input_name="y"
            )
        except (ValueError, TypeError) as error:
            raise_if_no_numbers(error, "y")
            raise
    check_lengths(X, y)
    check_same_rows(X, y)
    table = values.reshape(len(values), -1)
    raise_if_infinite(table, target_names(y, table.shape[1]), "y")
    return values


def check_lengths(X: ArrayLike, y: ArrayLike, name: str = "y", x_name: str = "X") -> None:
    """Raise ``ValueError`` if two inputs differ in the number of rows, and how to correct it."""
    n_left, n_right = num_samples(X), num_samples(y)
    if n_left == n_right:
        return
    todo = f"Pass one row of {name} for each of {x_name}"
    if isinstance(X, pd.DataFrame | pd.Series) and isinstance(y, pd.DataFrame | pd.Series):
        todo = "skfactor.frames.align_dates restricts both to common dates"
        if _holds_all(y.index, X.index):
            todo = f"Pass {name}.loc[{x_name}.index]"
        elif _holds_all(X.index, y.index):
            todo = f"Pass {x_name}.loc[{name}.index]"
    raise ValueError(f"{x_name} has {n_left} rows and {name} has {n_right}. {todo}.")


def _holds_all(index: pd.Index, labels: pd.Index) -> bool:
    """Whether all labels are in an index, which one of more or fewer levels never holds."""
    return index.nlevels == labels.nlevels and bool(labels.isin(index).all())


def _is_plain(data: object, what: str) -> bool:
    """Whether data is pandas' and of float64, at which scikit-learn would look much longer.

    Raises ``ValueError`` for sparse columns.
    """
    if isinstance(data, pd.Series):
        return len(data) > 0 and bool(data.dtype == np.float64)
    if not isinstance(data, pd.DataFrame):
        return False
    if len(data) and set(data.dtypes.to_numpy()) == {np.dtype(np.float64)}:
        return True
    raise_if_sparse(data, what)
    return False


def kept_frame(
    values: Float64Array, source: object, index: pd.Index, columns: pd.Index
) -> pd.DataFrame:
    """Values to be kept as a frame that later changes of their source do not reach."""
    if isinstance(source, pd.DataFrame) and _shares_memory(values, source):
        if COPY_ON_WRITE and source.shape == values.shape:
            frame = source.copy(deep=False)
            frame.index, frame.columns = index, columns
            return frame
        values = values.copy()
    elif isinstance(source, np.ndarray) and np.may_share_memory(values, source):
        values = values.copy()
    return pd.DataFrame(values, index=index, columns=columns, copy=False)


def frozen(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame that later changes of the other, which is for users, do not reach."""
    return frame.copy(deep=not COPY_ON_WRITE)


def _shares_memory(values: Float64Array, frame: pd.DataFrame) -> bool:
    return np.may_share_memory(values, frame.iloc[:, 0].to_numpy())


def target_names(y: object, n_columns: int) -> pd.Index:
    """Names of the columns of a target with several, 0, 1, ... where it has none."""
    columns = getattr(y, "columns", None)
    if columns is None or np.ndim(columns) != 1:
        return pd.RangeIndex(n_columns)
    return columns if isinstance(columns, pd.Index) else pd.Index(list(columns))


def raise_if_empty(target: Float64Array) -> None:
    """Raise ``ValueError`` if the target holds nothing but NaN."""
    if not has_values(target.reshape(len(target), -1)).any():
        raise ValueError("y holds no value at all, only NaN.")


def check_one_column(target: Float64Array, takes: str, instead: str) -> None:
    """Raise for several columns of y, which are of wide data; warn if one is a column vector.

    ``takes`` and ``instead`` say what y and X are to hold, and what is there for wide data.
    """
    if target.ndim == 2 and target.shape[1] > 1:
        raise ValueError(
            f"y has {target.shape[1]} columns, one per asset: {takes} in X and returns in one "
            f"column of y. {instead}"
        )
    if target.ndim == 2:
        warn_user(
            "A column-vector y was passed when a 1d array was expected. Pass y.squeeze().",
            DataConversionWarning,
        )


def has_values(table: Float64Array) -> BoolArray:
    """Columns (n_columns,) of a table (n_rows, n_columns) that hold more than NaN."""
    held: BoolArray = ~np.isnan(table[0])
    # The first row tells almost always.
    if not held.all():
        held[~held] = ~np.isnan(table[:, ~held]).all(axis=0)
    return held


def raise_if_missing(features: FloatArray, target: Float64Array) -> None:
    """Raise ``ValueError`` counting the rows that hold NaN, for ``missing="raise"``."""
    for what, values in (("X", features), ("y", target)):
        incomplete = np.count_nonzero(np.isnan(values.reshape(len(values), -1)).any(axis=1))
        if incomplete:
            raise ValueError(
                f"{what} has missing values in {incomplete} of {len(values)} rows. Pass "
                "missing='drop' to leave them out."
            )


def raise_if_repeated(columns: pd.Index, what: str) -> None:
    """Raise ``ValueError`` naming the columns that occur more than once."""
    if not columns.is_unique:
        repeated = list(columns[columns.duplicated()].unique())
        raise ValueError(f"The columns {repeated} of {what} occur more than once. Rename them.")


def raise_if_sparse(frame: pd.DataFrame, what: str) -> None:
    """Raise ``ValueError`` naming the columns that are sparse, which NumPy does not take."""
    kinds = frame.dtypes.to_numpy()
    # Of thousands of columns the few types are looked at, and labels only where one is sparse.
    if any(isinstance(kind, pd.SparseDtype) for kind in set(kinds)):
        of_columns = zip(frame.columns, kinds, strict=True)
        sparse = [name for name, kind in of_columns if isinstance(kind, pd.SparseDtype)]
        raise ValueError(
            f"The columns {sparse[:5]} of {what} are sparse. Make them dense: "
            f"{what}.astype('float64')."
        )


def _explain_text(X: ArrayLike, error: Exception) -> None:
    left = "" if isinstance(X, pd.DataFrame) and carries_dates(X) else columns_left(X)
    if left:
        raise ValueError(f"{left} ({error})") from error
    if isinstance(X, pd.DataFrame):
        kinds = X.dtypes.items()
        text = [name for name, kind in kinds if not pd.api.types.is_numeric_dtype(kind)]
    else:
        text = _text_of_polars(X)
    if not text:
        return
    is_pandas = isinstance(X, pd.DataFrame)
    left = f"X.drop(columns={text})" if is_pandas else f"X.drop({text})"
    dummies = f"pandas.get_dummies(X, columns={text}, drop_first=True, dtype=float)"
    if not is_pandas:
        dummies = f"X.to_dummies({text}, drop_first=True)"
    convert = "pandas.to_numeric" if is_pandas else "polars' cast"
    advice = f"Convert numbers that are text with {convert}; or pass {left}."
    if not _are_numbers(pd.Series(np.asarray(X[text[0]]))):  # type: ignore[call-overload,index]  # a frame of pandas or polars
        advice = (
            f"Labels of groups, such as industries, are not features: pass {left}, and "
            f"groupby=X[{text[0]!r}] to steps that take it, such as FactorNeutralizer. For a "
            f"premium of each group pass {dummies}."
        )
    raise ValueError(f"The columns {text} of X do not hold numbers ({error}). {advice}") from error


def _text_of_polars(X: object) -> list[Hashable]:
    """Columns of a polars frame that hold neither numbers nor truth values, else none."""
    if type(X).__module__.partition(".")[0] != "polars":
        return []
    kinds = X.schema.items()  # type: ignore[attr-defined]  # of polars, as just checked
    return [name for name, kind in kinds if not kind.is_numeric() and str(kind) != "Boolean"]


def _are_numbers(column: pd.Series) -> bool:
    """Whether most values of a column of text can be read as numbers."""
    plain = column.astype(str).str.replace(r"[,%$\s]", "", regex=True)
    return bool(pd.to_numeric(plain, errors="coerce").notna().mean() > 0.5)


def raise_if_infinite(values: FloatArray, names: object, what: str) -> None:
    """Raise ``ValueError`` naming the columns of values (n_rows, n_columns) with infinity.

    Values count as infinite from where on sums of their fourth powers are.
    """
    if not np.issubdtype(values.dtype, np.floating):
        return
    limit = min(LARGEST, float(np.finfo(values.dtype).max))
    if values.flags.forc:
        # Where no value is large the sum of squares is small: one pass, and the fastest.
        flat = values.ravel(order="K")
        with np.errstate(all="ignore"):
            if np.dot(flat, flat) <= min(limit**2, LARGEST**2):
                return
    # Two reductions that pass over NaN, of parts that stay in cache from one to the other.
    parts = np.nditer(
        values, ["external_loop", "buffered", "zerosize_ok"], order="K", buffersize=2**15
    )
    for part in parts:
        if np.fmax.reduce(part, initial=0.0) > limit or np.fmin.reduce(part, initial=0.0) < -limit:
            _raise_for_large(values, names, what)


def raise_if_no_numbers(error: Exception, what: str) -> None:
    """Say what holds no numbers, where an error is one of NumPy, which knows no names."""
    if any(text in str(error) for text in _NO_NUMBERS):
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{what} does not hold numbers: {error}.") from error


def _raise_for_large(values: FloatArray, names: Any, what: str) -> None:
    sizes, where = np.abs(values), ""
    if len(names) > 1:
        limit = min(LARGEST, float(np.finfo(values.dtype).max))
        where = f" in {[names[i] for i in np.flatnonzero((sizes > limit).any(axis=0))]}"
    if np.isinf(values).any():
        raise ValueError(
            f"{what} contains infinity{where}. Returns and "
            "ratios become infinite by dividing by zero: replace such values by NaN."
        )
    raise ValueError(
        f"{what} contains values as large as {np.nanmax(sizes):.0e}{where}, whose powers are not "
        f"finite. Replace them by NaN, or divide the column so that it stays below {LARGEST:.0e}."
    )


def numbers(data: object, what: str) -> Float64Array:
    """Values of any shape as floats; NaN is allowed, text and infinity raise ``ValueError``."""
    try:
        values = np.asarray(data, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{what} does not hold numbers: {error}.") from error
    if np.isinf(values).any():
        raise ValueError(
            f"{what} holds {np.isinf(values).sum()} infinite values. Replace them by NaN."
        )
    if (np.abs(values) > LARGEST).any():
        _raise_for_large(values, [what], what)
    return values


def check_level(level: object) -> None:
    """Raise ``ValueError`` for an invalid coverage of an interval."""
    if not isinstance(level, Real) or not 0.0 < float(level) < 1.0:
        raise ValueError(f"level={level!r} has to lie between 0 and 1, such as 0.95.")


def check_significance(significance: object) -> None:
    """Raise ``ValueError`` for an invalid size of a test."""
    if not isinstance(significance, Real) or not 0.0 < float(significance) < 1.0:
        raise ValueError(f"significance={significance!r} has to lie between 0 and 1, such as 0.05.")


def named_metadata(params: object) -> dict[str, Any]:
    """Metadata by its name; ``TypeError`` for what is not a mapping."""
    if params is not None and not isinstance(params, Mapping):
        raise TypeError(
            f"params has to be a dict of metadata by name; found {type(params).__name__}."
        )
    return dict(params or {})


def is_one_of(value: object, options: Collection[str | None]) -> bool:
    """Whether a value is one of the names; lists and arrays, which do not compare, are none."""
    return (value is None or isinstance(value, str)) and value in options


def is_among(value: object, labels: Container[object]) -> bool:
    """Whether a value is one of the labels; lists and frames, which have no hash, are none."""
    return is_hashable(value) and value in labels


def counted(number: int | np.integer[Any], noun: str) -> str:
    """A number of things: "1 position", "2 positions"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, and not true or false."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def random_source(random_state: object) -> np.random.RandomState:
    """Where random numbers come from; ``ValueError`` for what is not a seed."""
    if isinstance(random_state, int | np.integer) and not 0 <= random_state < 2**32:
        raise ValueError(f"random_state={random_state!r} has to lie between 0 and 2**32 - 1.")
    source: np.random.RandomState = check_random_state(random_state)
    return source


def check_seed(random_state: object, *, optional: bool = False) -> None:
    """Raise ``ValueError`` for what is no whole number, or None where that is an option."""
    if optional and random_state is None:
        return
    if not is_whole(random_state) or random_state < 0:  # type: ignore[operator]  # is a number then
        why = ", or None." if optional else ": results are to be repeatable."
        raise ValueError(f"random_state={random_state!r} has to be a whole number{why}")


def check_flag(value: object, name: str) -> None:
    """Raise ``ValueError`` for anything but True and False, such as text and numbers."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={value!r} has to be True or False.")


def feature_names(estimator: BaseEstimator, X: ArrayLike | None = None) -> list[Hashable]:
    """Names of the features: those seen in fit, else X's columns, else x0, x1, ..."""
    if hasattr(estimator, "feature_names_in_"):
        return list(estimator.feature_names_in_)
    if isinstance(X, pd.DataFrame):
        return list(X.columns)
    return [f"x{i}" for i in range(estimator.n_features_in_)]


def names_or_places(estimator: BaseEstimator, X: ArrayLike) -> list[Hashable]:
    """What users call the columns of X: by their names, in an array by their places."""
    if hasattr(estimator, "feature_names_in_") or isinstance(X, pd.DataFrame):
        return feature_names(estimator, X)
    return list(range(estimator.n_features_in_))


def which_columns(
    chosen: Sequence[Hashable], names: Sequence[Hashable], parameter: str
) -> BoolArray:
    """Mask (n_columns,) of the chosen names; ``ValueError`` if one is unknown or named twice."""
    if not isinstance(chosen, Iterable):
        raise ValueError(f"{parameter}={chosen!r} has to be a list of names, such as {names[:1]}.")
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise ValueError(f"{parameter} names {unknown}, which are not among {names}.")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"{parameter} names a column more than once: {chosen}.")
    return np.isin(np.arange(len(names)), [names.index(name) for name in chosen])


def column_index(names: Sequence[Hashable]) -> pd.Index:
    """Names of columns as an index to be shared: making one from text takes time."""
    # Labels out of a NumPy array are of its own type of text, which scikit-learn 1.7 refuses.
    # An index is taken as it is: going through thousands of labels takes as long as a fit.
    if isinstance(names, list):
        names = [str(name) if isinstance(name, np.str_) else name for name in names]
    index: pd.Index = pd.Index(names, tupleize_cols=False)
    return index


def check_row_weights(weights: object, X: ArrayLike, n_rows: int, name: str) -> Float64Array | None:
    """Weights (n_rows,) that are finite and not negative, or None."""
    if weights is None:
        return None
    check_same_rows(X, weights, name)
    try:
        values = np.asarray(weights, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} does not hold numbers: {error}.") from error
    if values.shape != (n_rows,):
        raise ValueError(
            f"{name} has shape {values.shape}; it needs one weight per row, ({n_rows},)."
        )
    if not np.isfinite(values).all() or (values < 0.0).any():
        raise ValueError(
            f"{name} holds NaN, infinite or negative values. Fill or drop them; a weight of "
            "zero leaves a row out."
        )
    if not values.any():
        raise ValueError(f"All weights in {name} are zero, so no row is left.")
    return values


def check_universe(universe: object, X: ArrayLike, n_rows: int) -> BoolArray | None:
    """Which rows (n_rows,) are in the universe, with True or a weight above 0, or None."""
    if universe is None:
        return None
    check_same_rows(X, universe, "universe")
    values = np.asarray(universe)
    if values.shape != (n_rows,):
        raise ValueError(
            f"universe has shape {values.shape}; it takes one True or False per row, ({n_rows},), "
            "or one weight."
        )
    if values.dtype.kind not in "biufO" or pd.isna(values).any():
        raise ValueError(
            "universe holds something other than True and False or weights. Fill missing values."
        )
    try:
        members: BoolArray = values.astype(np.float64) > 0.0
    except (ValueError, TypeError) as error:
        raise ValueError(f"universe holds neither True and False nor weights: {error}.") from error
    if (values.astype(np.float64) < 0.0).any():
        raise ValueError("universe holds negative numbers; it takes True and False, or weights.")
    if not members.any():
        raise ValueError("universe is False for all rows, so that no row is left.")
    return members


def like_input(
    estimator: BaseEstimator, X: Any, values: FloatArray, names: list[str] | None = None
) -> Any:
    """Values (n_rows, n_columns) in the container of X: same index, same column names.

    ``names`` are those of the columns where they are not those of X.
    """
    if isinstance(X, np.ndarray) or not has_default_output(estimator):
        return values
    if isinstance(X, pd.DataFrame):
        columns = X.columns
        if names is not None:
            columns = pd.Index(names)
        elif not hasattr(estimator, "feature_names_in_") and columns.map(type).isin([str]).all():
            columns = estimator.get_feature_names_out()  # fitted on arrays, without these names
        return pd.DataFrame(values, index=X.index, columns=columns, copy=False)
    try:
        import narwhals.stable.v1 as nw
    except ImportError:  # without it no other kind of frame can have come in with names
        return values
    if not nw.dependencies.is_into_dataframe(X):
        return values
    frame = nw.from_native(X, eager_only=True)
    native = nw.get_native_namespace(frame)
    return nw.from_numpy(values, schema=names or frame.columns, backend=native).to_native()
