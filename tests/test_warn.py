"""Warnings point at the line that called, however many estimators lie in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth
from skfactor._warn import warn_user, with_warnings
from skfactor.datasets import make_panel, make_two_pass
from skfactor.exceptions import NoDatesWarning, RankDeficientWarning


def test_a_first_pass_warns_at_the_line_that_fits_the_second():
    X, y = make_two_pass(random_state=0, return_X_y=True)
    y.iloc[3:, 0] = np.nan
    with pytest.warns(RankDeficientWarning, match="betas of 1 of") as seen:
        FamaMacBeth().fit(X, y)
    assert [warning.filename for warning in seen] == [__file__]


def test_a_step_of_a_pipeline_in_a_cross_validation_warns_at_the_line_that_validates():
    X, y = make_panel(random_state=0, return_X_y=True)
    model = make_pipeline(FactorZScorer(), FamaMacBeth())
    with pytest.warns(NoDatesWarning) as seen:
        cross_validate(model, X.to_numpy(), y.to_numpy(), cv=KFold(3), error_score="raise")
    assert [warning.filename for warning in seen] == [__file__] * 6  # both steps, in each fold


def test_a_plain_warning_is_one_of_the_user():
    with pytest.warns(UserWarning, match="mind") as seen:
        warn_user("mind the gap")
    assert seen[0].filename == __file__


def test_warnings_are_kept_for_the_thread_that_asks():
    def quiet():
        warn_user("mind the gap", RankDeficientWarning)
        inside.set()
        assert heard.wait(10.0)
        return "result"

    inside, heard = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(with_warnings, quiet)
        assert inside.wait(10.0)
        with pytest.warns(UserWarning, match="the doors"):
            warn_user("mind the doors")
        heard.set()
        assert other.result() == ("result", ["mind the gap"])
    with pytest.raises(ZeroDivisionError):
        with_warnings(lambda: 1 / 0)
    with pytest.warns(UserWarning, match="again"):
        warn_user("again")
