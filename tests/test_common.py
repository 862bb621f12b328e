"""What scikit-learn asks of every estimator, and what every per-date transformer owes a panel."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal
from reference import random_panel
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import skfactor
from skfactor import FactorSelector, FormulaRegressor
from skfactor._base import PanelTransformer
from skfactor.exceptions import NoDatesWarning

# Plain arrays, which these checks feed, have no dates and sometimes a single row: both warn.
pytestmark = [
    pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoDatesWarning"),
    pytest.mark.filterwarnings("ignore::skfactor.exceptions.RankDeficientWarning"),
    pytest.mark.filterwarnings("ignore::skfactor.exceptions.UndefinedPortfolioWarning"),
]

PUBLIC = [getattr(skfactor, name) for name in skfactor.__all__]
# A formula names columns, which the arrays of scikit-learn's checks do not have.
ESTIMATORS = [each() for each in PUBLIC if each is not FormulaRegressor]
TRANSFORMERS = [estimator for estimator in ESTIMATORS if hasattr(estimator, "transform")]
PER_DATE = [estimator for estimator in ESTIMATORS if isinstance(estimator, PanelTransformer)]


def _name(estimator):
    return type(estimator).__name__


def test_the_public_estimators_are_found():
    assert {"Winsorizer", "FactorZScorer"} <= {_name(estimator) for estimator in ESTIMATORS}
    assert {"Winsorizer", "FactorZScorer"} <= {_name(estimator) for estimator in PER_DATE}


# --- scikit-learn's own checks ------------------------------------------------------------------

# These checks fit on a frame and transform an array, and the other way round, on purpose.
_ignore_names = pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")

# A model that is not identified from the single asset that these checks feed raises in them.
_ONE_ASSET = [
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
    "check_supervised_y_2d",
]
_REASONS = {
    **dict.fromkeys(_ONE_ASSET, "one asset has no cross-section"),
    "check_regressor_multioutput": "five assets and more factors than periods identify nothing",
}
EXPECTED_FAILURES = {
    "LinearFactorGMM": {
        **_REASONS,
        "check_estimators_nan_inf": "one asset has no cross-section",
        "check_non_transformer_estimators_n_iter": "one asset has no cross-section",
    },
    "BiasCorrectedFamaMacBeth": {
        **_REASONS,
        **dict.fromkeys(
            [
                "check_all_zero_sample_weights_error",
                "check_sample_weight_equivalence_on_dense_data",
                "check_sample_weights_list",
                "check_sample_weights_not_an_array",
                "check_sample_weights_not_overwritten",
                "check_sample_weights_pandas_series",
                "check_sample_weights_shape",
            ],
            "the wide form takes no sample_weight",
        ),
    },
    # Without dates all rows are one cross-section, which has no covariance of factor returns.
    "FactorRiskModel": dict.fromkeys(
        [
            *_ONE_ASSET,
            "check_requires_y_none",
            "check_sample_weight_equivalence_on_dense_data",
            "check_sample_weights_list",
            "check_sample_weights_not_an_array",
            "check_sample_weights_not_overwritten",
            "check_sample_weights_pandas_series",
            "check_sample_weights_shape",
        ],
        "one cross-section has no covariance of factor returns",
    ),
}
IDENTIFIED = [estimator for estimator in ESTIMATORS if _name(estimator) not in EXPECTED_FAILURES]

_MARK = parametrize_with_checks(
    ESTIMATORS,
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES.get(_name(estimator), {}),
)
_ARRAY_DISPATCH = "check_array_api"


@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for pair in _MARK.args[1] if _ARRAY_DISPATCH not in str(pair[1])],
    **_MARK.kwargs,
)
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator",
    [each for each in IDENTIFIED if "date_level" in each.get_params(deep=False)],
    ids=_name,
)
def test_scikit_learn_checks_pass_without_a_word_where_no_dates_are_meant(estimator):
    meant = clone(estimator).set_params(date_level=None)
    for each, check in parametrize_with_checks([meant]).args[1]:
        if _ARRAY_DISPATCH in str(check):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error", NoDatesWarning)
            check(each)


WIDE = {
    "LinearFactorGMM",
    "BiasCorrectedFamaMacBeth",
    "TradedFactorModel",
    "FactorBetas",
    "ReturnPCA",
    "RiskPremiumPCA",
    "ShrinkageSDF",
    "ShrinkageSDFCV",
    "ThreePassPremia",
    "EWMCovariance",
}
_METHODS = ("predict", "transform", "expected_returns", "score")


@pytest.mark.parametrize(
    "estimator",
    [
        each
        for each in ESTIMATORS
        if any(hasattr(each, name) for name in _METHODS)
        # The first takes its columns by name, in any order, the second needs more than two.
        and _name(each) not in {"FactorSelector", "FactorInteractions"}
    ],
    ids=_name,
)
@pytest.mark.parametrize("names", [[1, 0], [("a", 1), ("b", 2)]], ids=["integers", "tuples"])
def test_names_that_are_no_text_have_to_keep_their_order(estimator, names):
    rng = np.random.default_rng(0)
    X = random_panel(rng).fillna(0.0)
    y = X @ [0.3, 0.1] + rng.normal(size=len(X))
    if _name(estimator) in WIDE:
        months = pd.period_range("2000-01", periods=60, freq="M")
        X = pd.DataFrame(rng.normal(size=(60, 2)), months)
        y = X @ rng.normal(1.0, 0.5, size=(2, 8)) + 0.1 * rng.normal(size=(60, 8))
    columns = pd.Index(names, tupleize_cols=False)
    X = X.set_axis(columns, axis=1)
    fitted = clone(estimator).fit(X, y)
    methods = [name for name in _METHODS if hasattr(fitted, name)]
    assert methods
    for name in methods:
        more = [y] if name == "score" else []
        with pytest.raises(ValueError, match=r"of X are in the order .*, and were in .* in fit"):
            getattr(fitted, name)(X[X.columns[::-1]], *more)
        with pytest.raises(ValueError, match=r"has the columns \[7, 8\].* was fitted"):
            getattr(fitted, name)(X.set_axis([7, 8], axis=1), *more)


@pytest.mark.slow
def test_array_dispatch_changes_nothing_for_numpy_arrays():
    # SciPy reads the variable when it is imported, hence a process of its own.
    script = f"""if True:
        import sys
        import sklearn
        try:
            sklearn.set_config(array_api_dispatch=True)
        except ImportError:
            sys.exit()  # this SciPy is too old for scikit-learn to dispatch arrays at all
        sklearn.set_config(array_api_dispatch=False)
        import test_common
        some = test_common.IDENTIFIED[::3]  # each kind of them
        for estimator, check in test_common.parametrize_with_checks(some).args[1]:
            if {_ARRAY_DISPATCH!r} in str(check):
                check(estimator)
    """
    environment = os.environ | {
        "SCIPY_ARRAY_API": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_dataframe_column_names_consistency,
        estimator_checks.check_inplace_ensure_writeable,
        estimator_checks.check_param_validation,
    ],
)
@pytest.mark.parametrize("estimator", IDENTIFIED, ids=_name)
def test_check_that_check_estimator_leaves_out_passes(estimator, check):
    if isinstance(estimator, FactorSelector) and "column_names" in check.__name__:
        return  # it takes columns by name in whatever order, which this check does not want
    check(_name(estimator), estimator)


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_get_feature_names_out_error,
        estimator_checks.check_transformer_get_feature_names_out,
        estimator_checks.check_transformer_get_feature_names_out_pandas,
        estimator_checks.check_set_output_transform,
        estimator_checks.check_set_output_transform_pandas,
        estimator_checks.check_set_output_transform_polars,
        estimator_checks.check_global_output_transform_pandas,
        estimator_checks.check_global_set_output_transform_polars,
    ],
)
@pytest.mark.parametrize("estimator", TRANSFORMERS, ids=_name)
@_ignore_names
def test_transformer_check_that_check_estimator_leaves_out_passes(estimator, check):
    check(_name(estimator), estimator)


# --- every per-date transformer: laws -----------------------------------------------------------


@pytest.fixture(params=PER_DATE, ids=_name)
def transformer(request):
    return clone(request.param)


@pytest.fixture
def panel():
    return random_panel(np.random.default_rng(0))


@pytest.fixture
def dates(panel):
    return panel.index.get_level_values("date")


def test_row_order_does_not_matter(transformer, panel):
    order = np.random.default_rng(1).permutation(len(panel))
    expected = transformer.fit_transform(panel)
    assert_frame_equal(
        transformer.fit_transform(panel.iloc[order]), expected.iloc[order], rtol=1e-11
    )


def test_level_order_does_not_matter(transformer, panel):
    expected = transformer.fit_transform(panel)
    assert_frame_equal(transformer.fit_transform(panel.swaplevel()), expected.swaplevel())


def test_asset_labels_do_not_matter(transformer, panel):
    assets = panel.index.unique("asset")
    numbers = dict(zip(assets, reversed(range(len(assets))), strict=True))
    renamed = panel.rename(index=numbers, level="asset")
    assert_array_equal(transformer.fit_transform(renamed), transformer.fit_transform(panel))


def test_date_labels_do_not_matter(transformer, panel):
    days = panel.index.unique("date")
    years = dict(zip(sorted(days), range(2000, 2000 + len(days)), strict=True))
    index = panel.index.set_levels([years[day] for day in panel.index.levels[0]], level="date")
    assert_array_equal(
        transformer.fit_transform(panel.set_axis(index)), transformer.fit_transform(panel)
    )


def test_dates_do_not_influence_each_other(transformer, panel, dates):
    there = dates == dates.max()
    changed = panel.copy()
    changed.loc[there] = np.random.default_rng(1).normal(size=(there.sum(), panel.shape[1])) * 1e3
    before, after = transformer.fit_transform(panel), transformer.fit_transform(changed)
    assert_frame_equal(after[~there], before[~there], check_exact=True)
    assert not after[there].equals(before[there])


def test_one_date_at_a_time_equals_all_at_once(transformer, panel, dates):
    expected = transformer.fit_transform(panel)
    for date in dates.unique():
        assert_frame_equal(
            transformer.transform(panel[dates == date]), expected[dates == date], rtol=1e-11
        )


def test_a_date_unseen_in_fit_is_its_own_cross_section(transformer, panel, dates):
    later = dates > dates.min() + pd.Timedelta(days=70)
    fitted = transformer.fit(panel[~later])
    assert_frame_equal(
        fitted.transform(panel[later]), transformer.fit_transform(panel)[later], rtol=1e-11
    )


def test_fit_transform_equals_fit_then_transform(transformer, panel):
    expected = transformer.fit(panel).transform(panel)
    assert_frame_equal(transformer.fit_transform(panel), expected, check_exact=True)


def test_groups_are_transformed_as_if_alone(transformer, panel):
    group = np.where(panel.index.get_level_values("asset") < "asset012", "low", "high")
    together = transformer.fit_transform(panel, groupby=group)
    for label in ("low", "high"):
        alone = transformer.fit_transform(panel[group == label])
        assert_frame_equal(together[group == label], alone, rtol=1e-11)


def test_rows_without_a_group_are_a_group_of_their_own(transformer, panel):
    group = np.where(panel.index.get_level_values("asset") < "asset012", "low", None)
    missing = pd.isna(group)
    together = transformer.fit_transform(panel, groupby=group)
    alone = transformer.fit_transform(panel[missing])
    assert_frame_equal(together[missing], alone, rtol=1e-11)


@pytest.mark.parametrize("labels", ["text", "categories", "integers"])
def test_groups_are_text_categories_or_integers(transformer, panel, labels):
    number = panel.index.get_level_values("asset").str[-1].astype(int) % 3
    text = pd.Series(np.array(["oil", "steel", "banks"])[number], index=panel.index)
    groups = {
        "text": text,
        "categories": text.astype(pd.CategoricalDtype(["steel", "paper", "oil", "banks"])),
        "integers": pd.Series(number, index=panel.index),
    }
    expected = transformer.fit_transform(panel, groupby=text.to_numpy(dtype=object))
    assert_frame_equal(transformer.fit_transform(panel, groupby=groups[labels]), expected)


def test_a_missing_category_is_a_group_of_its_own(transformer, panel):
    number = panel.index.get_level_values("asset").str[-1].astype(int) % 3
    text = pd.Series(np.array(["oil", None, "banks"], dtype=object)[number], index=panel.index)
    expected = transformer.fit_transform(panel, groupby=text)
    assert_frame_equal(transformer.fit_transform(panel, groupby=text.astype("category")), expected)


@pytest.mark.parametrize("least", [1, 3, 6, 100])
def test_small_groups_take_the_statistics_of_their_date(transformer, panel, dates, least):
    number = panel.index.get_level_values("asset").str[-2:].astype(int)
    group = np.where(number < 2, "small", np.where(number < 11, "middle", "large"))
    count = panel.groupby([dates, group]).transform("count")
    own = clone(transformer).set_params(min_group_size=None).fit_transform(panel, groupby=group)
    date_s = transformer.fit_transform(panel)
    chosen = clone(transformer).set_params(min_group_size=least)
    result = chosen.fit_transform(panel, groupby=group)
    assert_frame_equal(result, own.where(count >= least, date_s), rtol=1e-11)
    assert ((count < least).any(axis=None)) == (least > 1)


@pytest.mark.parametrize("least", [3, 5])
def test_small_groups_learned_without_dates_take_the_statistics_of_the_sample(transformer, least):
    values = np.random.default_rng(0).normal(size=(30, 2))
    values[::3, 0] = np.nan
    group = np.repeat(["a", "b", "c"], [2, 4, 24])
    count = pd.DataFrame(values).groupby(group).transform("count").to_numpy()
    own = clone(transformer).set_params(min_group_size=None).fit_transform(values, groupby=group)
    together = clone(transformer).fit_transform(values)
    chosen = clone(transformer).set_params(min_group_size=least)
    result = chosen.fit_transform(values, groupby=group)
    assert_allclose(result, np.where(count >= least, own, together), rtol=1e-11)


def test_a_least_size_of_groups_without_groups_raises(transformer, panel):
    sized = clone(transformer).set_params(min_group_size=5)
    with pytest.raises(ValueError, match=r"min_group_size=5 is about groups.*no groupby="):
        sized.fit(panel)
    with pytest.raises(ValueError, match=r"min_group_size=5 is about groups.*enable_metadata"):
        sized.fit(panel, groupby=np.arange(len(panel)) % 2).transform(panel)


# --- every per-date transformer: where the dates come from --------------------------------------


def test_dates_as_argument_equal_dates_in_the_index(transformer, panel, dates):
    expected = transformer.fit_transform(panel)
    plain = panel.reset_index(drop=True)
    assert_array_equal(transformer.fit_transform(plain, dates=dates), expected)
    assert_array_equal(transformer.fit_transform(panel.to_numpy(), dates=dates), expected)


def test_dates_as_argument_win_over_the_index(transformer, panel):
    date, asset = panel.index.codes
    other = (date + asset) % 6
    expected = clone(transformer).fit_transform(panel.to_numpy(), dates=other)
    assert_array_equal(transformer.fit_transform(panel, dates=other), expected)
    assert not transformer.fit_transform(panel).equals(transformer.transform(panel, dates=other))


def test_repeated_datetimes_in_a_single_level_are_dates(transformer, panel):
    dated = panel.droplevel("asset")
    assert_array_equal(transformer.fit_transform(dated), transformer.fit_transform(panel))


# A single asset has nothing to be compared with, and transformers warn.
@pytest.mark.filterwarnings("ignore::skfactor.exceptions.NoVariationWarning")
def test_a_date_of_one_row_can_be_transformed_after_fitting_on_dates(transformer, panel):
    fitted = transformer.fit(panel.droplevel("asset"))
    single = fitted.transform(panel.iloc[:1])
    assert_array_equal(fitted.transform(panel.iloc[:1].droplevel("asset")), single)


def test_several_dates_of_one_row_each_are_refused_after_fitting_on_dates(transformer, panel):
    fitted = transformer.fit(panel)
    one_a_date = panel.loc[~panel.index.get_level_values("date").duplicated()]
    for rows in (one_a_date, one_a_date.droplevel("asset")):
        with pytest.raises(ValueError, match=r"each of the 6 dates .* has one row"):
            fitted.transform(rows)


def test_dates_that_each_occur_once_are_a_time_series(transformer):
    values = np.random.default_rng(0).normal(size=(40, 2))
    months = pd.period_range("2020-01", periods=40, freq="M")
    series = pd.DataFrame(values, index=months, columns=["MKT", "SMB"])
    result = transformer.fit_transform(series)
    assert_array_equal(result, clone(transformer).fit_transform(values))
    assert_index_equal(result.index, months)


def test_a_scalar_date_makes_one_cross_section(transformer, panel, dates):
    today = panel[dates == dates.min()]
    expected = transformer.fit(panel).transform(today)
    by_ticker = today.droplevel("date")
    assert_array_equal(transformer.transform(by_ticker, dates="2020-01-31"), expected)


def test_fitting_again_with_dates_forgets_what_was_learned_without(transformer, panel):
    refitted = transformer.fit(panel.to_numpy()).fit(panel)
    assert set(vars(refitted)) == set(vars(clone(transformer).fit(panel)))


def test_without_dates_new_rows_meet_the_statistics_of_fit(transformer):
    train, new = np.random.default_rng(0).normal(size=(2, 30, 2))
    train[::7], new[::5] = np.nan, np.nan
    fitted = transformer.fit(train)
    one_by_one = np.vstack([fitted.transform(row[None]) for row in new])
    assert_allclose(fitted.transform(new), one_by_one)
    own = clone(transformer).fit_transform(new)
    # Trimmed values differ in being missing, the others in size.
    differ = np.abs(np.nan_to_num(fitted.transform(new)) - np.nan_to_num(own))
    assert differ.max() > 1e-3


def test_lost_index_raises_and_names_set_output(transformer, panel):
    y = panel["x0"].fillna(0.0)
    with pytest.raises(ValueError, match=r"y is indexed by date but X \(ndarray\).*set_output"):
        transformer.fit(panel.to_numpy(), y)
    with pytest.raises(ValueError, match=r"y is indexed by date but X \(DataFrame\) is not"):
        transformer.fit(panel.reset_index(drop=True), y)


def test_index_lost_inside_a_pipeline_raises_and_pandas_output_mends_it(transformer, panel):
    y = panel["x0"].fillna(0.0)
    pipeline = make_pipeline(StandardScaler(), transformer)
    with pytest.raises(ValueError, match=r"a step before .* dropped the index.*set_output"):
        pipeline.fit(panel, y)
    pipeline.set_output(transform="pandas")
    scaled = StandardScaler().set_output(transform="pandas").fit_transform(panel)
    assert_frame_equal(pipeline.fit_transform(panel, y), clone(transformer).fit_transform(scaled))


def test_dates_in_fit_only_raises_and_names_both_remedies(transformer, panel):
    fitted = transformer.fit(panel)
    with pytest.raises(ValueError, match=r"fitted on rows with dates.*set_output.*enable_metadata"):
        fitted.transform(panel.reset_index(drop=True))


def test_dates_in_transform_only_raises(transformer, panel, dates):
    fitted = transformer.fit(panel.to_numpy())
    with pytest.raises(ValueError, match="fitted without dates, on the whole sample"):
        fitted.transform(panel.to_numpy(), dates=dates)


def test_row_numbers_are_never_dates(transformer, panel):
    cut = panel.reset_index(drop=True).iloc[5:50]
    fitted = transformer.fit(cut)
    assert not fitted.per_date_
    assert_array_equal(fitted.transform(cut), clone(transformer).fit_transform(cut.to_numpy()))


def test_ambiguous_levels_raise_and_date_level_tells(transformer, panel):
    unnamed = panel.set_axis(panel.index.rename([None, "when"]))
    years = unnamed.index.set_levels(range(len(unnamed.index.levels[0])), level=0)
    unnamed = unnamed.set_axis(years)
    with pytest.raises(ValueError, match=r"Cannot tell .*\[None, 'when'\].*date_level="):
        transformer.fit(unnamed)
    told = clone(transformer).set_params(date_level=0).fit_transform(unnamed)
    assert_array_equal(told, transformer.fit_transform(panel))


def test_duplicate_asset_on_a_date_raises(transformer, panel):
    twice = pd.concat([panel, panel.iloc[[3]]])
    with pytest.raises(ValueError, match=r"1 \(date, asset\) pairs occur more than once"):
        transformer.fit(twice)
    with pytest.raises(ValueError, match="occur more than once"):
        transformer.fit(panel).transform(twice)


# --- every per-date transformer: containers -----------------------------------------------------


def test_frame_in_frame_out_with_the_same_labels(transformer, panel):
    result = transformer.fit_transform(panel)
    assert_index_equal(result.index, panel.index)
    assert_index_equal(result.columns, panel.columns)
    assert_array_equal(transformer.get_feature_names_out(), panel.columns)


def test_frame_without_text_names_keeps_its_columns(transformer, panel):
    numbered = panel.set_axis([10, 20], axis=1)
    result = transformer.fit_transform(numbered)
    assert list(result.columns) == [10, 20]
    assert_array_equal(result, clone(transformer).fit_transform(panel))


def test_polars_in_polars_out(transformer, panel, dates):
    result = transformer.fit_transform(pl.from_pandas(panel.reset_index(drop=True)), dates=dates)
    assert isinstance(result, pl.DataFrame)
    assert result.columns == list(panel.columns)
    assert_array_equal(result.to_numpy(), transformer.fit_transform(panel))


def test_polars_dates_are_dates(transformer, panel, dates):
    frame = pl.DataFrame(panel.reset_index(drop=True).to_dict("list"))
    days = pl.Series("date", list(dates.date))
    assert_array_equal(
        transformer.fit_transform(frame, dates=days).to_numpy(), transformer.fit_transform(panel)
    )


def test_arrow_table_in_arrow_table_out(transformer, panel, dates):
    table = pa.Table.from_pandas(panel, preserve_index=False)
    result = transformer.fit_transform(table, dates=pa.array(dates.to_numpy()))
    assert isinstance(result, pa.Table)
    assert result.column_names == list(panel.columns)
    assert_array_equal(result.to_pandas(), transformer.fit_transform(panel))


@pytest.mark.parametrize(
    ("output", "kind"),
    [("default", np.ndarray), ("pandas", pd.DataFrame), ("polars", pl.DataFrame)],
)
def test_set_output_rules_over_the_container(transformer, panel, dates, output, kind):
    expected = transformer.fit_transform(panel)
    chosen = clone(transformer).set_output(transform=output)
    result = chosen.fit_transform(panel.to_numpy(), dates=dates)
    assert isinstance(result, kind)
    assert_array_equal(np.asarray(result), expected)


def test_set_output_pandas_keeps_the_panel_index(transformer, panel):
    result = clone(transformer).set_output(transform="pandas").fit_transform(panel)
    assert_frame_equal(result, transformer.fit_transform(panel))


def test_global_polars_output_for_pandas_input(transformer, panel):
    expected = transformer.fit_transform(panel)
    with config_context(transform_output="polars"):
        result = transformer.transform(panel)
    assert isinstance(result, pl.DataFrame)
    assert_array_equal(result.to_numpy(), expected)


def test_float32_stays_float32(transformer, panel, dates):
    expected = transformer.fit_transform(panel).to_numpy()
    single = panel.astype(np.float32)
    frame = transformer.fit_transform(single)
    array = clone(transformer).fit_transform(single.to_numpy(), dates=dates)
    assert set(frame.dtypes) | {array.dtype} == {np.dtype(np.float32)}
    assert_array_equal(frame, array)
    assert_allclose(array, expected, rtol=1e-4, atol=1e-5)


def test_integers_become_floats(transformer, dates, panel):
    whole = pd.DataFrame(np.arange(2 * len(panel)).reshape(-1, 2) ** 2 % 97, index=panel.index)
    result = transformer.fit_transform(whole)
    assert_array_equal(result, transformer.fit_transform(whole.astype(float)))


def test_nullable_floats_are_read_as_missing(transformer, panel):
    nullable = panel.astype("Float64")
    assert nullable.isna().any(axis=None)
    assert_array_equal(transformer.fit_transform(nullable), transformer.fit_transform(panel))


@pytest.mark.parametrize(
    "layout",
    [
        np.ascontiguousarray,
        np.asfortranarray,
        lambda values: np.repeat(values, 2, axis=0)[::2],
        lambda values: np.repeat(values, 3, axis=1)[:, ::3],
        lambda values: values[::-1, ::-1].copy()[::-1, ::-1],
    ],
    ids=["C", "F", "row-strided", "column-strided", "reversed"],
)
def test_memory_layout_does_not_matter_and_read_only_input_is_kept(
    transformer, panel, dates, layout
):
    values = layout(panel.to_numpy())
    values.flags.writeable = False
    expected = transformer.fit_transform(panel)
    assert_allclose(transformer.fit_transform(values, dates=dates), expected, rtol=1e-11)
    assert_array_equal(values, panel)


def test_frames_are_not_modified(transformer, panel):
    before = panel.copy(deep=True)
    result = transformer.fit_transform(panel)
    result.iloc[:] = -1.0
    assert_frame_equal(panel, before, check_exact=True)


# --- every per-date transformer: what raises ----------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_infinity_raises_and_names_the_column(transformer, panel, method):
    infinite = panel.copy()
    infinite.iloc[2, 1] = -np.inf
    with pytest.raises(ValueError, match=r"X contains infinity in \['x1'\].*replace such values"):
        getattr(transformer.fit(panel), method)(infinite)


def test_text_column_raises_and_names_it(transformer, panel):
    with pytest.raises(ValueError, match=r"columns \['industry'\] of X do not hold numbers"):
        transformer.fit(panel.assign(industry="steel"))


def test_groupby_as_a_column_name_raises(transformer, panel):
    with pytest.raises(ValueError, match=r"groupby= takes one label per row.*found 'industry'"):
        transformer.fit(panel, groupby="industry")


def test_groupby_of_another_length_raises(transformer, panel):
    with pytest.raises(ValueError, match=rf"groupby= has 3 labels, X has {len(panel)} rows"):
        transformer.fit(panel, groupby=list("abc"))


def test_dates_of_another_length_raise(transformer, panel, dates):
    with pytest.raises(ValueError, match=rf"dates= has 3 values, X has {len(panel)} rows"):
        transformer.fit(panel, dates=dates[:3])


def test_groups_learned_without_dates_have_to_come_back(transformer):
    values = np.random.default_rng(0).normal(size=(12, 2))
    group = np.array(list("abcabcabcabc"))
    fitted = transformer.fit(values, groupby=group)
    with pytest.raises(ValueError, match="fitted with groups, but got none"):
        fitted.transform(values)
    with pytest.raises(ValueError, match=r"groups \['z'\] were not there in fit"):
        fitted.transform(values, groupby=np.where(group == "a", "z", group))
    with pytest.raises(ValueError, match="fitted with no groups, but got groupby="):
        clone(transformer).fit(values).transform(values, groupby=group)


def test_what_is_learned_of_groups_does_not_depend_on_row_order(transformer):
    values = np.random.default_rng(0).normal(size=(12, 2))
    group = np.array(list("cabcabcabcab"))
    forward = clone(transformer).fit(values, groupby=group)
    backward = clone(transformer).fit(values[::-1], groupby=group[::-1])
    assert list(forward.groups_) == list(backward.groups_)
    expected = forward.transform(values, groupby=group)
    assert_allclose(backward.transform(values, groupby=group), expected, rtol=1e-12)


# --- every per-date transformer: metadata routing -----------------------------------------------


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def group(panel):
    return np.where(panel.index.get_level_values("asset") < "asset012", "low", "high")


def test_dates_and_groups_are_routed_through_a_pipeline(transformer, panel, dates, group, routing):
    arrays = FunctionTransformer(np.asarray)
    pipeline = make_pipeline(arrays, transformer)
    expected = transformer.fit_transform(panel, groupby=group)
    routed = pipeline.fit(panel, dates=dates, groupby=group)
    assert_array_equal(routed.transform(panel, dates=dates, groupby=group), expected)
    assert_array_equal(pipeline.fit_transform(panel, dates=dates, groupby=group), expected)


def test_dates_are_routed_through_a_column_transformer(transformer, panel, dates, routing):
    columns = ColumnTransformer([("a", transformer, ["x1"]), ("b", clone(transformer), ["x0"])])
    plain = panel.reset_index(drop=True)
    result = columns.fit_transform(plain, dates=dates)
    assert_array_equal(result, transformer.fit_transform(panel[["x1", "x0"]]))
    assert_array_equal(columns.transform(plain, dates=dates), result)


def test_dates_are_routed_through_a_feature_union(transformer, panel, dates, routing):
    union = FeatureUnion([("a", transformer), ("b", clone(transformer))])
    once = transformer.fit_transform(panel)
    result = union.fit_transform(panel.to_numpy(), dates=dates)
    assert_array_equal(result, np.hstack([once, once]))
    assert_array_equal(union.transform(panel.to_numpy(), dates=dates), result)


def test_without_routing_dates_reach_fit_by_step_name_and_transform_says_what_to_do(
    transformer, panel, dates
):
    pipeline = Pipeline([("arrays", FunctionTransformer(np.asarray)), ("step", transformer)])
    expected = transformer.fit_transform(panel)
    assert_array_equal(pipeline.fit_transform(panel, step__dates=dates), expected)
    with pytest.raises(ValueError, match=r"inside a Pipeline through metadata routing"):
        pipeline.transform(panel)
