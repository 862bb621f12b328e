"""The numbers of the example against linearmodels, statsmodels and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from gallery import after, assert_tells, example, overlapping, table
from linearmodels.asset_pricing import LinearFactorModel
from linearmodels.datasets import french
from numpy.testing import assert_allclose
from reference_premia import FACTORS, first_pass_loop, second_pass_loop


@pytest.fixture(scope="module")
def shown():
    return example("plot_industry_premia")


@pytest.fixture(scope="module")
def data():
    """Factors and excess returns of the months that both tables have, in decimals."""
    months = french.load()
    months = months.set_index(pd.PeriodIndex(months["dates"], freq="M")).loc["1963-07":"2016-12"]
    return months[FACTORS], months.loc[:, "NoDur":"Other"].sub(months["RF"], axis=0)


@pytest.fixture(scope="module")
def betas(data):
    return first_pass_loop(*data)["betas"]


@pytest.fixture(scope="module")
def slopes(data, betas):
    return second_pass_loop(betas, data[1])


def linear_factor_model(factors, returns, *, zero_beta=True):
    return LinearFactorModel(returns.to_numpy(), factors.to_numpy(), risk_free=zero_beta).fit()


def shanken_variance(factors, returns):
    """T times the variances of the premia, (1 + c) A S A' + V_f, with divisor T inside."""
    fits = first_pass_loop(factors, returns)
    x = np.column_stack([np.ones(len(fits["betas"])), fits["betas"]])
    a = np.linalg.inv(x.T @ x) @ x.T
    premia = (a @ returns.mean())[1:]
    v = np.cov(factors.T, ddof=0)
    s = fits["residuals"].T @ fits["residuals"] / len(factors)
    c = premia @ np.linalg.inv(v) @ premia
    return np.diag((1.0 + c) * a @ s.to_numpy() @ a.T) + np.array([0.0, *np.diag(v)])


def test_months_are_those_that_both_tables_have(shown, data):
    printed, _ = shown
    assert f"12 industries, {len(data[0])} months, 1963-07 on\n" in printed


def test_betas_and_last_slopes(shown, betas, slopes):
    printed, _ = shown
    assert_tells(table(printed, "MktRF", list(betas.index)), betas, 2)
    last = slopes.iloc[-3:].mul(100.0)
    assert_tells(table(printed, "const", list(last.index.astype(str))), last, 2)


def test_t_values(shown, data, slopes):
    printed, _ = shown
    names, mean, t = list(slopes), slopes.mean(), len(slopes)
    peer = linear_factor_model(*data)
    # The debiased convention for errors of estimated betas is linearmodels'.
    shanken = shanken_variance(*data) / (t - len(FACTORS) - 1)
    own = data[0].mean() / data[0].std() * np.sqrt(t)
    expected = pd.DataFrame(
        {
            "mean / std": mean / slopes.std(),
            "fama-macbeth": mean / slopes.std() * np.sqrt(t),
            "shanken": mean / np.sqrt(shanken),
            "krs": mean / peer.risk_premia_se.to_numpy(),
            "traded": own,
        },
        index=names,
    )
    told = table(printed, "mean / std", names)
    assert np.isnan(told.loc["const", 4])
    assert_tells(told.fillna(0.0), expected.fillna(0.0), 3)


def rolling_slopes(factors, returns, window=60):
    """Slopes of each month on the betas of the months before it."""
    f, r = sm.add_constant(factors.to_numpy()), returns.to_numpy()
    rows = {}
    for t in range(window, len(f)):
        betas = np.linalg.lstsq(f[t - window : t], r[t - window : t])[0][1:].T
        rows[factors.index[t]] = np.linalg.lstsq(sm.add_constant(betas), r[t])[0]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["const", *factors])


