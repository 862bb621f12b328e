"""Which sets are tried: all of an allowed size, those on a greedy way, and mistakes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from skfactor.model_selection._set_choices import (
    all_sets,
    backward,
    beam,
    forward,
    labels_of,
    read_candidates,
    read_units,
)

NAMES = list("abcdef")
DEFAULTS = {"always": (), "groups": None, "min_size": 1, "max_size": None}


def units(names=NAMES, **options):
    return read_units(names, **{**DEFAULTS, **options})


def tried(names=NAMES, **options):
    own = units(names, **options)
    return set(labels_of(own.members(all_sets(own)), names))


def text(sets):
    return {" + ".join(each) for each in sets}


def test_all_sets_of_the_allowed_sizes_are_tried_once():
    every = [each for size in range(1, 7) for each in combinations(NAMES, size)]
    assert tried() == text(every)
    assert tried(min_size=2, max_size=3) == text(each for each in every if 2 <= len(each) <= 3)
    own = units()
    assert len(np.unique(all_sets(own), axis=0)) == len(all_sets(own)) == 63


def test_columns_in_every_set_count():
    sets = tried(always=["c"], max_size=2)
    assert sets == {"c", "a + c", "b + c", "c + d", "c + e", "c + f"}
    assert tried(list("ab"), always=["a", "b"]) == {"a + b"}


def test_a_group_comes_together_and_counts_as_one():
    assert tried(list("abcd"), groups={"dummies": ["b", "d"]}, max_size=2) == {
        "a",
        "c",
        "b + d",
        "a + c",
        "a + b + d",
        "b + c + d",
    }
    own = units(list("abcd"), groups=[["b", "d"]])
    assert own.sizes(all_sets(own)).max() == 3


def scored(members):
    """Best is {a, c, f}; every other column costs something."""
    value = np.array([3.0, -1.0, 2.0, -1.5, -2.0, 1.0])
    return members @ value


def test_forward_adds_the_best_and_stops_at_the_largest_size():
    own, seen = units(max_size=4), []

    def evaluate(chosen):
        seen.append(chosen)
        return scored(own.members(chosen))

    forward(own, evaluate)
    assert [len(each) for each in seen] == [6, 5, 4, 3]
    assert labels_of(own.members(seen[2]), NAMES)[:4] == [
        "a + c + f",
        "a + c + e",
        "a + c + d",
        "a + b + c",
    ]


def test_backward_takes_out_what_is_missed_least():
    own, seen = units(min_size=3), []

    def evaluate(chosen):
        seen.append(chosen)
        return scored(own.members(chosen))

    backward(own, evaluate)
    assert [len(each) for each in seen] == [1, 6, 5, 4]
    assert "a + c + f" in labels_of(own.members(seen[-1]), NAMES)


def test_a_beam_that_is_wide_enough_tries_every_set():
    own, seen = units(), []

    def evaluate(chosen):
        seen.append(chosen)
        return scored(own.members(chosen))

    beam(own, evaluate, 100)
    assert sum(len(each) for each in seen) == 63


def test_sets_without_a_score_are_not_followed():
    own, seen = units(), []

    def evaluate(chosen):
        seen.append(chosen)
        members = own.members(chosen)
        return np.where(members[:, 0], np.nan, scored(members))

    forward(own, evaluate)
    assert len(seen) == 6  # five columns without the first, and then nothing is left to follow
    with pytest.raises(ValueError, match="begins with it"):
        backward(own, lambda chosen: np.full(len(chosen), np.nan))


def test_candidates_are_given_with_names_or_without():
    labels, members = read_candidates({"one": ["a"], "two": ["f", "b"]}, NAMES, ["c"])
    assert labels == ["one", "two"]
    assert labels_of(members, NAMES) == ["a + c", "b + c + f"]
    assert read_candidates([["b", "a"]], NAMES, ())[0] == ["a + b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"always": "a"}, "always has to be a list of columns; found 'a'"),
        ({"always": ["z"]}, r"always names \['z'\]"),
        ({"always": ["a", "a"]}, "names a column twice"),
        ({"groups": "ab"}, "groups='ab' has to be a dict or a list"),
        ({"groups": [["a", "b"], ["b", "c"]]}, "'b' is in the groups 0 and 1"),
        ({"groups": {"g": []}}, "The group 'g' is empty"),
        ({"groups": {"g": ["a", "q"]}}, r"The group 'g' names \['q'\]"),
        ({"groups": {"g": ["a", "b"]}, "always": ["a"]}, "'a' is in always= and in the group 'g'"),
        ({"min_size": 7}, "min_size=7 is more than the 6 there are"),
        ({"min_size": 3, "max_size": 2}, "min_size=3 is more than max_size=2"),
        ({"always": ["a", "b"], "max_size": 1}, "always= names 2 columns, more than max_size=1"),
    ],
)
def test_a_mistake_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        units(**options)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "candidates is empty"),
        ({}, "candidates is empty"),
        ("a", "candidates has to be a dict or a list"),
        (["ab"], "The candidate 'ab' has to be a list of columns"),
        ([[]], "A candidate names no column"),
        ([["a", "y"]], r"names \['y'\]; X has"),
        ([["a", "a"]], "names a column twice"),
        ([["a", "b"], ["b", "a"]], "Two candidates are the same set"),
    ],
)
def test_a_mistake_in_candidates_is_told(candidates, message):
    with pytest.raises(ValueError, match=message):
        read_candidates(candidates, NAMES, ())


def test_too_many_sets_are_counted_and_other_ways_named():
    own = units([f"x{k}" for k in range(40)])
    with pytest.raises(ValueError, match=r"There are 1,099,511,627,775 sets .*'forward'"):
        all_sets(own)
