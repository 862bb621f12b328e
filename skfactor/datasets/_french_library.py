"""Kenneth R. French's data library: download, keep and read its files.

The reader of pandas-datareader 0.11.1 was tried first: it fails on the daily momentum file of
2026, whose lines end in commas, takes tables shorter than 800 characters for text, and leaves
percent and codes for missing values to its caller.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from lzma import LZMAError
from pathlib import Path

import numpy as np
import pandas as pd

from skfactor._validation import is_whole

_LIBRARY = "https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/ftp"
_SILENCE = 60.0  # seconds that the server may say nothing
_PATIENCE = 600.0  # seconds that a download may take
# The largest files of the library are below a tenth of these.
_MOST_BYTES = 100 * 2**20
_MOST_UNPACKED = 2**30
# A process that is killed leaves the file that it writes; one so old (seconds) nobody writes.
_ABANDONED = 3600.0
_MISSING = (-99.99, -999.0)
_ROW = re.compile(r"\s*(\d{4}|\d{6}|\d{8})\s*,")
# Formats of dates and frequencies of periods, by the number of digits.
_DATES = {4: ("%Y", "Y"), 6: ("%Y%m", "M"), 8: ("%Y%m%d", "D")}


@dataclass
class _Block:
    """Lines of one table."""

    title: str
    header: str
    rows: list[str] = field(default_factory=list)


def fetch_french(
    name: str,
    start: object = None,
    end: object = None,
    *,
    table: int | str = 0,
    data_home: str | os.PathLike[str] | None = None,
    refresh: bool = False,
    url: str = _LIBRARY,
) -> pd.DataFrame:
    """Fetch a table of Kenneth R. French's data library, from disk if it was fetched before.

    Parameters
    ----------
    name : str
        Data set, named like its CSV file on the library's page without ``_CSV.zip``:
        ``"F-F_Research_Data_Factors"``, ``"25_Portfolios_5x5_daily"``.
    start, end : str, date, Timestamp or Period, optional
        First and last date, both included; ``"2020"`` is the whole year. All dates by default.
    table : int or str, default=0
        Which table of the file: its place, from 0, or its title, such as
        ``"Average Equal Weighted Returns -- Monthly"``. `fetch_french_tables` has them all.
    data_home : str or path, optional
        Folder in which files are kept. By default the environment variable ``SKFACTOR_DATA``, else
        ``skfactor_data`` in the home folder.
    refresh : bool, default=False
        Download the file although it is on disk: the library is updated about once a month.
    url : str, optional
        Folder, at an http or https address, from which the file is downloaded, for a mirror of the
        library.

    Returns
    -------
    DataFrame of shape (n_periods, n_columns)
        A PeriodIndex named "date" of months, years or days. Returns are in decimals, 0.01 is one
        percent; numbers of firms, sizes and ratios in the units of the file. What the library
        marks as missing, -99.99 or -999, is NaN.

    Raises
    ------
    ConnectionError
        If the file is not on disk and cannot be downloaded whole within ten minutes.
    ValueError
        If the library has no such data set, the file no such table, or the table no such dates; if
        a file is damaged or cannot be kept. What cannot be read is never kept, and a file that was
        kept stays as it was until a new one has been read.

    See Also
    --------
    load_french : Monthly factors and portfolios that come with the package.

    Notes
    -----
    The data are those of Eugene F. Fama and Kenneth R. French. Cite the library [1]_ where you use
    them. Portfolios are total returns, factors long-short: `skfactor.frames.excess_returns`
    subtracts the risk-free rate ``RF``.

    References
    ----------
    .. [1] Kenneth R. French, Data Library,
       https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/data_library.html

    Examples
    --------
    >>> from skfactor.datasets import fetch_french
    >>> factors = fetch_french("F-F_Research_Data_Factors", start="1963-07")  # doctest: +SKIP
    """
    tables = fetch_french_tables(name, data_home=data_home, refresh=refresh, url=url)
    titles = list(tables)
    title = table
    if is_whole(table) and -len(titles) <= int(table) < len(titles):
        title = titles[int(table)]
    if title not in titles:
        listed = "\n".join(f"{place}: {title}" for place, title in enumerate(titles))
        raise ValueError(f"{name} has no table {table!r}. It has\n{listed}")
    frame = tables[str(title)]
    try:
        chosen = frame.loc[start:end]
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(
            f"start={start!r} and end={end!r} have to be dates, such as '1963-07': {error}"
        ) from error
    if chosen.empty:
        raise ValueError(
            f"{name} has no dates between {start} and {end}: it goes from {frame.index[0]} to "
            f"{frame.index[-1]}. With refresh=True it is downloaded again."
        )
    return chosen


def fetch_french_tables(
    name: str,
    *,
    data_home: str | os.PathLike[str] | None = None,
    refresh: bool = False,
    url: str = _LIBRARY,
) -> dict[str, pd.DataFrame]:
    """Fetch all tables of a data set of Kenneth R. French's data library.

    Parameters
    ----------
    name, data_home, refresh, url
        As in `fetch_french`.

    Returns
    -------
    dict of str to DataFrame
        Tables by their titles, in the order of the file; a table without a title has the name of
        the data set. Units and index are those of `fetch_french`.

    Raises
    ------
    ConnectionError, ValueError
        As in `fetch_french`; or if the file holds no table.

    Examples
    --------
    >>> from skfactor.datasets import fetch_french_tables
    >>> list(fetch_french_tables("5_Industry_Portfolios"))  # doctest: +SKIP
    ['Average Value Weighted Returns -- Monthly', ...]
    """
    if not _is_name(name):
        raise ValueError(
            f"name={name!r} is not the name of a data set, such as 'F-F_Research_Data_Factors'."
        )
    kept = _folder(data_home) / f"{name}_CSV.zip"
    if not refresh and kept.exists():
        try:
            return _tables(kept.read_bytes(), name)
        except (OSError, ValueError) as error:
            raise ValueError(f"{kept} {error}. With refresh=True it is replaced.") from error
    if not str(url).lower().startswith(("http://", "https://")):
        raise ValueError(f"url={url!r} has to begin with http:// or https://.")
    address = f"{url.rstrip('/')}/{name}_CSV.zip"
    content = _download(name, address, kept)
    try:
        tables = _tables(content, name)
    except ValueError as error:
        raise ValueError(f"{address} {error}. It was not kept.") from error
    _keep(content, kept)
    return tables


def _is_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[\w\-]+", name, re.ASCII) is not None


def _folder(data_home: str | os.PathLike[str] | None) -> Path:
    if data_home is None:
        data_home = os.environ.get("SKFACTOR_DATA") or "~/skfactor_data"
    return Path(data_home).expanduser() / "french"


def _download(name: str, address: str, kept: Path) -> bytes:
    """Contents of the file, if they are a zip file."""
    by_hand = (
        f"Connect this computer, or download {address} on another one and save it as {kept}; "
        "load_french() needs no network."
    )
    try:
        content = _within(_PATIENCE, address)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404:
            raise ValueError(
                f"The library has no data set {name!r}: {address} does not exist. Names are those "
                "of the CSV files on its page, without _CSV.zip."
            ) from error
        raise ConnectionError(f"{address} answered {error.code} {error.reason}.") from error
    # Errors of urllib, time-outs and broken connections; addresses and answers that are not HTTP.
    except (OSError, http.client.HTTPException, ValueError) as error:
        found = str(error) or type(error).__name__
        raise ConnectionError(f"{address} cannot be reached ({found}). {by_hand}") from error
    if not zipfile.is_zipfile(BytesIO(content)):
        raise ConnectionError(
            f"{address} answered with something that is not a zip file, such as the page of a "
            f"proxy. {by_hand}"
        )
    return content


def _within(seconds: float, address: str) -> bytes:
    """What an address answers, if all of it comes within a time.

    A server that sends a byte now and then lets no single read time out. So the reading is left to
    a thread, which is left alone if it takes too long.
    """
    answer: list[bytes | BaseException] = []
    end = time.monotonic() + seconds

    def read() -> None:
        try:
            answer.append(_read_until(end, address))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            answer.append(error)

    reader = threading.Thread(target=read, name="fetch_french", daemon=True)
    reader.start()
    reader.join(seconds)
    found = answer[0] if answer else TimeoutError(f"it took longer than {seconds:.0f} seconds")
    if isinstance(found, BaseException):
        raise found
    return found


def _read_until(end: float, address: str) -> bytes:
    opener = urllib.request.OpenerDirector()
    for handler in (  # without those for local files and FTP, to which a server could redirect
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    with opener.open(address, timeout=_SILENCE) as response:
        announced = response.headers.get("Content-Length", "")
        content = bytearray()
        while piece := response.read1(2**16):
            content += piece
            if len(content) > _MOST_BYTES:
                raise OSError(f"it is larger than {_MOST_BYTES} bytes")
            if time.monotonic() > end:
                raise TimeoutError("it took too long")
    if announced.isdecimal() and len(content) < int(announced):
        raise OSError(f"the connection broke after {len(content)} of {announced} bytes")
    return bytes(content)


def _keep(content: bytes, path: Path) -> None:
    """Write the file whole or not at all: another process may read it."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for abandoned in path.parent.glob(".*.part"):
            with contextlib.suppress(OSError):
                if time.time() - abandoned.stat().st_mtime > _ABANDONED:
                    abandoned.unlink()
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written: {error}. Pass another folder as data_home=, or set the "
            "environment variable SKFACTOR_DATA."
        ) from error