def test_model_table(shown, data):
    printed, _ = shown
    factors, returns = data
    low, high = np.percentile(returns, [1, 99])
    bounds = returns.quantile([0.05, 0.95], axis=1).T
    within = returns.clip(bounds[0.05], bounds[0.95], axis=0)
    rolling = rolling_slopes(factors, returns)
    fits = [
        linear_factor_model(factors[["MktRF"]], returns),
        linear_factor_model(factors, returns),
        linear_factor_model(factors, returns, zero_beta=False),
        linear_factor_model(factors, within),
        linear_factor_model(factors, returns.clip(low, high)),
    ]
    names = [["const", "MktRF"], ["const", *FACTORS], FACTORS, *[["const", *FACTORS]] * 2]
    premia = [
        pd.DataFrame({"premium": fit.risk_premia, "error": fit.risk_premia_se}).set_axis(own)
        for fit, own in zip(fits, names, strict=True)
    ]
    error = rolling.std() / np.sqrt(len(rolling))
    premia.insert(2, pd.DataFrame({"premium": rolling.mean(), "error": error}))
    lines = after(printed, "no intercept clipped by month")
    for row, name in enumerate(["const", *FACTORS]):
        cells = [column.loc[name] for column in premia if name in column.index]
        told = lines[2 * row].split()
        below = lines[2 * row + 1].split()
        assert (told[0], below[0]) == (name, "t")
        assert [cell.rstrip("*") for cell in told[1:]] == [f"{x['premium']:.4f}" for x in cells]
        assert below[1:] == [f"({x['premium'] / x['error']:.2f})" for x in cells]
    printed_dates = "Dates 642 642 582 of 642 642 642 642"
    assert " ".join(lines[11].split()) == printed_dates
    assert " ".join(lines[13].split()) == "Standard errors krs krs fama-macbeth krs krs krs"


def test_average_r2_is_that_of_the_months(shown, data, betas, slopes):
    printed, _ = shown
    fitted = slopes["const"].to_numpy()[:, None] + slopes[FACTORS].to_numpy() @ betas.T.to_numpy()
    spread = data[1].sub(data[1].mean(axis=1), axis=0).pow(2).sum(axis=1)
    r2 = 1.0 - (data[1] - fitted).pow(2).sum(axis=1) / spread
    assert printed.count(" (uncentred)") == 1  # of the model without an intercept
    printed = printed.replace(" (uncentred)", "").replace("Average R2", "Average_R2")
    told = table(printed, "no intercept", ["Average_R2"])
    assert_tells(told.loc["Average_R2", 1], r2.mean(), 4)


def test_figure_shows_premia_with_intervals_and_means_of_the_factors(shown, data, slopes):
    _, (bars, *_) = shown
    peer = linear_factor_model(*data)
    premia = 100.0 * peer.risk_premia.to_numpy()[1:]
    half = 100.0 * 1.959964 * peer.risk_premia_se.to_numpy()[1:]
    container, errors = bars.containers[1], bars.containers[0]
    assert_allclose([bar.get_width() for bar in container], premia, rtol=1e-9)
    (segments,) = (lines.get_segments() for lines in errors.lines[2])
    ends = np.array(segments)[:, :, 0]
    assert_allclose(ends, np.column_stack([premia - half, premia + half]), rtol=1e-6)
    (marks,) = (line for line in bars.get_lines() if line.get_marker() == "D")
    assert_allclose(marks.get_xdata(), 100.0 * data[0].mean(), rtol=1e-9)
    assert [text.get_text() for text in bars.get_yticklabels()] == FACTORS
    assert list(slopes)[1:] == FACTORS


def test_figure_shows_means_of_24_months_and_the_interval_of_all(shown, data, slopes):
    _, (_, *others) = shown
    peer = linear_factor_model(*data)
    for place, (name, ax) in enumerate(zip(FACTORS, others, strict=True), 1):
        (line,) = ax.get_lines()
        means = 100.0 * slopes[name].rolling(24).mean().dropna()
        assert ax.get_title().startswith(name)
        assert_allclose(line.get_ydata(), means, rtol=1e-6, atol=1e-9)
        assert line.get_xdata()[0] == means.index[0].to_timestamp()
        (band,) = ax.patches
        half = 1.959964 * peer.risk_premia_se.iloc[place]
        low = peer.risk_premia.iloc[place] - half
        assert_allclose(band.get_y(), 100.0 * low, rtol=1e-5)
        assert_allclose(band.get_height(), 200.0 * half, rtol=1e-6)


def test_texts_in_the_figure_do_not_overlap(shown):
    assert overlapping(shown[1]) == []
