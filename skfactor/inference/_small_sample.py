"""What tests take for ``small_sample`` and for the draws of a wild bootstrap."""

from __future__ import annotations

from typing import Any

from skfactor._validation import is_whole

# Fewer draws have no p-value below 5%.
_FEWEST_DRAWS = 19


def check_small_sample(small_sample: object) -> bool | str:
    """True, False or ``"wild"``; ``"auto"`` is True."""
    if isinstance(small_sample, str) and small_sample in ("auto", "wild"):
        return True if small_sample == "auto" else "wild"
    if isinstance(small_sample, bool):
        return small_sample
    raise ValueError(
        f"small_sample={small_sample!r} is unknown; it is 'auto', True, False or 'wild'."
    )


def check_draws(n_draws: int, random_state: Any) -> None:
    """Raise ``ValueError`` for an invalid number of draws or seed."""
    if not is_whole(n_draws) or n_draws < _FEWEST_DRAWS:
        raise ValueError(
            f"n_draws={n_draws!r} has to be a whole number from {_FEWEST_DRAWS} on: fewer draws "
            "have no p-value below 5%."
        )
    if not is_whole(random_state) or random_state < 0:
        raise ValueError(
            f"random_state={random_state!r} has to be a whole number: tests are to be repeatable."
        )
