"""
A panel larger than memory
==========================

The same pipeline on files that are read a few dates at a time, and on a Dask DataFrame. Both give
the numbers of one fit in memory, because a date is never divided.
"""

# %%
# The panel here is small, and written as a large one would be: one Parquet file per year. What
# follows needs ``pip install "skfactor[distributed]"``.

import tempfile
import tracemalloc
from pathlib import Path

import dask.dataframe as dd
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.pipeline import make_pipeline

from skfactor import FactorZScorer, FamaMacBeth, Winsorizer, distributed
from skfactor.datasets import iter_parquet, make_panel

X, y = make_panel(240, 1_000, premia_volatility=0.01, random_state=0, return_X_y=True)
X.index = X.index.set_levels(X.index.levels[0].to_timestamp(), level="date")
folder = tempfile.TemporaryDirectory()
for year, rows in X.assign(ret=y.to_numpy()).groupby(X.index.get_level_values("date").year):
    rows.reset_index().to_parquet(Path(folder.name, f"{year}.parquet"), index=False)

# %%
# In memory, to compare with. Indicators are named (there are none), because a chunk of the panel
# cannot tell what is one.

pipeline = make_pipeline(Winsorizer(), FactorZScorer(indicators=None), FamaMacBeth())
tracemalloc.start()
whole = pipeline.fit(X, y)[-1].premia_
peak_whole = tracemalloc.get_traced_memory()[1] + X.memory_usage().sum()

# %%
# Streaming: `partial_fit` takes whole dates in any number of calls and keeps their slopes alone,
# so premia and their errors can be read after each call.

steps, model = pipeline[:-1], FamaMacBeth()
premia, errors = {}, {}
tracemalloc.reset_peak()
before = tracemalloc.get_traced_memory()[0]
for chunk in iter_parquet(folder.name, assets="asset", chunk_rows=12_000):
    model.partial_fit(steps.fit_transform(chunk[X.columns]), chunk["ret"])
    last = model.dates_[-1]
    premia[last] = model.premia_
    errors[last] = model.inference(kernel="bartlett").std_errors
peak = tracemalloc.get_traced_memory()[1] - before
tracemalloc.stop()
print(f"Largest difference of a premium: {(model.premia_ - whole).abs().max():.0e}")
print(f"Streaming held {peak / 1e6:.0f} MB at most beside Arrow, one fit {peak_whole / 1e6:.0f} MB")

# %%
# The more years are read, the narrower the band of 1.96 standard errors; the first and the last
# characteristic were simulated with premia of 1% and 0.

premia, errors = pd.DataFrame(premia).T, pd.DataFrame(errors).T
figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for name, true, color in (("x1", 0.01, "C0"), ("x5", 0.0, "C1")):
    low, high = premia[name] - 1.96 * errors[name], premia[name] + 1.96 * errors[name]
    ax.fill_between(premia.index, low, high, color=color, alpha=0.25, linewidth=0)
    ax.plot(premia.index, premia[name], color=color, label=f"premium of {name}")
    ax.axhline(true, color=color, linestyle=":", linewidth=1)
ax.set(xlabel="read up to", ylabel="premium per month")
ax.legend(loc="center right")
plt.show()

# %%
# On a cluster `distributed.fit` takes a Dask DataFrame and gives back an ordinary fitted pipeline.
# Threads of this process serve here; an open ``dask.distributed.Client`` would send the work to its
# workers, and nothing else changes.

frame = dd.from_map(pd.read_parquet, sorted(Path(folder.name).iterdir()))
fitted = distributed.fit(pipeline, frame, y="ret", assets="asset")
print(f"{frame.npartitions} partitions, difference {(fitted[-1].premia_ - whole).abs().max():.0e}")
fitted[-1].inference(kernel="bartlett").to_frame().round(4)

# %%
# Predictions are lazy and keep their labels.

expected = distributed.predict(fitted, frame, assets="asset")
print(frame.assign(expected=expected)[["date", "asset", "expected"]].tail(3))
folder.cleanup()
