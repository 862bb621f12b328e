"""total_r2_scorer in pipelines and searches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skfactor import FactorRanker, FamaMacBeth, InstrumentedPCA
from skfactor.datasets import make_panel
from skfactor.metrics import total_r2_scorer
from skfactor.model_selection import WalkForwardSplit

X, Y = make_panel(40, 30, 4, random_state=0, return_X_y=True)
PIPE = make_pipeline(FactorRanker(), InstrumentedPCA(2))


def test_the_score_is_that_of_other_assets_of_the_same_dates():
    fitted = PIPE.fit(X, Y)
    ranked, model = fitted[0].transform(X), fitted[1]
    assert total_r2_scorer(fitted, X, Y) == model.total_r2(ranked, Y)
    # By hand: the same halves, regressions of each date on the exposures.
    codes = ranked.index.codes[1]
    assets = ranked.index.levels[1][ranked.index.codes[1]]
    n = len(np.unique(codes))
    first = np.zeros(n, dtype=bool)
    first[np.random.RandomState(0).permutation(n)[: n // 2]] = True
    half = first[pd.factorize(assets, sort=True)[0]]
    betas, left = model.transform(ranked).to_numpy(), 0.0
    dates = ranked.index.codes[0]
    for date in np.unique(dates):
        for known in (half, ~half):
            a, b = (dates == date) & known, (dates == date) & ~known
            f = np.linalg.lstsq(betas[a], Y[a], rcond=None)[0]
            left += np.sum((Y[b] - betas[b] @ f) ** 2)
    assert model.total_r2(ranked, Y) == pytest.approx(1 - left / np.sum(Y**2))
    assert model.total_r2(ranked, Y, assets="all") == pytest.approx(
        model.r2_.loc["total", "assets"]
    )


def test_it_scores_in_cross_validation_and_searches():
    scores = cross_val_score(PIPE, X, Y, cv=WalkForwardSplit(3), scoring=total_r2_scorer)
    assert np.isfinite(scores).all()
    search = GridSearchCV(
        PIPE,
        {"instrumentedpca__n_components": [1, 2]},
        cv=WalkForwardSplit(2),
        scoring=total_r2_scorer,
    ).fit(X, Y)
    assert total_r2_scorer(search, X, Y) == total_r2_scorer(search.best_estimator_, X, Y)


def test_observed_factors_of_fit_are_looked_up_for_other_dates():
    dates = X.index.unique("date")
    observed = pd.DataFrame({"oil": np.random.default_rng(0).normal(size=len(dates))}, dates)
    early = X.index.get_level_values("date") < dates[20]
    model = InstrumentedPCA(1).fit(X[early], Y[early], factors=observed)
    late = model.total_r2(X[~early], Y[~early], factors=observed)
    assert total_r2_scorer(model, X[~early], Y[~early]) == late
    with pytest.raises(ValueError, match="assets='some' is unknown"):
        model.total_r2(X, Y, assets="some")
    with pytest.raises(ValueError, match="factors has the columns"):
        model.total_r2(X, Y, factors=observed.rename(columns={"oil": "gas"}))


def test_models_without_latent_factors_are_refused():
    with pytest.raises(TypeError, match=r"needs a model with latent factors.*FamaMacBeth"):
        total_r2_scorer(FamaMacBeth().fit(X, Y), X, Y)
