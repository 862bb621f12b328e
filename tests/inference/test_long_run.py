"""What the options of a long-run variance may be, and when they can be followed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from skfactor import FamaMacBeth, TradedFactorModel
from skfactor.datasets import make_panel, make_two_pass
from skfactor.inference import cross_sectional_r2, j_test
from skfactor.inference._long_run import LongRun


@pytest.fixture(scope="module")
def model():
    return FamaMacBeth().fit(*make_two_pass(random_state=0, return_X_y=True))


@pytest.mark.parametrize("number", [np.int64(5), np.int32(5), np.float32(5), Fraction(5), 5.0])
def test_any_kind_of_number_is_a_number_of_lags(model, number):
    X, y = make_two_pass(random_state=0, return_X_y=True)
    traded = TradedFactorModel().fit(X, y)
    for result in (
        lambda lags: model.inference(kernel="bartlett", bandwidth=lags).std_errors.tolist(),
        lambda lags: j_test(model, kernel="bartlett", bandwidth=lags).statistic,
        lambda lags: cross_sectional_r2(model, kernel="bartlett", bandwidth=lags).std_error,
        lambda lags: traded.inference(kernel="bartlett", bandwidth=lags).std_errors.tolist(),
    ):
        assert result(number) == result(5)
        assert result(number) != result(2)
    assert model.inference(kernel="bartlett", bandwidth=number).bandwidth == 5.0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"bandwidth": True}, r"bandwidth=True is neither a number"),
        ({"bandwidth": [5]}, r"bandwidth=\[5\] is neither a number"),
        ({"bandwidth": -1}, r"bandwidth=-1 is neither a number"),
        ({"bandwidth": np.nan}, r"bandwidth=nan is neither a number"),
        ({"bandwidth": np.inf}, r"bandwidth=inf is neither a number"),
        ({"bandwidth": "white"}, r"bandwidth='white' is neither a number"),
        ({"kernel": ["bartlett"]}, r"kernel=\['bartlett'\] is unknown"),
        ({"prewhiten": "no"}, r"prewhiten='no' has to be True or False"),
        ({"prewhiten": 2}, r"prewhiten=2 has to be True or False"),
        ({"kernel": None, "prewhiten": True}, r"prewhiten=True needs a kernel"),
        ({"kernel": None, "bandwidth": 0}, r"bandwidth=0 needs a kernel"),
    ],
)
def test_other_options_raise(options, match):
    with pytest.raises(ValueError, match=match):
        LongRun(**{"kernel": "bartlett", **options})


def test_debiased_and_covariance_are_what_they_are(model):
    with pytest.raises(ValueError, match=r"debiased='no' has to be True or False"):
        model.inference(debiased="no")
    with pytest.raises(ValueError, match=r"covariance=\['krs'\] is unknown"):
        model.inference(["krs"])


@pytest.mark.parametrize("n_dates", [3, 5, 7])
def test_an_autoregression_that_fits_exactly_does_not_prewhiten(n_dates):
    X, y = make_panel(random_state=0, return_X_y=True)
    dates = X.index.get_level_values("date")
    few = dates.isin(dates.unique()[:n_dates])
    model = FamaMacBeth().fit(X[few], y[few])
    with pytest.raises(
        ValueError, match=rf"regresses 6 series .* only {n_dates - 1} of the {n_dates} dates follow"
    ):
        model.inference(kernel="bartlett", bandwidth=1, prewhiten=True)
