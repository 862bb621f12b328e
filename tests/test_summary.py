"""Models side by side: the cells against the models' own inference, LaTeX, and failures."""

from __future__ import annotations

import io
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from reference_premia import characteristics, french_two_pass
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from skfactor import (
    FactorBetas,
    FactorZScorer,
    FamaMacBeth,
    LinearFactorGMM,
    TradedFactorModel,
)
from skfactor.formula import FormulaRegressor
from skfactor.inference import cross_sectional_r2, j_test
from skfactor.summary import PremiaTable, full_summary, premia_table

FACTORS, RETURNS = french_two_pass()
SETS = [["MktRF"], ["MktRF", "SMB", "HML"], ["Mom", "MktRF"]]


@pytest.fixture(scope="module")
def models():
    return [FamaMacBeth().fit(FACTORS[names], RETURNS) for names in SETS]


# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", ["t", "se"])
@pytest.mark.parametrize("covariance", ["fama-macbeth", "shanken"])
def test_cells_are_the_numbers_of_each_model(models, statistic, covariance):
    options = {"covariance": covariance, "kernel": "bartlett", "bandwidth": 6}
    table = premia_table(models, statistic=statistic, **options)
    for model, column in zip(models, table, strict=True):
        inference = model.inference(**options)
        for name in model.premia_.index:
            assert table.loc[(name, ""), column] == f"{model.premia_[name]:.4f}"
            below = inference.t_values[name], inference.std_errors[name]
            text = f"({below[0]:.2f})" if statistic == "t" else f"({below[1]:.4f})"
            assert table.loc[(name, statistic), column] == text
    assert table.loc[("Standard errors", ""), "(1)"] == f"{covariance}, bartlett 6"


def test_facts_are_those_of_the_cross_sections(models):
    table = premia_table(models)
    for model, column in zip(models, table, strict=True):
        sections = model.cross_sections_
        assert table.loc[("Average R2", ""), column] == f"{sections['r2'].mean():.4f}"
        assert table.loc[("Dates", ""), column] == "819"
        assert table.loc[("Assets per date", ""), column] == "18.0"


def test_rows_come_in_order_of_first_appearance_with_const_first(models):
    without = FamaMacBeth(fit_intercept=False).fit(FACTORS[["HML"]], RETURNS)
    table = premia_table([without, *models])
    names = list(dict.fromkeys(table.index.get_level_values(0)))
    facts = ["Average R2", "Dates", "Assets per date", "Standard errors"]
    assert names == ["const", "HML", "MktRF", "SMB", "Mom", *facts]
    assert list(table.index.get_level_values(1)) == ["", "t"] * 5 + [""] * 4
    assert list(table.columns) == ["(1)", "(2)", "(3)", "(4)"]


def test_what_a_model_has_not_is_empty(models):
    table = premia_table(models)
    assert list(table.loc["Mom", "(1)"]) == ["", ""]
    assert list(table.loc["SMB", "(3)"]) == ["", ""]
    assert all(table.loc["Mom", "(3)"])


def test_stars_follow_the_p_values():
    X, y = characteristics()
    noise = np.random.default_rng(1).normal(size=(len(X), 20))
    wide = X.assign(**{f"z{i}": noise[:, i] for i in range(20)})
    model = FamaMacBeth().fit(wide, y)
    table = premia_table([model], stars=True)
    p_values = model.inference().p_values
    counts = [table.loc[(name, ""), "(1)"].count("*") for name in p_values.index]
    assert counts == [int(p < 0.01) + int(p < 0.05) + int(p < 0.1) for p in p_values]
    assert {0, 1, 3} <= set(counts)
    assert not premia_table([model]).map(lambda text: "*" in text).any(axis=None)


def test_digits_and_names(models):
    table = premia_table(models, names=["CAPM", "FF3", "Mom"], digits=2, statistic="se")
    assert list(table.columns) == ["CAPM", "FF3", "Mom"]
    cells = table[table.index.get_level_values(0) != "Average R2"].to_numpy().ravel()
    decimals = {len(match[1]) for text in cells if (match := re.search(r"-?\d\.(\d{2,})", text))}
    assert decimals == {2}


def test_pipelines_formulas_and_searches_show_the_model_inside(models):
    X, y = characteristics()
    pipeline = make_pipeline(FactorZScorer(), FamaMacBeth()).fit(X, y)
    formula = FormulaRegressor("x0 + x1 + x2", make_pipeline(FactorZScorer(), FamaMacBeth()))
    search = GridSearchCV(formula, {"formula": ["x0 + x1 + x2"]}, cv=KFold(2))
    table = premia_table([pipeline, formula.fit(X, y), search.fit(X, y)])
    assert (table["(1)"] == table["(2)"]).all()
    assert (table["(1)"] == table["(3)"]).all()
    direct = premia_table([pipeline[-1]])
    assert (table["(1)"] == direct["(1)"]).all()


