"""Examples of the gallery, run in this process: what they print and what they draw."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import runpy
from pathlib import Path
from unittest import mock

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.text import Text

EXAMPLES = Path(__file__).parents[1] / "examples"
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


@functools.cache
def example(name: str) -> tuple[str, list[Axes]]:
    """What an example printed, and the axes of its figures; each runs once in a session."""
    printed = io.StringIO()
    with mpl.rc_context(), mock.patch.object(plt, "show"), contextlib.redirect_stdout(printed):
        mpl.use("Agg")
        plt.close("all")
        try:
            runpy.run_path(str(EXAMPLES / f"{name}.py"))
            figures = [plt.figure(number) for number in plt.get_fignums()]
        finally:
            plt.close("all")
    return printed.getvalue(), [ax for figure in figures for ax in figure.axes]


def after(printed: str, heading: str) -> list[str]:
    """Lines that follow the first one that holds a heading."""
    lines = printed.splitlines()
    return lines[next(i for i, line in enumerate(lines) if heading in line) + 1 :]


def table(printed: str, heading: str, rows: list[str]) -> pd.DataFrame:
    """Numbers of the first line after a heading that starts with the label of a row, row by row.

    What is told as less than 0.0001 counts as zero.
    """
    lines = after(printed, heading)
    found = {
        row: next(line.split()[1:] for line in lines if line.split()[:1] == [row]) for row in rows
    }
    return pd.DataFrame.from_dict(found, orient="index").replace("<0.0001", "0").astype(float)


def number_after(printed: str, text: str) -> float:
    """First number after a text."""
    match = NUMBER.search(printed, printed.index(text) + len(text))
    assert match is not None
    return float(match.group())


def assert_tells(shown: object, exact: object, decimals: int) -> None:
    """Numbers as printed, with so many decimals, are the exact ones."""
    np.testing.assert_allclose(
        np.asarray(shown, dtype=float), np.asarray(exact), rtol=0.0, atol=0.5001 * 10.0**-decimals
    )


def overlapping(axes: list[Axes]) -> list[tuple[str, str]]:
    """Pairs of texts in a figure whose boxes overlap."""
    for figure in dict.fromkeys(ax.figure for ax in axes):
        figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for ax in axes for text in _texts(ax)]
    return [
        (one, other)
        for i, (one, box) in enumerate(boxes)
        for other, second in boxes[:i]
        if box.overlaps(second)
    ]


def _texts(ax: Axes) -> list[Text]:
    """What is written in and around axes; labels of ticks beyond their ends are not drawn."""
    texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
    legend = ax.get_legend()
    texts += [] if legend is None else legend.get_texts()
    for place, axis in enumerate((ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        labels = axis.get_ticklabels()
        texts += [label for label in labels if low <= label.get_position()[place] <= high]
    return [text for text in texts if text.get_text()]
