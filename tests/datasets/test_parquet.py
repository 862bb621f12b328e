"""iter_parquet: whole dates from files, folders and LazyFrames, and what can be wrong with them."""

from __future__ import annotations

import os
import re
import threading
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from reference import random_panel

from skfactor import FamaMacBeth
from skfactor.datasets import iter_parquet, make_panel
from skfactor.datasets._row_groups import RowGroups, most_rows_at_once


@pytest.fixture
def panel():
    """Rows with dates and assets as columns, sorted by both."""
    data = random_panel(np.random.default_rng(0), n_dates=12, n_features=3)
    return data.reset_index().sort_values(["date", "asset"], ignore_index=True)


def _write(frame, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False, **options)
    return path


def _collected(chunks):
    """The chunks as one frame, after a look at what each has to keep."""
    chunks = list(chunks)
    dates = [chunk.index.get_level_values("date") for chunk in chunks]
    for before, after in pairwise(dates):
        assert before.max() < after.min()
    return pd.concat(chunks)


def _assert_same_rows(streamed, panel, **options):
    expected = panel.set_index(["date", "asset"]).sort_index()
    streamed = streamed[expected.columns].sort_index()
    assert_frame_equal(streamed, expected, check_index_type=False, **options)


# --- all rows, each once, dates never parted ----------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 60), st.integers(1, 400), st.booleans(), st.integers(1, 4))
def test_any_row_groups_chunks_order_and_files_give_all_rows(
    tmp_path_factory, group_rows, chunk_rows, is_sorted, n_files
):
    data = random_panel(np.random.default_rng(0), n_dates=8, n_features=2).reset_index()
    if is_sorted:
        data = data.sort_values("date", kind="stable")
    folder = tmp_path_factory.mktemp("files")
    for k in range(n_files):  # each file has rows of all dates
        _write(data.iloc[k::n_files], folder / f"{k}.parquet", row_group_size=group_rows)
    streamed = _collected(iter_parquet(folder, assets="asset", chunk_rows=chunk_rows))
    _assert_same_rows(streamed, data)


@pytest.mark.parametrize("group_rows", [7, 50, 10_000])
def test_partial_fit_over_a_file_is_one_fit(tmp_path, panel, group_rows):
    file = _write(panel, tmp_path / "panel.parquet", row_group_size=group_rows)
    whole = panel.set_index(["date", "asset"])
    expected = FamaMacBeth().fit(whole[["x0", "x1"]], whole["x2"])
    model = FamaMacBeth()
    for chunk in iter_parquet(file, assets="asset", chunk_rows=60):
        model.partial_fit(chunk[["x0", "x1"]], chunk["x2"])
    assert_allclose(model.lambdas_, expected.lambdas_, rtol=0, atol=1e-12)
    assert model.dates_.equals(expected.dates_)
    assert_allclose(model.premia_, expected.premia_, rtol=0, atol=1e-12)


def test_a_chunk_has_as_many_rows_as_asked_for_and_no_date_too_many(tmp_path, panel):
    file = _write(panel, tmp_path / "panel.parquet")
    most = panel.groupby("date").size().max()
    chunks = [len(chunk) for chunk in iter_parquet(file, chunk_rows=100)]
    assert all(100 <= n_rows < 100 + most for n_rows in chunks[:-1])


def test_hive_folders_give_their_columns_only_if_asked(tmp_path, panel):
    panel["year"] = np.where(panel["date"] < panel["date"].unique()[5], 2001, 2002)
    for year, rows in panel.groupby("year"):
        _write(rows.drop(columns="year"), tmp_path / f"year={year}" / "part.parquet")
    streamed = _collected(iter_parquet(tmp_path, assets="asset"))
    _assert_same_rows(streamed, panel.drop(columns="year"))
    streamed = _collected(iter_parquet(tmp_path, assets="asset", columns=["year", "x0"]))
    _assert_same_rows(streamed, panel[["date", "asset", "year", "x0"]], check_dtype=False)


def test_dates_may_be_the_names_of_folders(tmp_path, panel):
    panel["date"] = panel["date"].astype(str).str[:10]
    for date, rows in panel.groupby("date"):
        _write(rows.drop(columns="date"), tmp_path / f"date={date}" / "part.parquet")
    _assert_same_rows(_collected(iter_parquet(tmp_path, assets="asset")), panel, check_dtype=False)


@pytest.mark.parametrize("freq", ["M", "D"])
def test_an_index_that_pandas_wrote_comes_back(tmp_path, freq):
    X, y = make_panel(n_dates=10, n_assets=6, freq=freq, random_state=0, return_X_y=True)
    X.assign(y=y).to_parquet(tmp_path / "x.parquet", row_group_size=25)
    streamed = pd.concat(iter_parquet(tmp_path / "x.parquet", chunk_rows=1))
    assert isinstance(streamed.index.levels[0], pd.PeriodIndex)
    assert_frame_equal(streamed, X.assign(y=y), check_index_type=False)


