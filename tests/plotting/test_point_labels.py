"""Names beside points."""

import matplotlib.pyplot as plt
import numpy as np

from skfactor.plotting._point_labels import name_points


def _named(n_points, seed=0):
    x, y = np.random.default_rng(seed).normal(size=(2, n_points))
    ax = plt.subplots(figsize=(5, 5))[1]
    ax.scatter(x, y)
    names = [f"asset {i}" for i in range(n_points)]
    return ax, x, y, name_points(ax, x, y, names, list(range(n_points)))


def test_no_name_covers_another_name_or_point():
    ax, x, y, placed = _named(150)
    boxes = [name.get_window_extent() for name in placed]
    assert 10 < len(placed) < 150
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    points = ax.transData.transform(np.column_stack([x, y]))
    assert not any(box.contains(*point) for box in boxes for point in points)


def test_few_points_are_all_named_by_their_own_name():
    _, x, y, placed = _named(3)
    assert [name.get_text() for name in placed] == ["asset 0", "asset 1", "asset 2"]
    assert [name.xy for name in placed] == list(zip(x, y, strict=True))


def test_one_of_two_points_at_the_same_place_is_left_unnamed_or_apart():
    ax = plt.subplots()[1]
    placed = name_points(ax, np.zeros(2), np.zeros(2), ["a", "b"], [0, 1])
    boxes = [name.get_window_extent() for name in placed]
    assert len(placed) == 1 or not boxes[0].overlaps(boxes[1])
