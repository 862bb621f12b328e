"""Files in the formats of Kenneth R. French's library, served by a web server of our own."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from skfactor.datasets import _french_library, fetch_french, fetch_french_tables

# Texts laid out like the library's files; the numbers are made up where a test does not say so.
FACTORS = """\
This file was created by CMPT_ME_BEME_RETS using the 202412 CRSP database.
The 1-month TBill rate data until 202405 are from Ibbotson and Associates Inc.

,Mkt-RF,SMB,HML,RF
202310,   -3.19,   -3.87,    0.19,    0.47
202311,    8.84,   -0.02,    1.64,    0.44
202312,    4.87,    6.34,    4.93,    0.43
202401,    0.70,   -5.09,   -2.38,    0.47

 Annual Factors: January-December \n,Mkt-RF,SMB,HML,RF
  2023,   21.97,   -3.33,  -13.91,    4.95
  2024,   19.20,   -9.50,   -6.70,    5.10

Copyright 2024 Eugene F. Fama and Kenneth R. French
"""

INDUSTRIES = """\
This file was created by CMPT_IND_RETS using the 202412 CRSP database.
It contains value- and equal-weighted returns for  3 industry portfolios.

The portfolios are constructed at the end of June.

Missing data are indicated by -99.99 or -999.


  Average Value Weighted Returns -- Monthly
,Cnsmr,Hlth ,Other
192607,    5.43,    1.77, -99.9900
192608,    2.76,    4.25,    4.35


  Average Equal Weighted Returns -- Monthly
,Cnsmr,Hlth ,Other
192607,    1.00,    2.00,    -999
192608,    3.00,    4.00,    5.00


  Average Value Weighted Returns -- Annual
,Cnsmr,Hlth ,Other
  1927,   35.00,   50.00,   20.00


  Number of Firms in Portfolios
,Cnsmr,Hlth ,Other
192607,     166,      15,    -999
192608,     167,      15,     176


  Average Firm Size
,Cnsmr,Hlth ,Other
192607,   20.93,   25.51,   22.47
192608,   22.01,   25.97,   23.12


  For portfolios formed in June of year t
  Value Weight Average of BE/ME Calculated for June of t to June of t+1 as:
    Sum[ME(Mth) * BE(Fiscal Year t-1) / ME(Dec t-1)] / Sum[ME(Mth)]
,Cnsmr,Hlth ,Other
  1926,    0.60,    0.68,    1.33

Copyright 2024 Eugene F. Fama and Kenneth R. French
"""

# Since 2025 the daily momentum file fills its lines with commas.
MOMENTUM_DAILY = """\
This file was created by using the 202605 CRSP database.  It,,
contains a momentum factor, constructed from six value-weight portfolios formed,
using independent sorts on size and prior return of NYSE, AMEX, and NASDAQ stocks.,,
,,
Missing data are indicated by -99.99 or -999.,,
,,
,Mom   ,
19261103,0.56,
19261104,-0.51,
19261105,1.15,
,,
Copyright 2026 Eugene F. Fama and Kenneth R. French,,
"""

BREAKPOINTS = """\
ME Breakpoints
192512,   489,    2.25,    4.40
192601,   502,    2.30,    4.65

