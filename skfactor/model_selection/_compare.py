"""Sets of factors side by side: out of sample by fold, and in sample."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import cross_validate
from sklearn.utils.validation import check_consistent_length

from skfactor._panel import check_same_rows
from skfactor._typing import Float64Array, IntArray, ScoringLike, SplitterLike
from skfactor._validation import raise_if_repeated
from skfactor._warn import warn_user
from skfactor.linear_model import FamaMacBeth
from skfactor.metrics import cross_sectional_r2_scorer, get_scorer, rank_ic_scorer
from skfactor.metrics._mean_inference import check_horizon
from skfactor.model_selection._date_splitter import raise_if_overlapping, rows_by_date
from skfactor.model_selection._factor_set_statistics import in_sample_statistics
from skfactor.model_selection._folds import read_cv
from skfactor.model_selection._set_engines import (
    NeedsRowsError,
    Sample,
    final_step,
    moment_engine,
    moment_score,
    raise_if_shared,
)
from skfactor.model_selection._walk_forward_split import WalkForwardSplit

_GROUPS = ("score", "difference", "t_value", "r2", "grs", "sharpe2")
_Sets = Mapping[Hashable, Sequence[Hashable]] | Sequence[Sequence[Hashable]]


def compare_factor_sets(
    sets: _Sets,
    X: pd.DataFrame,
    y: ArrayLike,
    *,
    estimator: BaseEstimator | None = None,
    cv: SplitterLike | None = None,
    scoring: ScoringLike | None = None,
    horizon: int = 1,
    reference: Hashable | None = None,
    traded: bool | Sequence[Hashable] = True,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Compare sets of factors by one estimator: scores by fold, premia, pricing tests.

    Parameters
    ----------
    sets : dict of lists or list of lists
        Columns of X that make up each set, by name; without names a set is called by its columns,
        such as ``"MktRF + SMB"``.
    X : DataFrame of shape (n_rows, n_features)
        Panel: characteristics. Wide: factor returns, one row per period.
    y : array-like of shape (n_rows,) or (n_periods, n_assets)
        Panel: returns of the rows. Wide: returns in excess of the riskless rate, one column per
        asset.
    estimator : estimator, optional
        Fitted to each set; `skfactor.FamaMacBeth` by default. Pipelines work too.
    cv : splitter, iterable or int, optional
        Folds, the same for each set; `WalkForwardSplit` by default.
    scoring : str or callable, optional
        One score, by a name that `skfactor.metrics.get_scorer` knows or as a callable. By default
        the rank IC for a panel, the cross-sectional R squared for a wide y.
    horizon : int, default=1
        Dates that a return in y spans, as in `skfactor.frames.forward_returns`. The default folds
        leave ``horizon - 1`` dates out before each test, other ones have to.
    reference : str, optional
        The set that differences are taken to; the best by default.
    traded : bool or list of names, default=True
        Wide form: which factors are returns of portfolios. The others are mimicked in ``sharpe2``,
        and a set with one of them has no ``grs``.
    n_jobs : int, optional
        Folds worked on in parallel, where sets are refitted for their scores.

    Returns
    -------
    DataFrame of shape (n_sets, n_statistics)
        The set with the best average score first. Columns have two levels; a group that exists for
        no set is absent, a figure that does not exist for one set is NaN.

        - ``score``: ``mean`` and ``split0``, ``split1``, ... out of sample;
        - ``difference``: ``mean``, ``std_error`` and ``t_value`` of the difference in score to the
          reference fold by fold, NaN for the reference itself. Folds are taken as independent,
          though their training rows overlap: with few folds read it as a description;
        - ``t_value``: of each premium, all rows in sample, by the estimator's own ``inference()``;
        - ``r2``: wide form, cross-sectional R squared in sample, ``estimate`` and ``std_error``
          [1]_;
        - ``grs``: wide form, ``statistic`` and ``p_value`` of the test that traded factors price
          the assets [2]_;
        - ``sharpe2``: wide form, ``estimate`` and ``std_error`` of the largest squared Sharpe
          ratio of the factors per period, not annualized. Models of traded factors are ranked by it
          whatever the assets [3]_. Factors that are not traded are replaced by their projections
          on all assets and traded factors, and there is no error. In sample it grows with the
          number of factors.

        ``attrs["scored_by"]`` is ``"moments"`` where scores follow from moments, as in
        `FactorSetSearchCV`, else ``"refitting"``, and ``attrs["reason"]`` says why.

    Raises
    ------
    ValueError
        If a set is empty or names columns that X does not have, the reference is unknown, X is not
        a DataFrame, scoring has several scores, or a fold has a date in train and test.

    Warns
    -----
    UserWarning
        If a pricing test does not exist for some set, such as with missing returns.

    References
    ----------
    .. [1] Kan, R., C. Robotti and J. Shanken (2013), "Pricing Model Performance and the Two-Pass
       Cross-Sectional Regression Methodology", Journal of Finance 68(6), 2617-2649.
       https://doi.org/10.1111/jofi.12035
    .. [2] Gibbons, M. R., S. A. Ross and J. Shanken (1989), "A Test of the Efficiency of a Given
       Portfolio", Econometrica 57(5), 1121-1152. https://doi.org/10.2307/1913625
    .. [3] Barillas, F. and J. Shanken (2017), "Which Alpha?", Review of Financial Studies 30(4),
       1316-1338. https://doi.org/10.1093/rfs/hhw101

    Examples
    --------
    >>> from skfactor.datasets import load_french
    >>> from skfactor.model_selection import compare_factor_sets
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135][VM]").sub(french["RF"], axis=0)
    >>> sets = {"CAPM": ["MktRF"], "FF3": ["MktRF", "SMB", "HML"]}
    >>> table = compare_factor_sets(sets, french[["MktRF", "SMB", "HML"]], returns)
    >>> table["sharpe2"].round(3)
          estimate  std_error
    CAPM     0.023      0.011
    FF3      0.052      0.016
    """
    named = _read_sets(sets, X)
    check_consistent_length(X, y)
    check_same_rows(X, y)
    wide = np.ndim(y) == 2 and np.shape(y)[1] > 1
    has_no_hash = getattr(reference, "__hash__", None) is None
    if reference is not None and (has_no_hash or reference not in named):
        raise ValueError(f"reference={reference!r} is not one of the sets {list(named)}.")
    estimator = FamaMacBeth() if estimator is None else estimator
    check_horizon(horizon)
    splits = _read_splits(WalkForwardSplit(purge=int(horizon) - 1) if cv is None else cv, X, y)
    if horizon > 1:
        dated = rows_by_date(X, y, None, "compare_factor_sets", "the index of X or y")
        raise_if_overlapping(splits, dated, int(horizon))
    if scoring is None:
        scoring = cross_sectional_r2_scorer if wide else rank_ic_scorer
    if not (isinstance(scoring, str) or callable(scoring)):
        raise ValueError(
            f"scoring={scoring!r} has to be one score, by which sets are put in order: the name of "
            "a scorer or a callable, such as skfactor.metrics.rank_ic_scorer. Call "
            "compare_factor_sets once for each of several."
        )
    base, chosen = None, _read_traded(traded, X)
    if wide:
        returns = y if isinstance(y, pd.DataFrame) else pd.DataFrame(np.asarray(y), index=X.index)
        base = pd.concat([X[chosen], returns.set_axis(X.index)], axis=1)
        base = base.set_axis(pd.RangeIndex(base.shape[1]), axis=1)
    by_moments, obstacle = _scores_from_moments(named, X, y, estimator, splits, scoring, wide)
    scores, rows = {}, {}
    absent: dict[str, list[tuple[Hashable, str]]] = {}
    for name, columns in named.items():
        factors = X[columns]
        scores[name] = by_moments.get(name)
        if scores[name] is None:
            scores[name] = cross_validate(
                estimator,
                factors,
                y,
                cv=splits,
                scoring=get_scorer(scoring),
                n_jobs=n_jobs,
                error_score="raise",
            )["test_score"]
        fitted = clone(estimator).fit(factors, y)
        statistics = in_sample_statistics(fitted, factors, y, base, chosen)
        rows[name] = statistics.figures
        for group, reason in statistics.absent.items():
            absent.setdefault(group, []).append((name, reason))
    for group, reasons in absent.items():
        left_out = [name for name, _ in reasons]
        warn_user(f"There is no {group} of {left_out}: {reasons[0][1]}")
    table = _table(np.array(list(scores.values())), rows, reference)
    table.attrs = {"scored_by": "refitting" if obstacle else "moments", "reason": obstacle}
    return table


