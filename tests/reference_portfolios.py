"""Sorts, portfolio returns and factors written slowly and plainly in pandas.

Nothing here imports the package: a mistake of its own cannot confirm itself. Frames are indexed
by (date, asset).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd


def exact_quantile(values, level):
    """Linearly interpolated quantile without any rounding."""
    ordered = sorted(values)
    place = Fraction(level).limit_denominator(10_000) * (len(ordered) - 1)
    below, rest = divmod(place, 1)
    above = min(int(below) + 1, len(ordered) - 1)
    low, high = Fraction(ordered[int(below)]), Fraction(ordered[above])
    return float(low + (high - low) * rest)


def label(values, breakpoints, closed="right"):
    """One more than the breakpoints that a value lies beyond; NaN stays."""
    beyond = [values > b if closed == "right" else values >= b for b in breakpoints]
    return (1.0 + sum(each.astype(float) for each in beyond)).where(values.notna())


def sort_by_date(column, levels, universe=None, closed="right"):
    """Labels of a column by quantiles of its date, over the universe."""
    parts = []
    for _, values in column.groupby(level="date"):
        reference = values if universe is None else values[universe[values.index]]
        points = [exact_quantile(reference.dropna(), level) for level in levels]
        parts.append(label(values, points, closed))
    return pd.concat(parts)[column.index]


def sort_within(column, levels, cells):
    """Labels of a column by quantiles among the assets of its date that are in the same cell."""
    labels = pd.Series(np.nan, index=column.index)
    for date in column.index.unique("date"):
        for cell in cells.dropna().unique():
            rows = column.index[
                (column.index.get_level_values("date") == date) & (cells == cell).to_numpy()
            ]
            known = column[rows].dropna()
            if len(known):
                points = [exact_quantile(known, level) for level in levels]
                labels[rows] = label(column[rows], points)
    return labels


def hold(labels, formations, lag=0):
    """Labels of the last formation at least ``lag`` dates ago, where the asset had one."""
    dates = sorted(labels.index.unique("date"))
    held = pd.Series(np.nan, index=labels.index)
    for date, asset in labels.index:
        known = [d for d in formations if dates.index(d) <= dates.index(date) - lag]
        if known:
            held[date, asset] = labels.get((known[-1], asset), np.nan)
    return held


def average_by_label(labels, returns, weights=None):
    """Weighted mean return of each label on each date, over assets that have all of them."""
    weights = pd.Series(1.0, index=labels.index) if weights is None else weights
    frame = pd.DataFrame({"label": labels, "return": returns, "weight": weights}).dropna()
    frame["product"] = frame["return"] * frame["weight"]
    cells = frame.groupby([frame.index.get_level_values("date"), "label"])
    means = cells["product"].sum() / cells["weight"].sum()
    return means.unstack("label").reindex(sorted(labels.index.unique("date")))  # noqa: PD010 -- pivot_table would average duplicates


def buy_and_hold(labels, returns, weights, resets):
    """Returns of portfolios whose weights are set on the dates of a reset and drift after."""
    rows, value = {}, {}
    for date in sorted(labels.index.unique("date")):
        today = pd.DataFrame({"label": labels, "return": returns, "weight": weights}).xs(date)
        if date in resets:
            value = today["weight"].to_dict()
        today["value"] = [value.get(asset, np.nan) for asset in today.index]
        used = today.dropna(subset=["label", "return", "value"])
        rows[date] = {
            name: float((part["value"] * part["return"]).sum() / part["value"].sum())
            for name, part in used.groupby("label")
        }
        value = {
            asset: row["value"] * (1.0 + row["return"])
            for asset, row in today.iterrows()
            if not np.isnan(row["return"])
        }
    return pd.DataFrame.from_dict(rows, orient="index").sort_index(axis=1)


def two_by_three(size, second, returns, universe):
    """SMB and the factor of a second characteristic, sorted anew on each date."""
    rows = {}
    for date, sizes in size.groupby(level="date"):
        values, listed = second[sizes.index], universe[sizes.index]
        median = sizes[listed].median()
        low, high = np.nanquantile(values[listed], [0.3, 0.7])
        means = {}
        for s, small in (("S", sizes <= median), ("B", sizes > median)):
            for v, inside in (
                ("L", values <= low),
                ("M", (values > low) & (values <= high)),
                ("H", values > high),
            ):
                held = (small & inside) & returns[sizes.index].notna()
                cap = sizes[held]
                means[s + v] = (cap * returns[cap.index]).sum() / cap.sum()
        rows[date] = {
            "SMB": (means["SL"] + means["SM"] + means["SH"]) / 3
            - (means["BL"] + means["BM"] + means["BH"]) / 3,
            "HML": (means["SH"] + means["BH"]) / 2 - (means["SL"] + means["BL"]) / 2,
        }
    return pd.DataFrame.from_dict(rows, orient="index")
