"""Frozen results: distributions, intervals, tests, tables."""

from __future__ import annotations

import dataclasses
import pickle
from html import escape

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from reference_premia import FACTORS, french_two_pass, grunfeld
from scipy import stats
from statsmodels.iolib.summary import Summary

from skfactor import FamaMacBeth
from skfactor.inference import (
    PremiaInference,
    TestResult,
    j_test,
    price_of_covariance_risk,
    screen_factors,
)


@pytest.fixture(scope="module")
def grunfeld_model():
    return FamaMacBeth().fit(*grunfeld())


@pytest.fixture(scope="module")
def french_model():
    return FamaMacBeth().fit(*french_two_pass())


@pytest.fixture
def by_t(grunfeld_model):
    return grunfeld_model.inference()


@pytest.fixture
def by_normal(french_model):
    return french_model.inference("shanken")


# --- distributions ------------------------------------------------------------------------------


def test_fama_macbeth_uses_the_t_distribution_with_one_less_than_the_dates(by_t):
    assert by_t.df == 19
    assert_array_equal(by_t.std_errors, np.sqrt(np.diag(by_t.cov)))
    assert_allclose(by_t.t_values, by_t.premia / by_t.std_errors)
    assert_allclose(by_t.p_values, 2.0 * stats.t.sf(np.abs(by_t.t_values), 19), rtol=1e-12)


def test_fama_macbeth_agrees_with_regressions_of_the_slopes_on_a_constant(grunfeld_model, by_t):
    for name, series in grunfeld_model.lambdas_.items():
        fit = sm.OLS(series, np.ones(20)).fit()
        assert_allclose(by_t.t_values[name], fit.tvalues.iloc[0], rtol=1e-10)
        assert_allclose(by_t.p_values[name], fit.pvalues.iloc[0], rtol=1e-8)
        for level in (0.95, 0.9):
            interval = by_t.conf_int(level).loc[name]
            assert_allclose(interval, fit.conf_int(1.0 - level).iloc[0], rtol=1e-10)


def test_two_pass_errors_use_the_normal_distribution(by_normal):
    assert by_normal.df == np.inf
    assert_allclose(by_normal.p_values, 2.0 * stats.norm.sf(np.abs(by_normal.t_values)), rtol=1e-12)
    half = 1.959963984540054 * by_normal.std_errors
    assert_allclose(by_normal.conf_int()["lower"], by_normal.premia - half)
    assert_allclose(by_normal.conf_int()["upper"], by_normal.premia + half)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.1, np.nan])
def test_a_level_that_is_no_share_raises(by_t, level):
    with pytest.raises(ValueError, match=rf"level={level} has to lie between 0 and 1"):
        by_t.conf_int(level)


# --- joint tests --------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [None, ["capital"], ["const", "value", "capital"]])
def test_fama_macbeth_tests_jointly_by_hotelling(grunfeld_model, by_t, names):
    test = by_t.wald_test(names)
    chosen = ["value", "capital"] if names is None else names
    slopes = grunfeld_model.lambdas_[chosen].to_numpy()
    t, k = slopes.shape
    mean, covariance = slopes.mean(axis=0), np.atleast_2d(np.cov(slopes.T)) / t
    t_squared = mean @ np.linalg.solve(covariance, mean)
    statistic = t_squared * (t - k) / (k * (t - 1))
    assert_allclose(test.statistic, statistic, rtol=1e-10)
    assert_allclose(test.p_value, stats.f.sf(statistic, k, t - k), rtol=1e-8)
    assert (test.distribution, *test.df) == ("F", k, t - k)
    assert test.null == f"the premia of {', '.join(chosen)} are zero"


@pytest.mark.parametrize("names", [None, ["HML"], ["Mom", "const"]])
def test_two_pass_errors_test_jointly_by_chi2(by_normal, names):
    test = by_normal.wald_test(names)
    chosen = FACTORS if names is None else names
    premia, cov = by_normal.premia[chosen], by_normal.cov.loc[chosen, chosen]
    statistic = premia @ np.linalg.inv(cov) @ premia
    assert_allclose(test.statistic, statistic, rtol=1e-10)
    assert_allclose(test.p_value, stats.chi2.sf(statistic, len(chosen)), rtol=1e-9)
    assert (test.distribution, *test.df) == ("chi2", len(chosen))