def _scores_from_moments(
    named: dict[Hashable, list[Hashable]],
    X: pd.DataFrame,
    y: ArrayLike | None,
    estimator: BaseEstimator,
    splits: list[tuple[IntArray, IntArray]],
    scoring: ScoringLike | None,
    wide: bool,
) -> tuple[dict[Hashable, Float64Array], str]:
    """Scores (n_folds,) of the sets that have them from moments, and why others are refitted."""
    score = moment_score(scoring, wide)
    if score is None:
        return {}, "the score needs rows"
    used = [name for name in X.columns if any(name in columns for columns in named.values())]
    sample = Sample(X[used], y, splits, {})
    try:
        engine = moment_engine(estimator, sample, score, False, clone(final_step(estimator)))
    except NeedsRowsError as obstacle:
        return {}, str(obstacle)
    members = np.array([[name in columns for name in used] for columns in named.values()])
    unique, place = np.unique(members, axis=0, return_inverse=True)
    scores = engine.fit(unique).scores[place.reshape(-1)]
    # Why a set has no score is for its own fit to say.
    known = np.asarray(np.isfinite(scores).all(axis=1))
    found = {name: row for name, row, has in zip(named, scores, known, strict=True) if has}
    return found, "" if known.all() else "some sets have no score from moments"