Copyright 2024 Eugene F. Fama and Kenneth R. French
"""

FILES = {
    "F-F_Research_Data_Factors": FACTORS,
    "3_Industry_Portfolios": INDUSTRIES,
    "F-F_Momentum_Factor_daily": MOMENTUM_DAILY,
    "ME_Breakpoints": BREAKPOINTS,
    "Nothing": "This file was created by mistake.\n",
    "Damaged": ",a,b,c\n202401, 1.0, 2.0\n",
}


def zipped(text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.CSV", text.replace("\n", "\r\n"))
    return file.getvalue()


class Library(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        if self.server.attack is not None:
            with contextlib.suppress(ConnectionError):
                self.server.attack(self)
            return
        name = self.path.removeprefix("/ftp/").removesuffix("_CSV.zip")
        if name == "Broken":
            self.send_error(503)
        elif name == "Proxy":
            self.answer(b"<html>Please log in.</html>")
        elif name in FILES:
            self.answer(zipped(self.server.texts.get(name, FILES[name])))
        else:
            self.send_error(404)

    def answer(self, content):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Library) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def library(server, tmp_path, monkeypatch):
    """Where the library is and where files are kept, as arguments."""
    monkeypatch.setenv("no_proxy", "*")
    server.requests, server.texts, server.attack = [], {}, None
    return {"url": f"http://127.0.0.1:{server.server_port}/ftp", "data_home": tmp_path}


# --- what is read -------------------------------------------------------------------------------


def test_monthly_factors_are_in_decimals_by_period(library):
    factors = fetch_french("F-F_Research_Data_Factors", **library)
    expected = pd.DataFrame(
        {
            "Mkt-RF": [-0.0319, 0.0884, 0.0487, 0.0070],
            "SMB": [-0.0387, -0.0002, 0.0634, -0.0509],
            "HML": [0.0019, 0.0164, 0.0493, -0.0238],
            "RF": [0.0047, 0.0044, 0.0043, 0.0047],
        },
        index=pd.period_range("2023-10", "2024-01", freq="M", name="date"),
    )
    assert_frame_equal(factors, expected, rtol=1e-14)


def test_annual_factors_are_the_second_table(library):
    factors = fetch_french("F-F_Research_Data_Factors", table=1, **library)
    assert list(factors.index) == [pd.Period("2023", freq="Y"), pd.Period("2024", freq="Y")]
    assert factors.loc["2023", "HML"].item() == pytest.approx(-0.1391)
    by_title = fetch_french(
        "F-F_Research_Data_Factors", table="Annual Factors: January-December", **library
    )
    assert_frame_equal(by_title, factors)


def test_the_daily_file_with_commas_for_empty_lines_is_read(library):
    momentum = fetch_french("F-F_Momentum_Factor_daily", **library)
    days = pd.PeriodIndex(["1926-11-03", "1926-11-04", "1926-11-05"], freq="D", name="date")
    assert_frame_equal(momentum, pd.DataFrame({"Mom": [0.0056, -0.0051, 0.0115]}, days))


def test_every_table_of_a_portfolio_file_has_its_title_and_units(library):
    tables = fetch_french_tables("3_Industry_Portfolios", **library)
    assert [title[:44] for title in tables] == [
        "Average Value Weighted Returns -- Monthly",
        "Average Equal Weighted Returns -- Monthly",
        "Average Value Weighted Returns -- Annual",
        "Number of Firms in Portfolios",
        "Average Firm Size",
        "For portfolios formed in June of year t Valu",
    ]
    value, equal, annual, firms, size, ratio = tables.values()
    assert value.loc["1926-08"].to_numpy().tolist() == pytest.approx([0.0276, 0.0425, 0.0435])
    assert equal.loc["1926-08"].to_numpy().tolist() == pytest.approx([0.03, 0.04, 0.05])
    assert annual.loc["1927"].to_numpy().ravel().tolist() == pytest.approx([0.35, 0.5, 0.2])
    assert firms.loc["1926-08"].to_numpy().tolist() == [167, 15, 176]
    assert size.loc["1926-07"].to_numpy().tolist() == [20.93, 25.51, 22.47]
    assert ratio.loc["1926"].to_numpy().ravel().tolist() == [0.6, 0.68, 1.33]
    assert all(list(table.columns) == ["Cnsmr", "Hlth", "Other"] for table in tables.values())
    assert all((table.dtypes == np.float64).all() for table in tables.values())


def test_codes_for_missing_are_nan_in_every_table(library):
    tables = fetch_french_tables("3_Industry_Portfolios", **library)
    missing = [int(table.isna().sum().sum()) for table in tables.values()]
    assert missing == [1, 1, 0, 1, 0, 0]
    assert np.isnan(tables["Average Value Weighted Returns -- Monthly"].loc["1926-07", "Other"])


def test_breakpoints_have_no_names_and_are_not_in_percent(library):
    table = fetch_french("ME_Breakpoints", **library)
    assert list(table.columns) == ["1", "2", "3"]
    assert table.loc["1926-01"].to_numpy().tolist() == [502, 2.30, 4.65]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2023-11", None, ["2023-11", "2023-12", "2024-01"]),
        (None, "2023", ["2023-10", "2023-11", "2023-12"]),
        ("2023-11-15", "2023-12-01", ["2023-11", "2023-12"]),
        (pd.Timestamp("2023-12-31"), pd.Period("2023-12", freq="M"), ["2023-12"]),
    ],
)
def test_start_and_end_are_included(library, start, end, expected):
    factors = fetch_french("F-F_Research_Data_Factors", start, end, **library)
    assert [str(period) for period in factors.index] == expected


# --- what is kept -------------------------------------------------------------------------------


def test_a_file_is_downloaded_once_and_again_on_demand(library, server):
    first = fetch_french("F-F_Research_Data_Factors", **library)
    server.texts["F-F_Research_Data_Factors"] = FACTORS.replace("0.70", "0.99")
    assert_frame_equal(fetch_french("F-F_Research_Data_Factors", **library), first)
    assert server.requests == ["/ftp/F-F_Research_Data_Factors_CSV.zip"]
    fresh = fetch_french("F-F_Research_Data_Factors", refresh=True, **library)
    assert fresh.loc["2024-01", "Mkt-RF"] == pytest.approx(0.0099)
    assert len(server.requests) == 2


def test_a_kept_file_needs_no_network(library):
    first = fetch_french("F-F_Research_Data_Factors", **library)
    offline = library | {"url": "http://127.0.0.1:9"}
    assert_frame_equal(fetch_french("F-F_Research_Data_Factors", **offline), first)


def test_the_environment_says_where_files_are_kept(library, tmp_path, monkeypatch):
    monkeypatch.setenv("SKFACTOR_DATA", str(tmp_path / "elsewhere"))
    fetch_french("F-F_Research_Data_Factors", url=library["url"])
    kept = [path.name for path in (tmp_path / "elsewhere" / "french").iterdir()]
    assert kept == ["F-F_Research_Data_Factors_CSV.zip"]


# --- what cannot be had -------------------------------------------------------------------------


def test_without_a_network_the_error_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(ConnectionError, match=r"cannot be reached .* download .*_CSV\.zip on"):
        fetch_french("F-F_Research_Data_Factors", url="http://127.0.0.1:9", data_home=tmp_path)
    (tmp_path / "french").mkdir()
    (tmp_path / "french" / "F-F_Research_Data_Factors_CSV.zip").write_bytes(zipped(FACTORS))
    table = fetch_french("F-F_Research_Data_Factors", url="http://127.0.0.1:9", data_home=tmp_path)
    assert len(table) == 4


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("F-F_Nonsense", ValueError, r"no data set 'F-F_Nonsense'.* Names are those of the CSV"),
        ("Broken", ConnectionError, r"answered 503"),
        ("Proxy", ConnectionError, r"not a zip file, such as the page of a proxy"),
        ("Nothing", ValueError, r"has no table\. It was not kept"),
        ("Damaged", ValueError, r"3 names for 2 columns"),
        ("../../etc/passwd", ValueError, r"is not the name of a data set, such as"),
        ("Fäctors", ValueError, r"is not the name of a data set, such as"),
        (5, ValueError, r"is not the name of a data set, such as"),
    ],
)
def test_what_cannot_be_read_raises(library, name, error, message):
    with pytest.raises(error, match=message):
        fetch_french(name, **library)


@pytest.mark.parametrize("name", ["F-F_Nonsense", "Broken", "Proxy"])
def test_what_is_no_file_of_the_library_is_not_kept(library, tmp_path, name):
    with pytest.raises((ValueError, ConnectionError)):
        fetch_french(name, **library)
    assert not list(tmp_path.rglob("*.zip"))


@pytest.mark.parametrize("table", [2, -3, "Annual", 0.5, True, ["Annual"]])
def test_an_unknown_table_is_answered_with_those_there_are(library, table):
    with pytest.raises(ValueError, match=r"no table .*\n0: F-F_Research_Data_Factors\n1: Annual"):
        fetch_french("F-F_Research_Data_Factors", table=table, **library)


def test_dates_outside_the_table_raise(library):
    with pytest.raises(ValueError, match=r"between 1990 and 1999: it goes from 2023-10 to 2024-01"):
        fetch_french("F-F_Research_Data_Factors", "1990", "1999", **library)


def test_a_kept_file_that_is_damaged_is_named_and_replaced(library, tmp_path):
    (tmp_path / "french").mkdir()
    (tmp_path / "french" / "F-F_Research_Data_Factors_CSV.zip").write_bytes(b"half a file")
    with pytest.raises(
        ValueError, match=r"is not a zip file .*\. With refresh=True it is replaced"
    ):
        fetch_french("F-F_Research_Data_Factors", **library)
    assert len(fetch_french("F-F_Research_Data_Factors", refresh=True, **library)) == 4


# --- what a server, a disk or a file can do -----------------------------------------------------

NAME = "F-F_Research_Data_Factors"


def _raw(*pieces, pause=0.0):
    """Answer with these bytes and nothing else."""

    def attack(handler):
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(pause)

    return attack


def _status(code, **headers):
    def attack(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return attack


def _content(content):
    return lambda handler: handler.answer(content)


def _altered(content, offset, value, signature):
    """A zip file with a field changed after each signature of a kind."""
    content = bytearray(content)
    at = content.find(signature)
    while at >= 0:
        struct.pack_into("<H", content, at + offset, value)
        at = content.find(signature, at + 1)
    return bytes(content)


def _header(offset, value):
    """Changes a field of the local and of the central header of the member of a zip file."""
    local = _altered(zipped(FACTORS), offset, value, b"PK\x03\x04")
    return _altered(local, offset + 2, value, b"PK\x01\x02")


def _empty_zip(*folders):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for folder in folders:
            archive.mkdir(folder)
    return file.getvalue()


def _bad_deflate():
    content = bytearray(zipped(FACTORS))
    content[60:90] = b"\xff" * 30
    return bytes(content)


OK = b"HTTP/1.0 200 OK\r\n"
WHOLE = zipped(FACTORS)
ATTACKS = {
    "cut off": (_raw(OK, b"Content-Length: %d\r\n\r\n" % len(WHOLE), WHOLE[:100]), "broke after"),
    "cut chunk": (
        _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nabc"),
        "cannot be reached",
    ),
    "no answer": (_raw(), "cannot be reached"),
    "no http": (_raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "cannot be reached"),
    "endless header": (_raw(OK, b"X: ", b"a" * 70_000), "cannot be reached"),
    "500": (_status(500), "answered 500"),
    "redirect to a file": (_status(302, Location="file:///etc/passwd"), "answered 302"),
    "redirect to ftp": (_status(302, Location="ftp://127.0.0.1/x"), "cannot be reached"),
    "redirect to itself": (_status(302, Location=f"/ftp/{NAME}_CSV.zip"), "answered 302"),
    "empty": (_content(b""), "is not a zip file"),
    "no members": (_content(_empty_zip()), "zip file without files"),
    "folders only": (_content(_empty_zip("a", "b")), "zip file without files"),
    "bad deflate": (_content(_bad_deflate()), "is not a zip file that can be read"),
    "half a file": (_content(WHOLE[:200]), "is not a zip file"),
    "encrypted": (_content(_header(6, 1)), r"encrypted, password required"),
    "unknown compression": (_content(_header(8, 77)), r"compression"),
    "lzma that is none": (_content(_header(8, 14)), "zip file"),
    "bzip2 that is none": (_content(_header(8, 12)), "zip file"),
    "twice": (_content(zipped(FACTORS.replace("202311", "202312"))), "2023-12 is twice"),
    "infinite": (_content(zipped(FACTORS.replace("8.84", "1e999"))), "infinite values"),
    "text": (_content(zipped(FACTORS.replace("8.84", "high"))), "cannot be read"),
    "month 13": (_content(zipped(FACTORS.replace("202312", "202313"))), "cannot be read"),
    "ragged": (_content(zipped(FACTORS.replace("8.84,", "8.84,1,1,1,"))), "cannot be read"),
}


@pytest.mark.parametrize("kept", [False, True], ids=["new", "refresh"])
def test_what_a_server_can_do_is_a_documented_error_and_leaves_what_was_kept(
    library, server, tmp_path, kept
):
    if kept:
        fetch_french(NAME, **library)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    for attack, message in ATTACKS.values():
        server.attack = attack
        with pytest.raises((ValueError, ConnectionError), match=message) as caught:
            fetch_french(NAME, refresh=kept, **library)
        assert type(caught.value) in {ValueError, ConnectionError}
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    server.attack = None
    assert len(fetch_french(NAME, refresh=True, **library)) == 4


def test_sizes_and_times_have_limits(library, server, monkeypatch):
    monkeypatch.setattr(_french_library, "_MOST_BYTES", 10_000)
    server.attack = _raw(OK, b"\r\n", *[bytes(1_000)] * 20)
    with pytest.raises(ConnectionError, match="larger than 10000 bytes"):
        fetch_french(NAME, **library)
    monkeypatch.setattr(_french_library, "_MOST_UNPACKED", 10_000)
    server.attack = _content(zipped("a" * 50_000))
    with pytest.raises(ValueError, match="unpacks to more than 10000 bytes"):
        fetch_french(NAME, **library)
    monkeypatch.setattr(_french_library, "_PATIENCE", 0.3)
    for slowly in (
        _raw(OK, *[b"X: a\r\n"] * 20, pause=0.05),
        _raw(OK, b"\r\n", *[b"PK"] * 20, pause=0.05),
    ):
        server.attack = slowly
        start = time.monotonic()
        with pytest.raises(ConnectionError, match=r"took (too long|longer than)"):
            fetch_french(NAME, **library)
        assert time.monotonic() - start < 0.9


@pytest.mark.parametrize(
    "url", ["file:///etc", "ftp://127.0.0.1", "/etc", "", "http://", "http://[", "http://a b/c"]
)
def test_only_http_and_https_are_asked(tmp_path, url):
    with pytest.raises((ValueError, ConnectionError), match=r"begin with http|cannot be reached"):
        fetch_french(NAME, url=url, data_home=tmp_path)
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(("start", "end"), [("foo", None), (None, [1]), ({}, None), (1.5, None)])
def test_a_start_that_is_no_date_raises(library, start, end):
    with pytest.raises(ValueError, match="have to be dates, such as '1963-07'"):
        fetch_french(NAME, start, end, **library)


def test_a_kept_file_has_the_mode_of_other_files(library, tmp_path):
    fetch_french(NAME, **library)
    (tmp_path / "plain").write_bytes(b"")
    kept = tmp_path / "french" / f"{NAME}_CSV.zip"
    assert kept.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_a_documented_error_and_leaves_nothing(library, tmp_path, monkeypatch):
    def write_half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_french_library.Path, "write_bytes", write_half)
    with pytest.raises(ValueError, match=r"cannot be written: .*No space left"):
        fetch_french(NAME, **library)
    assert list((tmp_path / "french").iterdir()) == []


def test_what_a_killed_process_left_is_removed_when_it_is_old(library, tmp_path):
    (tmp_path / "french").mkdir()
    old, new = (tmp_path / "french" / f".{k}.part" for k in "ab")
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (0, 0))
    fetch_french(NAME, **library)
    assert not old.exists()
    assert new.exists()


def test_a_folder_or_file_in_the_way_is_a_documented_error(library, tmp_path):
    (tmp_path / "french").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be written"):
        fetch_french(NAME, **library)
    (tmp_path / "french").unlink()
    (tmp_path / "french" / f"{NAME}_CSV.zip").mkdir(parents=True)
    with pytest.raises(ValueError, match="With refresh=True it is replaced"):
        fetch_french(NAME, **library)


def test_any_damage_of_a_kept_file_is_a_documented_error(library, tmp_path):
    fetch_french(NAME, **library)
    kept = tmp_path / "french" / f"{NAME}_CSV.zip"
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(400):
        content = np.frombuffer(WHOLE, dtype=np.uint8).copy()
        places = rng.integers(len(content), size=rng.integers(1, 8))
        content[places] = rng.integers(256, size=len(places))
        kept.write_bytes(content[: rng.integers(1, len(content) + 1)].tobytes())
        with contextlib.suppress(ValueError):  # the one error there is
            fetch_french(NAME, **library)
            failed -= 1
        failed += 1
    assert failed > 300
