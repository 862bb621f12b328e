"""
A table for a paper
===================

Several models of the same portfolios, side by side: their premia as text, LaTeX and HTML, their
pricing errors as a figure, and whether the one that fits better really does.
"""

# %%
# Four specifications, from the market alone to four factors with a GLS second pass. Premia have the
# units of the data, and a reader expects percent, so returns are multiplied by 100.

from matplotlib import pyplot as plt

from skfactor import FamaMacBeth
from skfactor.datasets import load_french
from skfactor.frames import excess_returns
from skfactor.inference import compare_r2
from skfactor.model_selection import WalkForwardSplit, compare_factor_sets
from skfactor.plotting import PricingErrorDisplay
from skfactor.summary import premia_table

french = load_french().mul(100.0)
portfolios = excess_returns(french.filter(regex="^S[135]"), french["RF"])
three, four = ["MktRF", "SMB", "HML"], ["MktRF", "SMB", "HML", "Mom"]
models = {
    "CAPM": FamaMacBeth().fit(french[["MktRF"]], portfolios),
    "Fama-French": FamaMacBeth().fit(french[three], portfolios),
    "Carhart": FamaMacBeth().fit(french[four], portfolios),
    "Carhart, GLS": FamaMacBeth(weighting="gls").fit(french[four], portfolios),
}

# %%
# The table is a DataFrame of text and takes further rows. Its errors hold for models that are
# wrong, as these are, and for slopes that are correlated over six months. The average R2 is that of
# the months' regressions; that of average returns, which papers report more often, is ``score``.

errors = {"kernel": "bartlett", "bandwidth": 6}
table = premia_table(models.values(), names=list(models), stars=True, digits=2, **errors)
scores = [model.score(french[model.feature_names_in_], portfolios) for model in models.values()]
table.loc[("Cross-sectional R2", ""), :] = [f"{score:.2f}" for score in scores]
table

# %%
# For the paper there is LaTeX, for which the booktabs package is enough; a notebook shows the table
# as HTML, as this page does above, and ``to_html`` writes it for any other.

print(table.to_latex(caption="Premia, percent a month", label="tab:premia"))
html = table.to_html()

# %%
# The market's premium is negative unless momentum is among the factors: with the wrong factors each
# premium stands in for what is missing. And does Carhart's model explain more than that of Fama and
# French, or is it the luck of one more factor? The test allows for both models being wrong.

print(compare_r2(models["Fama-French"], models["Carhart"], **errors))

# %%
# A referee may ask about months that no model has seen. Here models of the months before a fold are
# compared with the average returns of the eleven years in it. On average all scores are below zero:
# the mean of all portfolios would have been the better guess for each. Premia may be significant
# over 68 years and still be no forecast for the next eleven.

sets = {"CAPM": three[:1], "Fama-French": three, "Carhart": four}
compared = compare_factor_sets(sets, french[four], portfolios, cv=WalkForwardSplit(5))
print(compared["score"].round(2))

# %%
# Three of the models as panels of one figure.

fig, axes = plt.subplots(1, 3, figsize=(12.0, 4.6), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=False):
    display = PricingErrorDisplay.from_estimator(model, ax=ax, labels=["S1V1", "S1M1", "S1M5"])
    ax.set_title(f"{name}, R² = {display.r2_:.2f}", loc="left")
    ax.set(xlabel="expected return, percent a month", ylabel="")
axes[0].set_ylabel("average realized return, percent a month")
plt.show()