@pytest.mark.parametrize(
    "kind",
    [
        pa.date32(),
        pa.date64(),
        pa.timestamp("ns"),
        pa.timestamp("ms", tz="UTC"),
        pa.int32(),
        pa.large_string(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
@pytest.mark.parametrize("statistics", [True, False])
def test_every_type_of_dates_with_and_without_statistics(tmp_path, kind, statistics):
    days = pd.date_range("2020-01-01", periods=9)
    if pa.types.is_integer(kind):
        days = days.strftime("%Y%m%d").astype(np.int64)
    elif not pa.types.is_temporal(kind):
        days = days.strftime("%Y-%m-%d")
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    column = pa.array(np.repeat(days, 4)).cast(value_type)
    table = pa.table({"date": column.cast(kind), "x": np.arange(36.0)})
    file = tmp_path / "dates.parquet"
    pq.write_table(table, file, row_group_size=10, write_statistics=statistics)
    chunks = list(iter_parquet(file, chunk_rows=1))
    assert len(chunks) == 9
    assert_allclose(pd.concat(chunks)["x"], np.arange(36.0))


def test_numbers_of_several_types_are_read_in_the_widest(tmp_path, panel):
    _write(panel[:100].astype({"x0": np.float32}), tmp_path / "a.parquet")
    _write(panel[100:].assign(x1=np.arange(len(panel) - 100)), tmp_path / "b.parquet")
    streamed = _collected(iter_parquet(tmp_path, assets="asset"))
    assert (streamed.dtypes == np.float64).all()
    assert_allclose(streamed["x1"].iloc[:100], panel["x1"][:100])


def test_missing_values_stay_missing_and_nothing_of_the_file_is_changed(tmp_path, panel):
    panel.loc[::7, "x0"] = np.nan
    file = _write(panel, tmp_path / "panel.parquet")
    written = file.read_bytes()
    _assert_same_rows(_collected(iter_parquet(file, assets="asset")), panel)
    assert file.read_bytes() == written


# --- what is held in memory ---------------------------------------------------------------------


def test_sorted_files_hold_one_row_group_and_interleaved_ones_one_of_each(tmp_path, panel):
    decades = [pd.DateOffset(years=10 * k) for k in range(10)]
    many = pd.concat([panel.assign(date=panel["date"] + decade) for decade in decades])
    for k in range(3):
        _write(many.iloc[k::3], tmp_path / f"{k}.parquet", row_group_size=50)
    groups = RowGroups.open(tmp_path, "date", None, None).groups
    assert most_rows_at_once(groups) <= 3 * 2 * 50
    one = RowGroups.open(tmp_path / "0.parquet", "date", None, None).groups
    assert most_rows_at_once(one) <= 2 * 50


def test_of_a_sorted_file_a_few_row_groups_are_held_and_not_all(tmp_path):
    n_groups, group_rows = 40, 20_000
    dates = np.repeat(pd.date_range("2000-01-01", periods=1_600), 500)
    values = np.random.default_rng(0).normal(size=(len(dates), 4))
    frame = pd.DataFrame(values).add_prefix("x").assign(date=dates)
    file = _write(frame, tmp_path / "panel.parquet", row_group_size=group_rows)
    del frame
    pool = pa.default_memory_pool()
    before, largest = pool.bytes_allocated(), 0
    for chunk in iter_parquet(file, chunk_rows=group_rows):
        assert len(chunk) <= 2 * group_rows
        largest = max(largest, pool.bytes_allocated() - before)
    whole = n_groups * group_rows * 5 * 8
    assert 0 < largest < whole / 4


def test_reading_stops_with_the_one_who_reads(tmp_path, panel):
    path = _write(panel, tmp_path / "panel.parquet", row_group_size=20)
    before = threading.active_count()
    frames = iter_parquet(path, chunk_rows=20)
    next(frames)
    assert threading.active_count() > before
    frames.close()
    assert threading.active_count() == before
    path.unlink()


def test_dates_scattered_over_the_files_are_refused_beyond_max_rows(tmp_path, panel):
    shuffled = panel.sample(frac=1.0, random_state=0)
    file = _write(shuffled, tmp_path / "panel.parquet", row_group_size=50)
    with pytest.raises(ValueError, match=r"scattered .* max_rows=100\. Sort the data by 'date'"):
        iter_parquet(file, max_rows=100)
    _assert_same_rows(_collected(iter_parquet(file, assets="asset")), panel)


# --- polars -------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_rows", [1, 150, 10**6])
def test_a_lazy_frame_gives_the_same_rows_in_any_order(tmp_path, panel, chunk_rows):
    shuffled = panel.sample(frac=1.0, random_state=0)
    file = _write(shuffled, tmp_path / "panel.parquet", row_group_size=50)
    lazy = pl.scan_parquet(file)
    streamed = _collected(iter_parquet(lazy, assets="asset", chunk_rows=chunk_rows))
    _assert_same_rows(streamed, panel)


def test_a_lazy_frame_may_compute_its_columns(panel):
    lazy = pl.from_pandas(panel).lazy().with_columns(double=2.0 * pl.col("x0"))
    streamed = _collected(iter_parquet(lazy, columns=["double"], chunk_rows=100))
    assert list(streamed) == ["double"]
    assert_allclose(streamed["double"], 2.0 * panel["x0"])


def test_a_lazy_frame_without_the_columns_or_with_missing_dates_raises(panel):
    lazy = pl.from_pandas(panel).lazy()
    with pytest.raises(ValueError, match=r"no columns \['day', 'x9'\]; it has \['date'"):
        iter_parquet(lazy, by="day", columns=["x9"])
    holes = lazy.with_columns(date=pl.when(pl.col("x0") > 1.0).then("date"))
    with pytest.raises(ValueError, match="Some rows have no date in the column 'date'"):
        next(iter_parquet(holes))


# --- faults -------------------------------------------------------------------------------------


def test_what_does_not_exist_is_named_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*nowhere\.parquet"):
        iter_parquet(tmp_path / "nowhere.parquet")
    with pytest.raises(ValueError, match="no Parquet file in"):
        iter_parquet(tmp_path)


def test_a_file_that_is_damaged_is_named(tmp_path, panel):
    for name in "ab":
        _write(panel, tmp_path / f"{name}.parquet", row_group_size=50)
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])  # without a footer
    with pytest.raises(ValueError, match=r"b\.parquet cannot be read as Parquet.*write it again"):
        iter_parquet(tmp_path)
    (tmp_path / "b.parquet").write_bytes(
        whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :]
    )
    with pytest.raises(ValueError, match=r"b\.parquet cannot be read as Parquet"):
        list(iter_parquet(tmp_path))
    (tmp_path / "a.parquet").write_bytes(b"no Parquet")
    with pytest.raises(ValueError, match=r"a\.parquet"):
        iter_parquet(tmp_path)


