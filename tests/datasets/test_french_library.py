"""Files in the formats of Kenneth R. French's library, served by a web server of our own."""

from __future__ import annotations

import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from skfactor.datasets import fetch_french, fetch_french_tables

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
    server.requests, server.texts = [], {}
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
        ("Proxy", ConnectionError, r"no zip file, such as the page of a proxy"),
        ("Nothing", ValueError, r"There is no table in"),
        ("Damaged", ValueError, r"3 names for 2 columns"),
        ("../../etc/passwd", ValueError, r"is not the name of a data set, such as"),
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


@pytest.mark.parametrize("table", [2, -3, "Annual", 0.5])
def test_an_unknown_table_is_answered_with_those_there_are(library, table):
    with pytest.raises(ValueError, match=r"no table .*\n0: F-F_Research_Data_Factors\n1: Annual"):
        fetch_french("F-F_Research_Data_Factors", table=table, **library)


def test_dates_outside_the_table_raise(library):
    with pytest.raises(ValueError, match=r"between 1990 and 1999: it goes from 2023-10 to 2024-01"):
        fetch_french("F-F_Research_Data_Factors", "1990", "1999", **library)


def test_a_kept_file_that_is_damaged_is_named_and_replaced(library, tmp_path):
    (tmp_path / "french").mkdir()
    (tmp_path / "french" / "F-F_Research_Data_Factors_CSV.zip").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"is no zip file\. With refresh=True it is replaced"):
        fetch_french("F-F_Research_Data_Factors", **library)
    assert len(fetch_french("F-F_Research_Data_Factors", refresh=True, **library)) == 4
