"""Moments of a linear factor model against numerical derivatives, and where they fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor._kernels.factor_moments import (
    FactorMoments,
    SingularMomentsError,
    UnidentifiedError,
    estimate,
)
from skfactor.datasets import make_two_pass


@pytest.fixture
def moments():
    factors, returns = make_two_pass(200, 6, 2, random_state=0, return_X_y=True)
    return FactorMoments(returns.to_numpy(), factors.to_numpy(), True, np.arange(200), None)


@pytest.mark.parametrize(("kernel", "lags"), [(None, 0.0), ("parzen", 5.0)])
def test_the_gradient_of_continuous_updating_is_the_numerical_one(moments, kernel, lags):
    theta = estimate(moments, moments.two_pass(), "two-step", 100, 1e-6).theta
    gap = np.r_[:90, 95:205]
    moments = replace(moments, kernel=kernel, lags=lags, positions=gap)
    theta = theta * (1.0 + 0.1 * np.random.default_rng(0).normal(size=len(theta)))
    _, gradient = moments.continuously_updated(theta)
    step = 1e-6 * np.eye(len(theta))
    value = [[moments.continuously_updated(theta + s * h)[0] for s in (1, -1)] for h in step]
    assert_allclose(gradient, -np.diff(value)[:, 0] / 2e-6, rtol=1e-5)


def test_copies_of_assets_or_betas_have_no_minimum(moments):
    returns = moments.returns.copy()
    returns[:, 1] = returns[:, 0]
    copied = replace(moments, returns=returns)
    with pytest.raises(SingularMomentsError):
        estimate(copied, copied.two_pass(), "two-step", 100, 1e-6)
    start = moments.two_pass()
    start[:12].reshape(6, 2)[:] = 1.0  # all betas alike
    with pytest.raises(UnidentifiedError) as found:
        estimate(moments, start, "two-step", 100, 1e-6)
    assert found.value.betas.shape == (6, 2)
