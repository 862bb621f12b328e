"""Records are pickled without what they can make again."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cached_property

from skfactor._kernels.records import Record


@dataclass(frozen=True)
class Circle(Record):
    radius: float

    @cached_property
    def area(self):
        return 3.0 * self.radius**2


def test_what_was_computed_is_not_pickled_and_made_again():
    circle = Circle(2.0)
    before = pickle.dumps(circle)
    assert circle.area == 12.0
    assert "area" in vars(circle)
    assert pickle.dumps(circle) == before
    again = pickle.loads(before)
    assert again == circle
    assert "area" not in vars(again)
    assert again.area == 12.0