def _tables(content: bytes, name: str) -> dict[str, pd.DataFrame]:
    """All tables of a file by their titles; what is wrong with it follows its name in a message."""
    tables: dict[str, pd.DataFrame] = {}
    for place, block in enumerate(_blocks(_unzip(content).splitlines())):
        title = block.title or name
        while title in tables:
            title += " (again)"
        in_percent = place == 0 or re.search("return|factor", block.title, re.IGNORECASE)
        frame = _read(block)
        breakpoints = name.endswith("_Breakpoints")
        tables[title] = frame / 100.0 if in_percent and not breakpoints else frame
    if not tables:
        raise ValueError("has no table")
    return tables


def _unzip(content: bytes) -> str:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            if not members:
                raise ValueError("is a zip file without files in it")
            with archive.open(members[0]) as file:
                text = file.read(_MOST_UNPACKED + 1)
    # In this order: broken, another or no compression, encrypted, cut off, as each says itself.
    except (zipfile.BadZipFile, zlib.error, LZMAError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"is not a zip file that can be read ({error})") from error
    except (EOFError, OSError, OverflowError, MemoryError) as error:
        raise ValueError(f"is a damaged zip file ({type(error).__name__}: {error})") from error
    if len(text) > _MOST_UNPACKED:
        raise ValueError(f"unpacks to more than {_MOST_UNPACKED} bytes")
    return text.decode("cp1252", errors="replace")


