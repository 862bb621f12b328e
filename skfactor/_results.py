"""How results show themselves: as text at a prompt, as tables in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np
import pandas as pd

# Rows of a table that are shown; of a longer one the first and the last.
_MOST_ROWS = 12


class Result:
    """What a computation found; typing its name prints it.

    A subclass gives the parts of which it consists, sentences and tables, or its text.
    """

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        """Sentences and tables, from top to bottom."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(
            part if isinstance(part, str) else texts(part).to_string(max_rows=_MOST_ROWS)
            for part in self._parts()
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        if type(self)._parts is Result._parts:
            return "<pre>" + escape(str(self)) + "</pre>"
        return "\n".join(
            f"<p>{escape(part)}</p>"
            if isinstance(part, str)
            else texts(part).to_html(border=0, max_rows=_MOST_ROWS)
            for part in self._parts()
        )


def p_value_text(p_value: float) -> str:
    """Four decimals; what would be zero in them is below 0.0001."""
    return "<0.0001" if p_value < 0.00005 else f"{p_value:.4f}"


def p_value_is(p_value: float) -> str:
    """The same with its sign: ``= 0.0404`` or ``< 0.0001``."""
    text = p_value_text(p_value)
    return f"< {text[1:]}" if text.startswith("<") else f"= {text}"


def figure_text(value: float) -> str:
    """Four decimals, or four significant digits of what is smaller than a thousandth."""
    return f"{value:.4f}" if value == 0.0 or not abs(value) < 0.001 else f"{value:.4g}"


def texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as text, each column with as many decimals as its typical number needs."""
    return frame.apply(_column_texts)


def _column_texts(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_float_dtype(column.dtype):
        return column.astype(str)
    if column.name in ("p_value", "adjusted"):
        return column.map(p_value_text)
    values = column.to_numpy(dtype=np.float64)
    # Three digits of the typical number; what is below 1e-9 is a zero with a rounding error.
    sizes = np.abs(values[np.isfinite(values) & (np.abs(values) > 1e-9)])
    decimals = max(2 - int(np.floor(np.log10(np.median(sizes)))), 4) if len(sizes) else 4
    return (column.round(decimals) + 0.0).map(f"{{:.{decimals}f}}".format)