def _read_sets(sets: _Sets, X: ArrayLike) -> dict[Hashable, list[Hashable]]:
    if not isinstance(X, pd.DataFrame):
        raise ValueError(
            f"X has to be a DataFrame, whose columns the sets name; found {type(X).__name__}."
        )
    raise_if_repeated(X.columns, "X")
    if isinstance(sets, str) or not isinstance(sets, Mapping | Sequence):
        raise ValueError(f"sets has to be a dict or a list of lists of columns; found {sets!r}.")
    if isinstance(sets, Mapping):
        pairs = list(sets.items())
    else:
        pairs = [(None if isinstance(s, str) else " + ".join(map(str, s)), s) for s in sets]
    if not pairs:
        raise ValueError("There are no sets to compare; pass at least one.")
    named: dict[Hashable, list[Hashable]] = {}
    for name, columns in pairs:
        if isinstance(columns, str) or not len(columns):
            raise ValueError(f"Each set is a list of columns of X; found {columns!r}.")
        unknown = [column for column in columns if column not in X.columns]
        if unknown:
            raise ValueError(f"The set {name!r} names {unknown}; X has {list(X.columns)}.")
        if len(set(columns)) < len(columns) or name in named:
            raise ValueError(f"The set {name!r} or a column in it occurs twice.")
        named[name] = list(columns)
    return named


def _read_traded(traded: bool | Sequence[Hashable], X: pd.DataFrame) -> list[Hashable]:
    if isinstance(traded, bool | np.bool_):
        return list(X.columns) if traded else []
    if not isinstance(traded, Iterable):
        raise ValueError(f"traded={traded!r} is neither True or False nor a list of columns.")
    unknown = [name for name in traded if name not in X.columns]
    if unknown or isinstance(traded, str):
        raise ValueError(
            f"traded={traded!r} has to be True, False or a list of columns of X, which are "
            f"{list(X.columns)}."
        )
    return list(traded)


def _read_splits(
    cv: SplitterLike | None, X: pd.DataFrame, y: ArrayLike
) -> list[tuple[IntArray, IntArray]]:
    """Folds as arrays of rows; raise if one has the same date in train and test."""
    splits = list(read_cv(cv).split(X, y))
    if not (np.ndim(y) == 2 and np.shape(y)[1] > 1):
        raise_if_shared(splits, X, y)
    return splits


def _table(
    scores: Float64Array, rows: dict[Hashable, dict[Any, float]], reference: Hashable | None
) -> pd.DataFrame:
    """One row per set, from scores (n_sets, n_folds) and the other statistics."""
    means = scores.mean(axis=1)
    order = np.argsort(-means, kind="stable")  # NaN comes last
    names = list(rows)
    place = order[0] if reference is None else names.index(reference)
    records = {}
    for i in order:
        folds = {("score", f"split{k}"): value for k, value in enumerate(scores[i])}
        records[names[i]] = {("score", "mean"): means[i], **folds}
        if i != place and len(names) > 1:
            records[names[i]] |= _difference(scores[i] - scores[place])
        records[names[i]] |= rows[names[i]]
    columns = dict.fromkeys(column for record in records.values() for column in record)
    table = pd.DataFrame.from_dict(records, orient="index")[list(columns)]
    table.columns = pd.MultiIndex.from_tuples(columns)
    return pd.concat([table[[g]] for g in _GROUPS if g in table.columns.levels[0]], axis=1)


def _difference(differences: Float64Array) -> dict[Any, float]:
    """Mean of paired differences over folds, its standard error and their ratio."""
    mean, error = float(differences.mean()), float("nan")
    if len(differences) > 1:
        error = float(differences.std(ddof=1) / np.sqrt(len(differences)))
    t_value = mean / error if error > 0.0 else float("nan")
    return {
        ("difference", "mean"): mean,
        ("difference", "std_error"): error,
        ("difference", "t_value"): t_value,
    }