def test_auto_names_the_errors_of_each_model(models):
    X, y = characteristics()
    panel = FamaMacBeth().fit(X, y)
    kinds = premia_table([models[0], panel]).loc[("Standard errors", "")]
    assert list(kinds) == [models[0].inference().covariance, "fama-macbeth"]
    assert kinds.iloc[0] != kinds.iloc[1]


def test_models_in_any_iterable_and_not_changed(models):
    before = [model.premia_.copy() for model in models]
    table = premia_table(iter(models))
    assert table.equals(premia_table(tuple(models)))
    for model, premia in zip(models, before, strict=True):
        assert model.premia_.equals(premia)


# --- rendering ----------------------------------------------------------------------------------


@pytest.fixture
def awkward():
    """Premia whose names mean something to LaTeX and HTML."""
    X, y = characteristics()
    X = X.set_axis(["size_log & <b>", "[10%] $", r"C{x}\y~^#"], axis=1)
    return premia_table([FamaMacBeth().fit(X, y)], names=["a_b"], stars=True)


def test_a_table_is_a_frame_of_text(models):
    table = premia_table(models)
    assert isinstance(table, pd.DataFrame)
    assert isinstance(table[["(1)"]], PremiaTable)
    assert table.map(lambda cell: isinstance(cell, str)).all(axis=None)
    assert "(1)" in table.to_string()


def test_html_escapes_names(awkward):
    html = awkward.to_html()
    assert "size_log &amp; &lt;b&gt;" in html
    assert "<b>" not in html


