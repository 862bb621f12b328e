"""Bars of premia with their intervals."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfactor import FamaMacBeth, LinearFactorGMM, TradedFactorModel
from skfactor.plotting import PremiaDisplay


def _ends(container):
    """Lower and upper ends of the intervals that an error bar draws (n, 2)."""
    return np.array([segment[:, 0] for segment in container[2][0].get_segments()])


def test_bars_and_intervals_are_those_of_the_inference(two_pass):
    kinds = ["fama-macbeth", "shanken", "gmm", "krs"]
    display = PremiaDisplay.from_estimator(two_pass, kinds, level=0.9)
    for kind, bars, intervals in zip(kinds, display.bars_, display.intervals_, strict=True):
        inference = two_pass.inference(kind)
        assert_allclose([bar.get_width() for bar in bars], inference.premia)
        assert_allclose(_ends(intervals), inference.conf_int(0.9))
        assert bars.get_label() == kind
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["const", "MktRF", "SMB", "HML", "Mom"]
    assert "90% interval" in display.ax_.get_xlabel()


def test_bars_of_several_kinds_do_not_overlap(two_pass):
    display = PremiaDisplay.from_estimator(two_pass, ["krs", "gmm"])
    spans = sorted((b.get_y(), b.get_y() + b.get_height()) for bars in display.bars_ for b in bars)
    assert all(above[1] <= below[0] + 1e-12 for above, below in pairwise(spans))


def test_models_with_other_premia_stand_side_by_side(two_pass, french):
    small = FamaMacBeth().fit(french[["MktRF"]], french.filter(regex="^S[135]"))
    display = PremiaDisplay.from_inference(
        {"CAPM": small.inference(), "Carhart": two_pass.inference()}, names=["Mom", "MktRF"]
    )
    widths = [[bar.get_width() for bar in bars] for bars in display.bars_]
    assert np.isnan(widths[0][0])
    assert_allclose(widths[0][1], small.premia_["MktRF"])
    assert_allclose(widths[1], two_pass.premia_[["Mom", "MktRF"]])
    display.figure_.draw_without_rendering()


def test_models_with_one_kind_of_errors_are_drawn(french):
    X, y = french[["MktRF", "SMB"]], french.filter(regex="^S[15]V").sub(french["RF"], axis=0)
    gmm = LinearFactorGMM().fit(X, y)
    display = PremiaDisplay.from_estimator(gmm, inference_kwargs={"debiased": False})
    assert_allclose(_ends(display.intervals_[0]), gmm.inference(debiased=False).conf_int())
    traded = TradedFactorModel().fit(X, y)
    assert len(PremiaDisplay.from_estimator(traded).bars_[0]) == 2
    alphas = PremiaDisplay.from_inference(traded.alpha_inference())
    assert alphas.ax_.get_xlabel().startswith("alpha")


def test_axes_and_keywords_are_passed_on(two_pass):
    ax = plt.subplots()[1]
    display = PremiaDisplay.from_inference(two_pass.inference(), ax=ax, facecolor="red")
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.bars_[0][0].get_facecolor() == (1.0, 0.0, 0.0, 1.0)


def test_mistakes_are_named(two_pass):
    inference = two_pass.inference()
    with pytest.raises(ValueError, match=r"\['size'\] are unknown"):
        PremiaDisplay.from_inference(inference, names=["size"])
    with pytest.raises(ValueError, match="2 inferences have only the kinds"):
        PremiaDisplay.from_inference([inference, inference])
    with pytest.raises(ValueError, match="no inference"):
        PremiaDisplay.from_inference([])