def _blocks(lines: Iterable[str]) -> Iterator[_Block]:
    """Tables of a file: a title and a header, either of which may lack, and rows that are dates.

    All text between two tables is the title of the second. Above the first stands the description
    of the file, of which only the line right above the header is a title. A line of nothing but
    commas is empty.
    """
    block: _Block | None = None
    above: list[str] = []
    header, digits = "", 0
    for line in lines:
        row = _ROW.match(line)
        if row is not None:
            if block is None or above or header or len(row[1]) != digits:
                if block is not None:
                    yield block
                header = header or (block.header if block else "")
                block, above, digits = _Block(" ".join(above), header), [], len(row[1])
                header = ""
            block.rows.append(line)
        elif not line.strip(" ,"):
            if block is None and not header:
                above = []
        elif line.lstrip().startswith(","):
            header = line
        elif block is None:
            above = [line.strip(" ,")]
        else:
            above.append(line.strip(" ,"))
    if block is not None:
        yield block


def _read(block: _Block) -> pd.DataFrame:
    """Values of a table, in the units of the file."""
    found = f"has a table {block.title!r}"
    try:
        table = pd.read_csv(StringIO("\n".join(block.rows)), header=None, index_col=0, dtype=str)
        values = table.astype(np.float64)
        dates = table.index.astype(str).str.strip()
        form, freq = _DATES[len(dates[0])]
        index = pd.to_datetime(dates, format=form).to_period(freq).rename("date")
    except ValueError as error:
        raise ValueError(f"{found} that cannot be read ({error})") from error
    columns = [name.strip() for name in block.header.split(",")[1:]]
    if len(columns) == values.shape[1] and not columns[-1]:  # every line ends in a comma
        columns, values = columns[:-1], values.iloc[:, :-1]
    if not columns:
        columns = [str(place) for place in range(1, values.shape[1] + 1)]
    if len(columns) != values.shape[1]:
        raise ValueError(f"{found} of {len(columns)} names for {values.shape[1]} columns")
    if not index.is_unique:
        raise ValueError(f"{found} in which {index[index.duplicated()][0]} is twice")
    if np.isinf(values.to_numpy()).any():
        raise ValueError(f"{found} with infinite values")
    values = values.mask(values.isin(_MISSING))
    return pd.DataFrame(values.to_numpy(), index=index, columns=columns).sort_index()
