"""Distributions before and after preprocessing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfactor import FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.datasets import make_panel
from skfactor.plotting import CharacteristicDisplay


@pytest.fixture(scope="module")
def data():
    X, y = make_panel(n_dates=12, n_assets=30, n_features=2, random_state=0, return_X_y=True)
    X.iloc[::7, 0] = np.nan
    return X, y


def _quantile(values, q):
    return values.groupby(level="date").quantile(q).to_numpy()


def test_medians_and_bands_are_those_of_each_date(data):
    X, _ = data
    scorer = FactorZScorer().fit(X)
    display = CharacteristicDisplay.from_estimator(scorer, X, "x1")
    for stage, values in enumerate([X["x1"], scorer.transform(X)["x1"]]):
        assert_allclose(display.medians_[stage].get_ydata(), _quantile(values, 0.5))
        for band, (low, high) in enumerate([(0.05, 0.95), (0.25, 0.75)]):
            heights = display.bands_[2 * stage + band].get_paths()[0].vertices[:, 1]
            for level in (low, high):
                assert np.isclose(heights[:, None], _quantile(values, level)).any(axis=0).all()


def test_all_but_the_model_of_a_pipeline_transforms(data):
    X, y = data
    pipeline = make_pipeline(Winsorizer(), FactorZScorer(), FamaMacBeth()).fit(X, y)
    display = CharacteristicDisplay.from_estimator(pipeline, X, "x2")
    assert_allclose(display.after, pipeline[:-1].transform(X)["x2"])


def test_arrays_are_dated_by_the_argument(data):
    X, _ = data
    plain = X.reset_index(drop=True)
    dates = X.index.get_level_values("date")
    scorer = FactorZScorer().fit(plain, dates=dates)
    display = CharacteristicDisplay.from_estimator(scorer, plain, "x2", dates=dates)
    assert_allclose(display.medians_[0].get_ydata(), _quantile(X["x2"], 0.5))
    assert_allclose(display.after, FactorZScorer().fit_transform(X)["x2"])


def test_groups_reach_the_transformer(data):
    X, _ = data
    groups = X.index.get_level_values("asset") < "A15"
    arguments = {"groupby": groups}
    scorer = FactorZScorer().fit(X, **arguments)
    display = CharacteristicDisplay.from_estimator(scorer, X, "x2", transform_kwargs=arguments)
    assert_allclose(display.after, scorer.transform(X, **arguments)["x2"])


def test_columns_of_arrays_are_found_by_name(data):
    X, _ = data
    scaler = StandardScaler().fit(X)
    display = CharacteristicDisplay.from_estimator(scaler, X, "x2")
    assert_allclose(display.after, scaler.transform(X)[:, 1])


def test_histograms_count_the_rows_that_have_a_value(data):
    X, _ = data
    axes = plt.subplots(1, 2)[1]
    display = CharacteristicDisplay.from_estimator(
        Winsorizer().fit(X), X, "x1", ax=axes, kind="histogram", bins=10
    )
    assert list(display.ax_) == list(axes)
    known, missing = X["x1"].notna().sum(), X["x1"].isna().sum()
    for bars, ax in zip(display.histograms_, axes, strict=True):
        assert sum(bar.get_height() for bar in bars) == known
        assert ax.texts[0].get_text() == f"{missing} missing"


def test_mistakes_are_named(data):
    X, _ = data
    scorer = FactorZScorer().fit(X)
    with pytest.raises(ValueError, match="X has no column 'size'"):
        CharacteristicDisplay.from_estimator(scorer, X, "size")
    with pytest.raises(ValueError, match="X has no column 'x1'; found ndarray"):
        CharacteristicDisplay.from_estimator(scorer, X.to_numpy(), "x1")
    with pytest.raises(ValueError, match="no dates"):
        CharacteristicDisplay([1.0, 2.0], [1.0, 2.0]).plot()
    with pytest.raises(ValueError, match="one value per row"):
        CharacteristicDisplay([1.0, 2.0], [1.0]).plot(kind="histogram")
    with pytest.raises(ValueError, match="before: all values are missing"):
        CharacteristicDisplay([np.nan], [1.0]).plot(kind="histogram")
    with pytest.raises(ValueError, match="kind='box'"):
        CharacteristicDisplay([1.0], [1.0]).plot(kind="box")