@pytest.mark.parametrize("fixture", ["by_t", "by_normal"])
def test_the_joint_test_of_one_premium_is_its_own_test(fixture, request):
    inference = request.getfixturevalue(fixture)
    for name in inference.premia.index:
        test = inference.wald_test([name])
        assert_allclose(test.statistic, inference.t_values[name] ** 2, rtol=1e-10)
        assert_allclose(test.p_value, inference.p_values[name], rtol=1e-9)


def test_unknown_premia_raise_and_known_ones_are_listed(by_t):
    message = r"premia \['size'\] are unknown; there are \['const', 'value', 'capital'\]"
    with pytest.raises(ValueError, match=message):
        by_t.wald_test(["value", "size"])


def test_one_name_is_no_list_of_letters(by_t):
    with pytest.raises((ValueError, TypeError), match="'size'"):
        by_t.wald_test("size")


def test_as_many_premia_as_dates_cannot_be_tested_jointly():
    X, y = grunfeld()
    three = X.index.get_level_values("year") < 1938
    inference = FamaMacBeth().fit(X[three], y[three]).inference()
    with pytest.raises(ValueError, match=r"3 premia need more than 3 dates, found 3"):
        inference.wald_test(["const", "value", "capital"])
    assert inference.wald_test().df == (2, 1)


# --- tables -------------------------------------------------------------------------------------


def test_to_frame_holds_every_number(by_t):
    table = by_t.to_frame()
    columns = ["premium", "std_error", "t_value", "p_value", "lower", "upper"]
    assert list(table.columns) == columns
    assert list(table.index) == ["const", "value", "capital"]
    parts = [by_t.premia, by_t.std_errors, by_t.t_values, by_t.p_values]
    expected = np.column_stack([*parts, by_t.conf_int()])
    assert_array_equal(table, expected)


def _cells(text, name):
    row = next(line for line in text.splitlines() if line.split()[:1] == [name])
    return [_number(cell) for cell in row.replace("&", " ").replace(r"\\", " ").split()[1:]]


def _number(cell):
    """Of a p-value that is told as below 0.0001, or as LaTeX or HTML has it, zero."""
    return 0.0 if cell.endswith("0.0001") and not cell.startswith("0") else float(cell)


@pytest.mark.parametrize("fixture", ["by_t", "by_normal"])
def test_the_printed_table_holds_the_numbers_of_the_frame(fixture, request):
    inference = request.getfixturevalue(fixture)
    text = str(inference)
    assert text == inference.summary().as_text()
    letter = "t" if np.isfinite(inference.df) else "z"
    assert f"P>|{letter}|" in text
    for name, row in inference.to_frame().iterrows():
        printed = _cells(text, name)
        # Half of the last digit of a premium's row is a part of its error.
        assert_allclose(printed[2:4], row[["t_value", "p_value"]], atol=5.1e-4)
        for place, column in ((0, "premium"), (1, "std_error"), (4, "lower"), (5, "upper")):
            assert abs(printed[place] - row[column]) <= 1e-3 * row["std_error"]


def test_the_summary_says_what_the_errors_rest_on(french_model, grunfeld_model):
    text = str(french_model.summary("shanken", kernel="bartlett", bandwidth=4))
    for fact in ("wide, two-pass", "shanken", "bartlett, L = 4", "normal", "1949-01 to 2017-03"):
        assert fact in text
    assert {"819", "18"} <= set(text.split())
    text = str(grunfeld_model.summary())
    for fact in ("panel, exposures given", "fama-macbeth", "no lags", "t(19)", "1935 to 1954"):
        assert fact in text
    assert "0.8369" in text
    assert "taken as known" in text


def test_summary_is_inference_in_one_step(french_model):
    options = {"kernel": "parzen", "bandwidth": 3, "debiased": False}
    expected = french_model.inference("fama-macbeth", **options)
    found = french_model.summary("fama-macbeth", **options)
    assert isinstance(found, Summary)
    assert str(found) == str(expected)


