"""What fetch-sdss and fetch-lamost share: catalogues read row by row, and downloads that resume."""

import argparse
import csv
import errno
import fcntl
import gzip
import http.client
import itertools
import os
import random
import re
import signal
import sys
import threading
import time
import typing
import urllib.error
import urllib.parse
import urllib.request
import zlib

DONE, FAILED, USAGE, PARTIAL, STOPPED = 0, 1, 2, 3, 130

MISSING = {"", "null", "none", "nan", "n/a", "--", "masked", "-9999", "-9999.0", "<na>"}
BLOCK = 1 << 16
FITS_BLOCK = 2880
FITS_BEGIN = b"SIMPLE  ="
GZIP_BEGIN = b"\x1f\x8b"
LONGEST_WAIT = 60.0
# The folder cannot take files: no other download would fare better.
FOLDER_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


class CatalogueError(Exception):
    """The catalogue cannot be read on; names file and line."""


class RowError(Exception):
    """A row that names no spectrum; the others do not suffer."""


class DownloadError(Exception):
    """A transfer that failed; `again` says whether another try makes sense, `wait` when (seconds)."""

    def __init__(self, reason, again, wait=0.0):
        super().__init__(reason)
        self.again = again
        self.wait = wait


class Stopped(Exception):
    """The user asked to stop."""


class Download(typing.NamedTuple):
    """One spectrum: `path` is relative and without the suffix, which the content decides."""

    url: str
    path: str
    problem: str = ""


class Row:
    """A row of a catalogue; columns are found in any case and spelling."""

    def __init__(self, line, cells):
        self.line = line
        self.cells = cells

    def text(self, column):
        """The cell, "" where it is missing or there is no such column."""
        text = self.cells.get(column, "").strip()
        return "" if text.lower() in MISSING else text

    def number(self, column, low, high):
        """A whole number from low to high, also as "5.0"; RowError if it is missing or another."""
        text = self.text(column)
        if not text:
            raise RowError(f"{column} is missing")
        found = re.fullmatch(r"\+?([0-9]{1,18})(\.0*)?", text)
        if not found or not low <= int(found[1]) <= high:
            raise RowError(f"{column} '{text}' is no whole number from {low} to {high}")
        return int(found[1])

    def name(self, column):
        """A text that may become part of a path: it cannot leave its folder."""
        text = self.text(column)
        if text and not re.fullmatch(r"[A-Za-z0-9_+\-][A-Za-z0-9_+\-.]*", text):
            raise RowError(f"{column} {text!r} cannot be part of a file name")
        return text


def plain_name(column):
    return re.sub(r"[^a-z0-9]", "", column.lower())


