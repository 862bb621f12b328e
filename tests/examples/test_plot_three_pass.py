"""The numbers of the example against regressions and singular values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from gallery import after, assert_tells, example, overlapping, table

from skfactor.datasets import load_french

NAMES = ["MktRF", "SMB", "HML", "Mom"]
french = load_french()
ASSETS = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
FACTORS = french[NAMES]


@pytest.fixture(scope="module")
def shown():
    return example("plot_three_pass")


def three_passes(factors, k):
    """Premia, and influences of the months on them and on the exposures."""
    r, g = ASSETS.to_numpy(), np.asarray(factors) - np.asarray(factors).mean(axis=0)
    t = len(r)
    u, s, vt = np.linalg.svd(r - r.mean(axis=0), full_matrices=False)
    v, beta = np.sqrt(t) * u[:, :k], vt[:k].T * s[:k] / np.sqrt(t)
    gamma = np.linalg.lstsq(beta, r.mean(axis=0), rcond=None)[0]
    eta = g.T @ v / t
    w = g - v @ eta.T
    return eta @ gamma, v @ eta.T + w * (v @ gamma)[:, None], eta, w[:, :, None] * v[:, None, :]


def two_passes(names):
    x = np.column_stack([np.ones(len(FACTORS)), FACTORS[names]])
    betas = np.linalg.lstsq(x, ASSETS.to_numpy(), rcond=None)[0][1:].T
    return np.linalg.lstsq(betas, ASSETS.mean(), rcond=None)[0][-1]


def test_premium_of_momentum(shown):
    exact = [two_passes(names) for names in (["Mom"], ["MktRF", "Mom"], NAMES)]
    exact += [three_passes(FACTORS[["Mom"]], 5)[0][0]] * 2 + [FACTORS["Mom"].mean()]
    told = [float(line.split()[-1]) for line in after(shown[0], "Premium of momentum")[:6]]
    assert_tells(told, 100.0 * np.array(exact), 2)


def test_premia_and_means(shown):
    told = table(shown[0], "error of mean", NAMES)
    premia, influence, _, _ = three_passes(FACTORS, 5)
    assert_tells(told[0], 100.0 * premia, 2)
    assert_tells(told[2], 100.0 * FACTORS.mean(), 2)
    plain = np.sqrt(np.mean(influence**2, axis=0) / len(influence))
    np.testing.assert_allclose(told[1], 100.0 * plain, rtol=0.25)  # lags change them by so much
    bars = [bar.get_height() for bar in shown[1][0].patches]
    np.testing.assert_allclose(bars, 100.0 * premia)


def test_path_over_the_number_of_factors(shown):
    told = table(shown[0], "latent factors", [str(k) for k in range(1, 9)])
    assert_tells(told, 100.0 * np.array([three_passes(FACTORS, k)[0] for k in range(1, 9)]), 2)
    for line, column in zip(shown[1][1].lines, told, strict=False):
        assert_tells(told[column], line.get_ydata(), 2)


def test_strength(shown):
    noise = FACTORS["Mom"].sample(frac=1.0, random_state=0).to_numpy()
    both = pd.DataFrame({"Mom": FACTORS["Mom"], "noise": noise})
    premia, influence, eta, on_eta = three_passes(both, 5)
    t = len(both)
    told = table(shown[0], "statistic", ["Mom", "noise"])
    for i, name in enumerate(both):
        series = on_eta[:, i]
        wald = t * eta[i] @ np.linalg.solve(series.T @ series / t, eta[i])
        assert_tells(told.loc[name, 1], wald, 3)
    assert told.loc["noise", 3] > 0.05
    last = table("\n".join(after(shown[0], "noise")), "p_value", ["Mom", "noise"])
    assert_tells(last[0], premia, 4)
    assert_tells(last[1], influence.std(axis=0) / np.sqrt(t - 6), 4)


def test_figures_are_legible(shown):
    assert len(shown[1]) == 2
    assert [overlapping([ax]) for ax in shown[1]] == [[]] * 2