@pytest.mark.parametrize("fixture", ["by_t", "by_normal"])
def test_latex_and_html_hold_the_numbers_of_the_text(fixture, request):
    inference = request.getfixturevalue(fixture)
    summary = inference.summary()
    latex, html = summary.as_latex(), summary.as_html()
    assert r"\begin{tabular}" in latex
    assert latex.count(r"\begin") == latex.count(r"\end")
    text = str(inference)
    for name in inference.premia.index:
        cells = _cells(text, name)
        assert _cells(latex, rf"\textbf{{{name}}}") == cells
        row = html[html.index(f"<th>{name}</th>") :].split("</tr>")[0]
        tds = [part.split("</td>")[0] for part in row.split("<td>")[1:]]
        assert [_number(cell) for cell in tds] == cells
    for note in inference.notes:
        assert note in latex
        assert note in html
    assert f"<td>{cells[0]:.6f}</td>" in inference._repr_html_()


@pytest.mark.parametrize("name", ["B/M & E/P", "a<b>", "x_1%", "größe", "two words"])
def test_odd_names_are_printed_and_escaped(name):
    X, y = grunfeld()
    inference = FamaMacBeth().fit(X.rename(columns={"value": name}), y).inference()
    assert name in str(inference)
    page, latex = inference._repr_html_(), inference.summary().as_latex()
    assert escape(name) in page
    assert "<b>" not in page
    for special in set("&_%") & set(name):
        assert rf"\{special}" in latex


def test_premia_of_any_size_are_printed_with_digits():
    X, y = grunfeld()
    for scale in (1e-5, 1e6):
        inference = FamaMacBeth().fit(X, y * scale).inference()
        printed = _cells(str(inference), "value")
        assert_allclose(printed[0], inference.premia["value"], rtol=1e-2)
        assert_allclose(printed[1], inference.std_errors["value"], rtol=1e-2)


def test_an_exact_fit_is_printed():
    X, _ = grunfeld()
    exact = FamaMacBeth().fit(X, X["value"] * 0.5 + 1.0).inference()
    assert_allclose(exact.premia, [1.0, 0.5, 0.0], atol=1e-10)
    assert "value" in str(exact)


# --- frozen -------------------------------------------------------------------------------------


def test_results_cannot_be_reassigned_and_survive_pickling(by_t):
    with pytest.raises(dataclasses.FrozenInstanceError, match="premia"):
        by_t.premia = by_t.premia * 2
    again = pickle.loads(pickle.dumps(by_t))
    assert_frame_equal(again.to_frame(), by_t.to_frame())
    assert str(again) == str(by_t)


def test_the_summary_is_of_the_model_that_was_inferred_and_not_of_a_later_fit():
    X, y = grunfeld()
    model = FamaMacBeth().fit(X, y)
    inference = model.inference()
    text = str(model.summary())
    early = X.index.get_level_values("year") < 1945
    model.fit(X[early], y[early])
    assert str(inference) == text != str(model.summary())


def test_an_inference_can_be_made_from_its_parts(by_t):
    other = PremiaInference(by_t.premia, by_t.cov, np.inf, "shanken")
    assert_allclose(other.t_values, by_t.t_values)
    assert other.wald_test().distribution == "chi2"
    assert "shanken" in str(other)
    assert other.conf_int(0.5).shape == (3, 2)


def test_a_test_result_prints_its_statistic_and_its_hypothesis():
    result = TestResult(2.71828, 0.1234567, (3, 96), "F", "all <alphas> are zero")
    assert str(result) == "F(3, 96) = 2.7183, p-value = 0.1235\nH0: all <alphas> are zero"
    assert result._repr_html_().startswith("<pre>F(3, 96)")
    assert "&lt;alphas&gt;" in result._repr_html_()
    with pytest.raises(dataclasses.FrozenInstanceError, match="p_value"):
        result.p_value = 0.0
    assert result == TestResult(2.71828, 0.1234567, (3, 96), "F", "all <alphas> are zero")