def test_latex_escapes_names_and_leaves_nothing_open(awkward):
    text = awkward.to_latex()
    assert r"size\_log \& <b>" in text
    assert "\n{}[10\\%] \\$ &" in text  # a bracket after \\ would be its argument
    assert r"C\{x\}\textbackslash{}y\textasciitilde{}\textasciicircum{}\#" in text
    assert " & a\\_b \\\\" in text
    plain = re.sub(r"\\[&%$#_{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    rows = [line for line in plain.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in rows} == {1}


def test_latex_has_minus_signs_stars_and_rules():
    index = pd.MultiIndex.from_tuples([("HML", ""), ("HML", "t"), ("Dates", "")])
    table = PremiaTable({"A": ["-0.0044***", "(-2.70)", "10"], "B": ["", "", "9"]}, index=index)
    assert table.to_latex().splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & A & B \\",
        r"\midrule",
        r"HML & $-$0.0044$^{***}$ &  \\",
        r" & ($-$2.70) &  \\",
        r"\midrule",
        r"Dates & 10 & 9 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_of_selected_rows_and_columns(models):
    table = premia_table(models)
    one = table.loc[["MktRF"], ["(2)"]].to_latex()
    assert one.count(r"\midrule") == 1
    assert one.splitlines()[4].startswith("MktRF & ")
    flat = table.loc["MktRF"].to_latex()
    assert flat.count(r" \\") == 3


def test_latex_in_a_table_environment_and_in_a_file(models, tmp_path):
    table = premia_table(models)
    text = table.to_latex(caption="Premia", label="tab:premia")
    assert text.startswith("\\begin{table}\n\\centering\n\\caption{Premia}\n\\label{tab:premia}")
    assert text.endswith("\\end{tabular}\n\\end{table}")
    assert table.to_latex(tmp_path / "premia.tex") is None
    assert (tmp_path / "premia.tex").read_text() == table.to_latex() + "\n"


# --- what raises --------------------------------------------------------------------------------


def test_no_models_raise():
    with pytest.raises(ValueError, match="There are no models to show"):
        premia_table([])


def test_one_model_that_is_not_in_a_list_raises(models):
    with pytest.raises(TypeError, match=r"models has to be a list, .*: pass \[model\]"):
        premia_table(models[0])


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d"], "abc"])
def test_names_of_another_number_raise(models, names):
    with pytest.raises(ValueError, match="names has to hold 3 names, one per model; found"):
        premia_table(models, names=names)


def test_names_that_repeat_raise(models):
    with pytest.raises(ValueError, match="repeat; each model needs one of its own"):
        premia_table(models, names=["a", "b", "a"])


def test_an_unknown_statistic_raises(models):
    with pytest.raises(ValueError, match="statistic='p' is unknown; it is 't' or 'se'"):
        premia_table(models, statistic="p")


def test_negative_digits_raise(models):
    with pytest.raises(ValueError, match="digits=-1 has to be a number of decimals"):
        premia_table(models, digits=-1)


@pytest.mark.parametrize(
    "unfitted", [FamaMacBeth(), make_pipeline(FactorBetas(), FamaMacBeth())], ids=["bare", "inside"]
)
def test_an_unfitted_model_raises(models, unfitted):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        premia_table([*models, unfitted])


def test_what_is_no_model_of_premia_raises(models):
    other = LinearRegression().fit(FACTORS, RETURNS)
    with pytest.raises(TypeError, match=r"needs a model of premia, .* found LinearRegression"):
        premia_table([*models, other])
    with pytest.raises(TypeError, match="found a str"):
        premia_table(["FF3"])


def test_an_unknown_covariance_raises_as_in_inference(models):
    with pytest.raises(ValueError, match="covariance='white' is unknown"):
        premia_table(models, covariance="white")


def test_a_model_without_a_choice_of_errors_refuses_one():
    class Fixed(FamaMacBeth):
        def inference(self):
            return super().inference("fama-macbeth")

    model = Fixed().fit(FACTORS, RETURNS)
    kind = premia_table([model]).loc[("Standard errors", ""), "(1)"]
    assert kind == "fama-macbeth"
    with pytest.raises(ValueError, match=r"errors of Fixed have no choice of \['covariance'\]"):
        premia_table([model], covariance="shanken")


# --- one model in full --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def documented():
    """The 18 portfolios of linearmodels' documentation, with a zero-beta rate."""
    X, y = french_two_pass()
    return FamaMacBeth().fit(X[["MktRF", "HML", "Mom"]], y)


def test_full_summary_holds_the_published_figures(documented):
    # linearmodels' documentation: premia, errors and R2 of this model.
    text = full_summary(documented).as_text()
    inference = documented.inference("krs")
    assert inference.premia.round(4).tolist() == [0.0024, 0.0050, 0.0042, 0.0081]
    assert inference.std_errors.round(4).tolist() == [0.0040, 0.0044, 0.0010, 0.0014]
    assert re.search(r"Time-series R2 \(pooled\) +0\.7723", text)
    r2 = cross_sectional_r2(documented)
    assert f"{r2.r2:.4f} ({r2.std_error:.4f})" in text
    assert f"F(14, {len(documented.dates_) - 17}) = {j_test(documented).statistic:.4f}" in text


def test_full_summary_has_a_row_for_each_asset(documented):
    text = full_summary(documented).as_text()
    for asset in documented.betas_.index:
        beta = documented.betas_.loc[asset, "MktRF"]
        error = documented.first_pass_.std_errors_.loc[asset, "MktRF"]
        row = next(line for line in text.splitlines() if line.startswith(asset))
        assert f"{beta:.3f} ({error:.3f})" in row
        assert row.endswith(f"{documented.pricing_errors_[asset]:.6f}")


def test_full_summary_renders_as_latex_and_escaped_html():
    X, y = french_two_pass()
    y = y.rename(columns={"S1V1": "small & <cheap>"})
    summary = full_summary(FamaMacBeth().fit(X, y), kernel="bartlett", bandwidth=3)
    assert "With a kernel the asymptotic distribution of j_test" in summary.as_text()
    assert summary.as_latex().count(r"\begin{tabular}") == 4
    html = summary.as_html()
    assert "small &amp; &lt;cheap&gt;" in html
    assert "<cheap>" not in html
    assert "bartlett, L = 3" in html


def test_full_summary_of_a_panel_raises():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(2000, 2006), list("abcdef")], names=["year", "asset"])
    panel = pd.DataFrame(rng.normal(size=(36, 2)), index, ["a", "b"])
    with pytest.raises(ValueError, match=r"full_summary needs a FamaMacBeth fitted in wide form"):
        full_summary(FamaMacBeth().fit(panel[["a"]], panel["b"]))


def test_full_summary_shows_the_model_inside(documented):
    model = documented
    held = make_pipeline(FamaMacBeth()).fit(
        model.record_.two_pass.factors, model.record_.two_pass.returns
    )
    inside = full_summary(held.steps[-1][1]).as_text()
    assert full_summary(held).as_text() == inside