def catalogue_rows(path, *needed):
    """The rows of a text table, gzip or not, with , ; | or tabs between cells."""
    line_number = 0

    def lines(file):
        nonlocal line_number
        for line in file:
            line_number += 1
            if line.strip() and not line.startswith("#"):
                yield line

    try:
        with open(path, "rb") as raw:
            begin = raw.read(len(FITS_BEGIN))
        if begin == FITS_BEGIN:
            raise CatalogueError(f"{path}: a FITS table; save its columns as CSV")
        opened = gzip.open if begin.startswith(GZIP_BEGIN) else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            text = lines(file)
            header = next(text, "")
            separator = max(",;|\t", key=header.count)
            reader = csv.reader(itertools.chain([header], text), delimiter=separator)
            columns = [plain_name(column) for column in next(reader, [])]
            absent = [column for column in needed if column not in columns]
            if absent:
                found = " ".join(columns)
                raise CatalogueError(f"{path}: no column {' or '.join(absent)}; columns: {found}")
            for cells in reader:
                if len(cells) != len(columns):
                    raise CatalogueError(f"{path}: line {line_number}: {len(cells)} cells, "
                                         f"the header has {len(columns)}")
                yield Row(line_number, dict(zip(columns, cells)))
    except (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: line {line_number + 1}: {error}") from error


def downloads_of(rows, spectrum_of, limit):
    """A Download for every row; those that name no spectrum carry the reason."""
    for row in itertools.islice(rows, limit):
        try:
            yield Download(*spectrum_of(row))
        except RowError as error:
            yield Download("", "", f"line {row.line}: {error}")


def gzip_problem(path):
    """Why the content is no FITS file, and whether another try may help; reads all of it."""
    size = 0
    try:
        with gzip.open(path) as content:
            if content.read(len(FITS_BEGIN)) != FITS_BEGIN:
                return "no FITS file in the gzip", False
            size = len(FITS_BEGIN)
            while block := content.read(BLOCK):
                size += len(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"broken gzip: {error}", True
    return cut_problem(size)


def cut_problem(size):
    if size % FITS_BLOCK:
        return f"cut short: {size} bytes are no whole number of FITS blocks", True
    return "", False


def suffix_of(path, whole):
    """".fits" or ".fits.gz", from the content; DownloadError if it is neither. `whole` also reads
    gzip to its end, where its checksum stands."""
    with open(path, "rb") as file:
        begin = file.read(512)
    if begin.startswith(FITS_BEGIN):
        suffix, (problem, again) = ".fits", cut_problem(os.path.getsize(path))
    elif begin.startswith(GZIP_BEGIN):
        suffix, (problem, again) = ".fits.gz", gzip_problem(path) if whole else ("", False)
    elif begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise DownloadError("an HTML page, no spectrum", again=False)
    else:
        raise DownloadError("neither FITS nor gzip", again=False)
    if problem:
        raise DownloadError(problem, again)
    return suffix


def is_there(target):
    """Downloads get their name when they are whole; what others left is asked for its kind."""
    for suffix in (".fits", ".fits.gz"):
        try:
            if suffix_of(target + suffix, whole=False) == suffix:
                return True
        except (DownloadError, FileNotFoundError):
            pass
    return False


def without_token(url):
    return re.sub(r"(token=)[^&]+", r"\1...", url)


def http_error(error):
    again = error.code in (408, 425, 429) or error.code >= 500
    wait = error.headers.get("Retry-After", "") if error.headers else ""
    return DownloadError(f"HTTP {error.code} {error.reason}", again,
                         float(wait) if wait.isdecimal() else 0.0)


def transfer(url, target, timeout, stop):
    """Downloads to target.part, from where an earlier try ended, and renames; returns the bytes
    received."""
    part = target + ".part"
    have = os.path.getsize(part) if os.path.exists(part) else 0
    headers = {"User-Agent": "balmer-fetch/1", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers),
                                        timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:
                os.remove(part)
                return transfer(url, target, timeout, stop)
            raise http_error(error) from error
    received = 0
    with answer:
        continued = answer.status == 206
        if continued and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            os.remove(part)
            raise DownloadError("the server sent another range than asked for", again=True)
        length = answer.headers.get("Content-Length", "")
        with open(part, "ab" if continued else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                received += len(block)
                if stop.is_set():
                    raise Stopped
    if length.isdecimal() and received != int(length):
        raise DownloadError(f"{received} of {length} bytes arrived", again=True)
    try:
        suffix = suffix_of(part, whole=True)
    except DownloadError as error:
        os.remove(part)
        # The beginning may have been of another file than the end.
        error.again = error.again or continued
        raise
    os.replace(part, target + suffix)
    return received


class Fetcher:
    """Threads that take downloads from one list; counts what became of them."""

    def __init__(self, options, downloads, total):
        self.options = options
        self.downloads = downloads
        self.total = total
        self.fetched = self.there = self.bytes = 0
        self.failures = []
        self.stop = threading.Event()
        self.fatal = None
        self.began = time.monotonic()
        self.lock = threading.Lock()
        self.busy = set()

    def done(self):
        return self.fetched + self.there + len(self.failures)

    def run(self):
        """Returns the exit code; prints progress and the result."""
        threads = [threading.Thread(target=self.work, daemon=True)
                   for _ in range(self.options.workers)]
        code = None
        try:
            for thread in threads:
                thread.start()
            self.watch(threads)
        except KeyboardInterrupt:
            code = STOPPED
            self.stop.set()
            for thread in threads:
                thread.join(1.0)
        with self.lock:
            self.write_failures()
            return self.result(code)

    def work(self):
        try:
            while not self.stop.is_set():
                with self.lock:
                    download = next(self.downloads, None)
                    if download is None:
                        return
                    # The same spectrum twice in a catalogue: the first row fetches it.
                    is_twin = download.path != "" and download.path in self.busy
                    if is_twin:
                        self.there += 1
                    else:
                        self.busy.add(download.path)
                if not is_twin:
                    self.one(download)
        except Stopped:
            pass
        except BaseException as error:  # whatever it is, the other threads must not go on
            self.fatal = self.fatal or error
            self.stop.set()

    def one(self, download):
        received, problem, was_there = 0, download.problem, False
        target = os.path.join(self.options.out, download.path)
        if not problem:
            try:
                was_there = is_there(target)
                if not was_there:
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    received = self.with_retries(download.url, target)
            except DownloadError as error:
                problem = str(error)
        with self.lock:
            self.busy.discard(download.path)
            self.bytes += received
            if problem:
                self.failures.append((without_token(download.url), download.path, problem))
            elif was_there:
                self.there += 1
            else:
                self.fetched += 1

    def with_retries(self, url, target):
        for attempt in itertools.count():
            try:
                return transfer(url, target, self.options.timeout, self.stop)
            except DownloadError as error:
                problem = error
            except (OSError, http.client.HTTPException) as error:
                if getattr(error, "errno", None) in FOLDER_ERRORS:
                    raise
                reason = getattr(error, "reason", error)
                problem = DownloadError(str(reason) or type(reason).__name__, again=True)
            if not problem.again or attempt == self.options.retries:
                raise problem
            wait = self.options.backoff * 2**attempt * random.uniform(0.5, 1.0)
            if self.stop.wait(min(max(wait, problem.wait), LONGEST_WAIT)):
                raise Stopped

    def watch(self, threads):
        on_terminal = sys.stderr.isatty()
        pause = 0.5 if on_terminal else 30.0
        shown = self.began
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                if time.monotonic() - shown >= pause:
                    shown = time.monotonic()
                    end = "\x1b[K\r" if on_terminal else "\n"
                    print(self.progress(), end=end, file=sys.stderr, flush=True)
        if on_terminal:
            print("\x1b[K", end="", file=sys.stderr)

    def progress(self):
        seconds = max(time.monotonic() - self.began, 1e-3)
        done = self.done()
        # What was there already took no time and says nothing of the rest.
        asked = done - self.there
        left = seconds * (self.total - done) / asked if asked else 0.0
        eta = time.strftime("%H:%M:%S", time.gmtime(left % 86400)) if asked else "?"
        if left >= 86400:
            eta = f"{left / 86400:.1f} days"
        return (f"{done} of {self.total}, {len(self.failures)} failed, {asked / seconds:.1f} files/s, "
                f"{self.bytes / seconds / 2**20:.2f} MiB/s, ETA {eta}")

    def write_failures(self):
        path = os.path.join(self.options.out, "failed.csv")
        if not self.failures:
            if os.path.exists(path):
                os.remove(path)
            return
        with open(path + ".part", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("url", "path", "reason"))
            writer.writerows(sorted(self.failures))
        os.replace(path + ".part", path)

    def result(self, code):
        print(f"fetched {self.fetched} ({self.bytes / 2**20:.2f} MiB), already there {self.there}, "
              f"failed {len(self.failures)}", file=sys.stderr)
        for url, _, problem in self.failures[:3]:
            print(f"  {url or self.options.catalogue}: {problem}", file=sys.stderr)
        if self.failures:
            print(f"  all in {os.path.join(self.options.out, 'failed.csv')}", file=sys.stderr)
        if code == STOPPED:
            print("stopped; the same command goes on from here", file=sys.stderr)
            return code
        if self.fatal is not None:
            raise self.fatal
        if not self.failures:
            return DONE
        return PARTIAL if self.fetched or self.there else FAILED


def whole(low):
    def parse(text):
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number from {low} up")
        return int(text)
    return parse


def seconds(text):
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError(text)
    return value


def web_address(text):
    if urllib.parse.urlsplit(text).scheme not in ("http", "https"):
        raise argparse.ArgumentTypeError(f"'{text}' begins with neither http:// nor https://")
    return text.rstrip("/")


def options_of(description, epilog):
    """The options that all surveys have."""
    parser = argparse.ArgumentParser(description=description, epilog=epilog, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", help="CSV, separated by , ; | or tabs; .gz too")
    parser.add_argument("--out", metavar="DIR", required=True, help="the data root to fill")
    parser.add_argument("--list", action="store_true",
                        help="print address, tab and target of each file; fetch nothing")
    parser.add_argument("--limit", type=whole(1), metavar="N", help="only the first N rows")
    parser.add_argument("--workers", type=whole(1), default=4, metavar="N",
                        help="files at a time (default: 4)")
    parser.add_argument("--retries", type=whole(0), default=4, metavar="N",
                        help="further tries of a file (default: 4)")
    parser.add_argument("--backoff", type=seconds, default=1.0, metavar="SECONDS",
                        help="wait before the first retry; doubles with each (default: 1)")
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="SECONDS",
                        help="how long a silent server is waited for (default: 60)")
    return parser


def locked_folder(folder):
    """Two programs that write the same partial files would mix them."""
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def fetch(options, needed, spectrum_of):
    """Fetches what the catalogue names; spectrum_of(row) is (url, path without suffix), or throws
    RowError. Returns the exit code."""
    def downloads():
        return downloads_of(catalogue_rows(options.catalogue, *needed), spectrum_of, options.limit)

    program = os.path.basename(sys.argv[0])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.list:
            problems = 0
            for download in downloads():
                if download.problem:
                    problems += 1
                    print(f"{options.catalogue}: {download.problem}", file=sys.stderr)
                else:
                    target = os.path.join(options.out, download.path + ".fits")
                    print(f"{download.url}\t{target}")
            return PARTIAL if problems else DONE
        total = sum(1 for _ in downloads())
        lock = locked_folder(options.out)
        try:
            return Fetcher(options, downloads(), total).run()
        finally:
            os.close(lock)
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:  # whoever read the list has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except BlockingIOError:
        print(f"{program}: {options.out}: another program fetches into it", file=sys.stderr)
    except (CatalogueError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
    return FAILED