def test_results_are_labelled_series(by_t):
    for name, values in (("std_error", by_t.std_errors), ("t_value", by_t.t_values)):
        assert isinstance(values, pd.Series)
        assert values.name == name
        assert list(values.index) == ["const", "value", "capital"]
    assert list(by_t.cov.index) == list(by_t.cov.columns) == ["const", "value", "capital"]


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["a", "a"], r"names a premium more than once"),
        (3, r"\[3\] are unknown"),
    ],
)
def test_wald_raises_on_names_that_say_nothing(names, match):
    cov = pd.DataFrame(np.eye(2), ["a", "b"], ["a", "b"])
    premia = PremiaInference(pd.Series([1.0, 2.0], ["a", "b"]), cov, np.inf, "krs")
    with pytest.raises(ValueError, match=match):
        premia.wald_test(names)


@pytest.mark.parametrize("level", ["a", None, 1.0, True])
def test_intervals_need_a_level(level):
    cov = pd.DataFrame([[1.0]], ["a"], ["a"])
    with pytest.raises(ValueError, match=r"has to lie between 0 and 1"):
        PremiaInference(pd.Series([1.0], ["a"]), cov, np.inf, "krs").conf_int(level)


# --- of the fit, whatever happens to the model later ----------------------------------------------


@pytest.mark.parametrize("covariance", ["fama-macbeth", "shanken", "gmm", "krs"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighting", ["ols", "wls", "gls"])
def test_parameters_that_are_set_later_change_nothing(covariance, fit_intercept, weighting):
    model = FamaMacBeth(fit_intercept=fit_intercept, weighting=weighting).fit(*french_two_pass())
    expected = model.inference(covariance, kernel="bartlett")
    model.set_params(
        fit_intercept=not fit_intercept, weighting="ols", premia_window=20, premia_halflife=9.0
    )
    found = model.inference(covariance, kernel="bartlett")
    assert_frame_equal(found.cov, expected.cov, check_exact=True)
    assert str(found) == str(expected)


@pytest.mark.parametrize("covariance", ["fama-macbeth", "shanken", "gmm", "krs"])
def test_tables_that_are_written_to_change_nothing(covariance):
    X, y = french_two_pass()
    for y_or_missing in (y, y.mask(np.random.default_rng(0).random(y.shape) < 0.05)):
        if covariance == "shanken" and y_or_missing is not y:
            continue
        model = FamaMacBeth().fit(X, y_or_missing)
        expected = FamaMacBeth().fit(X, y_or_missing).inference(covariance)
        for name in ("lambdas_", "premia_", "cross_sections_"):
            table = getattr(model, name)
            table *= 100.0
        model.betas_.iloc[:, 0] = 1.0
        model.betas_["new"] = 1.0
        model.first_pass_.set_params(shrinkage="vasicek")
        found = model.inference(covariance)
        assert_frame_equal(found.cov, expected.cov, check_exact=True)
        assert str(found) == str(expected)


def test_what_follows_from_a_fit_does_not_follow_its_tables():
    X, y = french_two_pass()
    equal = pd.Series(1.0 / y.shape[1], index=y.columns)
    results = [
        lambda model: str(model.summary()),
        lambda model: str(model.diagnostics()),
        lambda model: str(screen_factors(model).steps),
        lambda model: str(price_of_covariance_risk(model)),
        lambda model: str(j_test(model, small_sample=False, kernel="bartlett")),
        lambda model: str(model.portfolio_betas(equal)),
    ]
    expected = [result(FamaMacBeth().fit(X, y)) for result in results]
    for result, text in zip(results, expected, strict=True):
        model = FamaMacBeth().fit(X, y)
        model.premia_["Mom-SMB"] = 0.0
        model.betas_["HML"] = 1.0
        model.first_pass_.alphas_ *= 2.0
        model.first_pass_.std_errors_ *= 2.0
        model.dates_ = model.dates_[::-1]
        assert result(model) == text


def test_names_given_to_a_result_stay_there():
    X, y = french_two_pass()
    model = FamaMacBeth().fit(X, y)
    interval = model.inference().conf_int()
    interval.columns.name = interval.index.name = "mine"
    again = model.inference()
    assert again.conf_int().columns.name is None
    assert again.premia.index.name is None
    assert model.premia_.index.name is None
