"""
Characteristics out of sample
=============================

A pipeline from characteristics to expected returns, the choice among sets of characteristics
inside it, and what both are worth on months that neither has seen.
"""

# %%
# The panel is simulated, so that the truth is known: 150 stocks with five characteristics, of which
# ``x1`` earns 0.8 percent a month for a standard deviation, ``x5`` nothing. Characteristics of a
# row are known before its return is earned; with your own data, where both have the same date, pair
# them with :func:`~skfactor.frames.forward_returns`. Some stocks miss some months, and a few values
# are wrong by a factor of ten.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skfactor import FactorSelector, FactorZScorer, FamaMacBeth, Winsorizer
from skfactor.datasets import make_panel
from skfactor.metrics import evaluate_forecasts, rank_ic, rank_ic_scorer
from skfactor.model_selection import WalkForwardSplit, check_no_lookahead, walk_forward_predict
from skfactor.plotting import ICDisplay, QuantileReturnsDisplay, SplitDisplay

premia = [0.008, 0.006, 0.004, 0.002, 0.0]
panel = make_panel(144, 150, premia=premia, missing=0.1, random_state=0)
X, y = panel.data, panel.target
wrong = np.random.default_rng(0).random(X.shape) < 0.005
X = X.mask(wrong, 10.0 * X)

# %%
# Each step works within the row's own month, so nothing leaks from one month to another. Premia
# come from the months of ``fit``. Does a result change when later rows do? That is tested.

pipeline = make_pipeline(FactorSelector(), Winsorizer(), FactorZScorer(), FamaMacBeth())
check_no_lookahead(pipeline, X, y)

# %%
# The search compares sets of characteristics on the months after those it trains on, by the
# correlation of expected and realized ranks. It is an estimator like any other: walking forward, it
# starts anew each year and chooses on the months before, so that its choice is part of the test.

sets = [["x1"], ["x5"], ["x1", "x2"], ["x1", "x2", "x3"], ["x1", "x2", "x3", "x4", "x5"]]
search = GridSearchCV(
    pipeline,
    {"factorselector__factors": sets},
    scoring=rank_ic_scorer,
    cv=WalkForwardSplit(2, test_size="12ME"),
)
yearly = WalkForwardSplit(None, test_size="12ME", min_train_size="60ME")
expected = walk_forward_predict(search, X, y, cv=yearly)
SplitDisplay.from_splitter(yearly, X)

# %%
# How good is it? Even the true premia would rank returns little better: most of a month's return is
# noise, and more of it in real stocks. The slope of realized on expected returns averages 1 for
# premia that are known; estimates vary, and so does the choice, and both take something off.

realized = y[expected.index]
evaluation = evaluate_forecasts(realized, expected, n_quantiles=5)
print(evaluation.summary())
truth = panel.data.loc[expected.index] @ panel.premia.drop("const")
print(f"Rank IC {rank_ic(realized, expected):.3f}, by true premia {rank_ic(realized, truth):.3f}")

# %%
# The search that an investor would use tomorrow is fitted to all months and scored on the last 24.
# That ``x5``, which earns nothing, scores -0.05 says how far noise reaches in so few months: sets
# whose scores are closer than that cannot be told apart, and the best is not always the true one.

search.fit(X, y)
for names, score in zip(sets, search.cv_results_["mean_test_score"], strict=True):
    print(f"{' '.join(names):15}{score:.4f}")
print("Chosen:", *search.best_params_["factorselector__factors"])

# %%
# Month by month an IC is mostly noise, and only its average says something. Characteristics are
# persistent, so expectations still rank the returns of months later. Returns rise with the quantile
# of the expectation; what it costs to trade them is not in these returns.

ICDisplay.from_evaluation(evaluation)
QuantileReturnsDisplay.from_predictions(realized, expected, n_quantiles=5)
plt.show()