def test_a_file_that_vanishes_meanwhile_is_named(tmp_path, panel):
    first, second = (
        panel[panel["date"].isin(part)] for part in np.split(panel["date"].unique(), 2)
    )
    _write(first, tmp_path / "a.parquet", row_group_size=20)
    gone = _write(second, tmp_path / "b.parquet")
    chunks = iter_parquet(tmp_path, chunk_rows=1)
    next(chunks)
    gone.unlink()
    with pytest.raises(FileNotFoundError, match=r"b\.parquet does not exist any more"):
        list(chunks)


def test_files_with_other_columns_or_types_are_named(tmp_path, panel):
    _write(panel, tmp_path / "a.parquet")
    _write(panel.assign(x9=1.0), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet has \['x9'\] beside \['date', 'asset'"):
        iter_parquet(tmp_path)
    named = _collected(iter_parquet(tmp_path, columns=["x0"]))
    assert len(named) == 2 * len(panel)
    _write(panel.drop(columns="x0"), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet has no columns \['x0'\]"):
        iter_parquet(tmp_path, columns=["x0"])
    _write(panel.assign(x0="text"), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet has other types than the files before"):
        iter_parquet(tmp_path)


def test_missing_dates_raise(tmp_path, panel):
    panel.loc[30, "date"] = pd.NaT
    file = _write(panel, tmp_path / "panel.parquet")
    with pytest.raises(ValueError, match="1 rows have no date in the column 'date'"):
        list(iter_parquet(file))
    file = _write(panel.assign(date=pd.NaT), file)
    with pytest.raises(ValueError, match=r"panel\.parquet has rows without a date in 'date'"):
        iter_parquet(file)


def test_an_asset_twice_on_a_date_in_two_files_is_noticed_by_the_fit(tmp_path, panel):
    _write(panel, tmp_path / "a.parquet")
    _write(panel[panel["date"] == panel["date"].max()].head(1), tmp_path / "b.parquet")
    *_, last = iter_parquet(tmp_path, assets="asset", chunk_rows=50)
    with pytest.raises(ValueError, match=r"1 \(date, asset\) pairs occur more than once"):
        FamaMacBeth().fit(last[["x0", "x1"]], last["x2"])


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many", None])
def test_numbers_of_rows_have_to_be_positive_and_whole(tmp_path, value):
    for name in ("chunk_rows", "max_rows"):
        with pytest.raises(ValueError, match=f"{name} has to be a whole number, at least 1; found"):
            iter_parquet(tmp_path, **{name: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": 5}, "by has to be the name of a column; found 5"),
        ({"by": ["date"]}, "by has to be the name of a column"),
        ({"assets": 0}, "assets has to be the name of a column; found 0"),
        ({"columns": "x0"}, r"columns has to be a list of names; pass \['x0'\]"),
    ],
)
def test_names_of_columns_have_to_be_names(tmp_path, panel, arguments, message):
    file = _write(panel, tmp_path / "panel.parquet")
    with pytest.raises(ValueError, match=message):
        iter_parquet(file, **arguments)


@pytest.mark.parametrize("path", [5, None, [], [5], object()])
def test_what_is_no_path_raises(path):
    with pytest.raises(ValueError, match=r"cannot be read as Parquet|no Parquet file in"):
        iter_parquet(path)


@pytest.mark.parametrize("target", ["gone.parquet", "link", ".", "..", "year=2001"])
def test_a_link_to_nothing_or_in_a_circle_is_found_wherever_it_lies(tmp_path, panel, target):
    folder = tmp_path / "files" / "year=2001"
    _write(panel, folder / "a.parquet")
    good = len(pd.concat(iter_parquet(tmp_path / "files")))
    assert good == len(panel)
    link = (tmp_path / "files" if target == "year=2001" else folder) / "link"
    link.symlink_to(target)
    if target == "year=2001":  # a link to a folder beside it is no circle
        assert len(pd.concat(iter_parquet(tmp_path / "files", columns=["x0"]))) == 2 * good
        return
    with pytest.raises(ValueError, match=r"link is a link to (nothing|a folder that it lies in)"):
        iter_parquet(tmp_path / "files")
    link.rename(folder / "_link")  # which pyarrow leaves out, as it says
    assert len(pd.concat(iter_parquet(tmp_path / "files"))) == good


def test_what_may_not_be_read_raises(tmp_path, panel, monkeypatch):
    _write(panel, tmp_path / "a.parquet")
    _write(panel, tmp_path / "part" / "b.parquet")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "b.p" not in path and access(path, mode))
    with pytest.raises(ValueError, match=r"b\.parquet may not be read by this user"):
        iter_parquet(tmp_path)
    monkeypatch.undo()

    def scan(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(ValueError, match=r"cannot be read: .*Permission denied"):
        iter_parquet(tmp_path)


@pytest.mark.parametrize("statistics", [True, False])
def test_dates_that_are_nan_raise(tmp_path, panel, statistics):
    years = panel["date"].dt.year + (panel["date"].dt.month - 1) / 12
    years[17] = np.nan
    file = tmp_path / "panel.parquet"
    table = pa.Table.from_pandas(panel.assign(date=years), preserve_index=False)
    table = table.set_column(0, "date", pa.array(years.to_numpy(), from_pandas=False))
    pq.write_table(table, file, write_statistics=statistics)
    with pytest.raises(ValueError, match="1 rows have no date in the column 'date'"):
        list(iter_parquet(file))
    with pytest.raises(ValueError, match="Some rows have no date"):
        list(iter_parquet(pl.scan_parquet(file)))


@pytest.mark.parametrize(
    "metadata", [b"{", b"[]", b"5", b'{"index_columns": 5}', b"null", b'{"index_columns": [{}, 1]}']
)
def test_damaged_metadata_of_pandas_is_named_or_not_needed(tmp_path, panel, metadata):
    table = pa.Table.from_pandas(panel, preserve_index=False)
    file = tmp_path / "panel.parquet"
    pq.write_table(table.replace_schema_metadata({b"pandas": metadata}), file)
    try:
        rows = pd.concat(iter_parquet(file))
    except ValueError as error:
        assert re.search(r"what pandas wrote is damaged .* Pass assets=", str(error))  # noqa: PT017 - or it is read
    else:
        assert len(rows) == len(panel)
    assert len(pd.concat(iter_parquet(file, assets="asset"))) == len(panel)


def test_tiny_row_groups_are_read_together(tmp_path, monkeypatch):
    n_groups = 300
    dates = np.repeat(pd.date_range("2000-01-01", periods=n_groups), 3)
    frame = pd.DataFrame({"date": dates, "x": np.arange(3.0 * n_groups)})
    file = _write(frame, tmp_path / "panel.parquet", row_group_size=3)
    reads, read = [], RowGroups.read
    monkeypatch.setattr(
        RowGroups, "read", lambda self, batch: reads.append(batch) or read(self, batch)
    )
    assert_allclose(pd.concat(iter_parquet(file))["x"], frame["x"])
    assert len(reads) == 1
    reads.clear()
    chunks = list(iter_parquet(file, chunk_rows=90))
    assert len(reads) == 10
    assert all(sum(group.n_rows for group in batch) == 90 for batch in reads)
    assert [len(chunk) for chunk in chunks][:-1] == [90] * (len(chunks) - 1)