def test_r2_without_a_zero_beta_rate_is_called_uncentred(documented):
    fit = documented.record_.two_pass
    model = FamaMacBeth(fit_intercept=False).fit(fit.factors, fit.returns)
    assert "Cross-sectional R2 (uncentred)" in full_summary(model).as_text()
    with_rate = FamaMacBeth().fit(fit.factors, fit.returns)
    table = premia_table([model, with_rate])
    cells = table.loc["Average R2"].to_numpy().ravel().tolist()
    assert cells[0].endswith(" (uncentred)")
    assert "uncentred" not in cells[1] + full_summary(with_rate).as_text()


def test_models_without_cross_sections_show_dates_and_assets():
    X, y = french_two_pass()
    y = y.iloc[:, :8].copy()
    gmm = LinearFactorGMM().fit(X[["MktRF"]], y)
    y.iloc[:400, 0] = np.nan
    traded = TradedFactorModel().fit(X, y)
    table = premia_table([traded, gmm], covariance="auto")
    shown = table.droplevel(1).loc[["Dates", "Assets per date"]]
    mean = y.notna().sum(axis=1).mean()
    assert shown.to_numpy().tolist() == [["819", "819"], [f"{mean:.1f}", "8.0"]]
    assert "Average R2" not in table.index


def test_stars_say_what_they_mean(models):
    legend = "* 10%, ** 5%, *** 1%"
    assert premia_table(models, stars=True).index[-1] == (legend, "")
    assert r"* 10\%, ** 5\%, *** 1\%" in premia_table(models, stars=True).to_latex()
    assert legend not in str(premia_table(models))


def test_latex_goes_to_an_open_file(models):
    table, file = premia_table(models), io.StringIO()
    assert table.to_latex(file) is None
    assert file.getvalue() == table.to_latex() + "\n"


@pytest.mark.parametrize("digits", [2.5, "3", True])
def test_digits_are_a_whole_number(models, digits):
    with pytest.raises(ValueError, match="number of decimals"):
        premia_table(models, digits=digits)


def test_full_summary_says_what_there_is_not_where_assets_enter_late(documented):
    X, y = french_two_pass()
    X, late = X[["MktRF", "HML", "Mom"]], y.copy()
    late.iloc[:100, 3] = np.nan
    text = full_summary(FamaMacBeth().fit(X, late)).as_text()
    assert text.count("not computed, see below") == 2
    assert re.search(r"Not computed: j_test is for complete returns, and some are missing", text)
    assert "Not computed: cross_sectional_r2" in text
    left = FactorBetas().fit(X, late).residuals_
    pooled = 1.0 - (left**2).sum().sum() / ((late - late.mean()) ** 2).sum().sum()
    assert re.search(rf"Time-series R2 \(pooled\) +{pooled:.4f}", text)
    assert sum(line.startswith(tuple(y.columns)) for line in text.splitlines()) == y.shape[1]
    averaged = full_summary(FamaMacBeth(premia_window=50).fit(X, y)).as_text()
    assert "is for averages of all dates, without premia_window" in averaged


class KnownBetas(BaseEstimator):
    """A first pass of which nothing is known but its betas."""

    def fit(self, X, y):
        self.betas_ = FactorBetas().fit(X, y).betas_
        return self


def test_full_summary_of_a_first_pass_without_errors_leaves_them_out(documented):
    X, y = french_two_pass()
    model = FamaMacBeth(betas=KnownBetas()).fit(X[["MktRF", "HML", "Mom"]], y)
    text = full_summary(model).as_text()
    assert "std err)" not in text
    assert "Time-series R2" not in text
    row = next(line for line in text.splitlines() if line.startswith(y.columns[0]))
    assert row.split()[1:4] == [f"{beta:.3f}" for beta in model.betas_.iloc[0]]


def test_nothing_that_reads_a_model_changes_it():
    X, y = french_two_pass()
    zoned = X.index.to_timestamp() if isinstance(X.index, pd.PeriodIndex) else X.index
    zoned = zoned.tz_localize("Europe/Berlin")
    X, y = X.set_axis(zoned), y.set_axis(zoned)
    models = [FamaMacBeth().fit(X, y), TradedFactorModel().fit(X, y), FactorBetas().fit(X, y)]
    before = [pickle.dumps(model) for model in models]
    premia_table(models[:2])
    full_summary(models[0])
    models[2].risk_model()
    for model in models[:2]:
        str(model.summary())
    assert [pickle.dumps(model) for model in models] == before


def test_a_table_says_what_its_names_and_its_file_may_be():
    X, y = french_two_pass()
    model = FamaMacBeth().fit(X, y)
    for names in (object(), 1.0, "a"):
        with pytest.raises(ValueError, match="names has to hold 1 names"):
            premia_table([model], names=names)
    with pytest.raises(TypeError, match="buf has to be a path"):
        premia_table([model]).to_latex(1)
