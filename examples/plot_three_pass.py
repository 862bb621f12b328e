"""
Premia beside factors that are left out
=======================================

Two passes need all factors that are priced. Three passes take the others from the returns.
"""

# %%
# The premium of momentum: from two passes with this factor alone and with others beside it, and
# from three passes. All of these factors are traded, so that their means are premia to compare
# with. The estimates of two passes depend on which other factors are included; those of three
# passes do not.

import pandas as pd
from matplotlib import pyplot as plt

from skfactor import FamaMacBeth, ThreePassPremia, TradedFactorModel
from skfactor.datasets import load_french

french = load_french()
factors = french[["MktRF", "SMB", "HML", "Mom"]]
assets = french.filter(regex="^S[135]").sub(french["RF"], axis=0)

two = {
    name: FamaMacBeth(fit_intercept=False).fit(factors[columns], assets).premia_["Mom"]
    for name, columns in {
        "two passes, alone": ["Mom"],
        "two passes, with the market": ["MktRF", "Mom"],
        "two passes, all four": list(factors),
    }.items()
}
three = {
    f"three passes, {name}": ThreePassPremia(5).fit(factors[columns], assets).premia_["Mom"]
    for name, columns in {"alone": ["Mom"], "all four": list(factors)}.items()
}
mean = {"mean of the factor": factors["Mom"].mean()}
print("Premium of momentum, percent a month")
print(pd.Series({**two, **three, **mean}).mul(100.0).round(2).to_string())

# %%
# With errors: of three passes they come from two sources, the variation of the latent factors, and
# the part of the factor that these do not explain. Beside them are the errors of plain means.

model = ThreePassPremia(5).fit(factors, assets)
traded = TradedFactorModel().fit(factors, assets).inference(kernel="bartlett")
table = model.inference(kernel="bartlett").to_frame()[["premium", "std_error"]]
table["mean"], table["error of mean"] = traded.premia, traded.std_errors
print(table.mul(100.0).round(2))
premia, width = 100 * table["premium"], 196 * table["std_error"]
ax = premia.plot.bar(yerr=width, color="0.7", capsize=4, rot=0)
ax.scatter(range(4), 100 * traded.premia, color="black", zorder=3, label="mean of the factor")
ax.set(ylabel="percent a month", title="Premia by three passes, 95% intervals")
ax.legend()

# %%
# How many latent factors? Too few leave priced ones out. From some number on premia are stable.

path = {k: ThreePassPremia(k).fit(factors, assets).premia_ for k in range(1, 9)}
path = pd.DataFrame(path).T.rename_axis("latent factors").mul(100.0)
print(path.round(2))
path.plot(marker="o", ylabel="percent a month")

# %%
# A factor that has nothing to do with the returns has a premium of zero, whatever its mean, and the
# test of its strength says so.

noise = pd.DataFrame({"noise": factors["Mom"].sample(frac=1.0, random_state=0).to_numpy()})
noise = noise.set_index(factors.index)
both = ThreePassPremia(5).fit(factors[["Mom"]].join(noise), assets)
print(both.strength_test().round(3))
print(both.inference().to_frame()[["premium", "std_error", "p_value"]].round(4))
plt.show()
