#!/usr/bin/env python3
"""fetch-sdss and fetch-lamost against a server on this machine, which misbehaves as it is told."""

import collections
import csv
import fcntl
import gzip
import http.server
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"

FITS = (b"SIMPLE  =                    T".ljust(80) + b"END".ljust(80)).ljust(2880) + bytes(
    range(256)) * 45
FITS_GZIP = gzip.compress(FITS)
SDSS_PATH = "26/spectra/lite/0266/spec-0266-51602-0001"
SDSS_CATALOGUE = "plate,mjd,fiberID,run2d\n266,51602,1,26\n"


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path answers with the next of its faults, then with its content."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        path = self.path.partition("?")[0]
        asked = self.headers.get("Range", "")
        with server.lock:
            server.requests.append((self.path, asked))
            fault = server.faults[path].popleft() if server.faults[path] else None
        content = server.contents.get(path)
        if callable(fault):
            return fault(self, content)
        if content is None:
            return self.answer(404, b"no such file")
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if first >= len(content):
            return self.answer(416, b"")
        if asked and not server.ignores_range:
            last = len(content) - 1
            return self.answer(206, content[first:],
                               {"Content-Range": f"bytes {first}-{last}/{len(content)}"})
        return self.answer(200, content)

    def answer(self, status, body, headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


def fails_with(status, headers=None):
    return lambda handler, _: handler.answer(status, b"sorry", headers)


def stops_after(count):
    return lambda handler, content: handler.answer(200, content[:count], length=len(content))


def without_length(body):
    def answer(handler, _):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True
    return answer


def waits_after(count):
    def answer(handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:count])
        handler.wfile.flush()
        handler.server.released.wait(20)
        handler.close_connection = True
    return answer


class FetchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.lock = threading.Lock()
        self.server.released = threading.Event()
        self.server.requests = []
        self.server.contents = {}
        self.server.faults = collections.defaultdict(collections.deque)
        self.server.ignores_range = False
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.server.released.set)
        self.base = f"http://127.0.0.1:{self.server.server_port}/redux"

    def serve(self, path, content=FITS, *faults):
        self.server.contents["/redux/" + path] = content
        self.server.faults["/redux/" + path].extend(faults)

    def command(self, survey, catalogue, *options):
        path = self.folder / "catalogue.csv"
        path.write_bytes(catalogue if isinstance(catalogue, bytes) else catalogue.encode())
        return [sys.executable, SCRIPTS / f"fetch-{survey}", path, "--out", self.out,
                "--base", self.base, "--backoff", "0.01", "--timeout", "5", *options]

    def environment(self, **more):
        inherited = {name: value for name, value in os.environ.items()
                     if "proxy" not in name.lower() and name != "LAMOST_TOKEN"}
        return {**inherited, "PYTHONDONTWRITEBYTECODE": "1", **more}

    def fetch(self, survey, catalogue, *options, code=0, **environment):
        done = subprocess.run(self.command(survey, catalogue, *options), capture_output=True,
                              text=True, timeout=60, env=self.environment(**environment))
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done

    def files(self):
        return sorted(str(path.relative_to(self.out)) for path in self.out.rglob("*")
                      if path.is_file())

    def failures(self):
        with open(self.out / "failed.csv", newline="") as file:
            return list(csv.DictReader(file))

    def read(self, path):
        return (self.out / path).read_bytes()

    # Lists

    def test_sdss_lists_the_folders_of_the_archive(self):
        catalogue = ("#Table1\nspecObjID,PLATE,MJD,FiberID,run2d\n1,266,51602,1,26\n"
                     "2,10656,58163,366,v5_13_2\n")
        listed = self.fetch("sdss", catalogue, "--list").stdout.splitlines()
        self.assertEqual(listed, [
            f"{self.base}/26/spectra/lite/0266/spec-0266-51602-0001.fits\t"
            f"{self.out}/26/spectra/lite/0266/spec-0266-51602-0001.fits",
            f"{self.base}/v5_13_2/spectra/lite/10656/spec-10656-58163-0366.fits\t"
            f"{self.out}/v5_13_2/spectra/lite/10656/spec-10656-58163-0366.fits"])
        self.assertFalse(self.out.exists())
        self.assertEqual(self.server.requests, [])

    def addresses(self, *options):
        rows = SDSS_CATALOGUE + "4055,55359,596,v5_13_2\n"
        command = [part for part in self.command("sdss", rows, "--list", *options)
                   if part not in ("--base", self.base)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment())
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    def test_sdss_releases_differ_in_their_folders(self):
        sas = "https://data.sdss.org/sas"
        old, new = SDSS_PATH, "v5_13_2/spectra/lite/4055/spec-4055-55359-0596"
        self.assertEqual(self.addresses(), [f"{sas}/dr18/spectro/sdss/redux/{old}.fits",
                                            f"{sas}/dr18/spectro/sdss/redux/{new}.fits"])
        self.assertEqual(self.addresses("--release", "dr17"),
                         [f"{sas}/dr17/sdss/spectro/redux/{old}.fits",
                          f"{sas}/dr17/eboss/spectro/redux/{new}.fits"])
        self.assertIn("/spectra/full/0266/", self.addresses("--full")[0])

    def test_sdss_without_run2d_guesses_the_run_and_files_by_plate(self):
        listed = self.fetch("sdss", "plate|mjd|fiberid\n266|51602|1\n4055|55359|596\n",
                            "--list").stdout
        self.assertIn(f"/26/spectra/lite/0266/spec-0266-51602-0001.fits\t{self.out}/0266/spec-", listed)
        self.assertIn(f"/v5_13_2/spectra/lite/4055/spec-4055-55359-0596.fits\t{self.out}/4055/", listed)

    def test_lamost_lists_the_names_of_the_survey(self):
        catalogue = "obsid|lmjd|planid|spid|fiberid\n105172|55859|F5902|5.0|172\n"
        listed = self.fetch("lamost", catalogue, "--list", LAMOST_TOKEN="abc").stdout
        self.assertEqual(listed, f"{self.base}/spectrum/fits/105172?token=abc\t"
                                 f"{self.out}/20111024/F5902/spec-55859-F5902_sp05-172.fits\n")
        listed = self.fetch("lamost", "obsid,file\n7,20111024/F5902/a.fits.gz\n8,\n", "--list").stdout
        self.assertIn(f"/fits/7\t{self.out}/20111024/F5902/a.fits\n", listed)
        self.assertIn(f"/fits/8\t{self.out}/8.fits\n", listed)

    # Downloads

    def test_files_arrive_whole_and_a_second_run_asks_for_nothing(self):
        rows = "".join(f"266,51602,{fiber},26\n" for fiber in range(1, 21))
        for fiber in range(1, 21):
            self.serve(f"26/spectra/lite/0266/spec-0266-51602-{fiber:04}.fits")
        catalogue = gzip.compress(b"\xef\xbb\xbfplate,mjd,fiberID,run2d\r\n" + rows.encode())
        self.assertIn("fetched 20 ", self.fetch("sdss", catalogue).stderr)
        self.assertEqual(len(self.files()), 20)
        self.assertEqual(self.read(SDSS_PATH + ".fits"), FITS)
        self.assertIn("already there 20", self.fetch("sdss", catalogue).stderr)
        self.assertEqual(len(self.server.requests), 20)

    def test_gzip_is_named_by_its_content(self):
        self.serve("spectrum/fits/105172", FITS_GZIP)
        catalogue = "obsid,lmjd,planid,spid,fiberid\n105172,55859,F5902,5,172\n"
        self.fetch("lamost", catalogue, "--token", "a b")
        self.assertEqual(self.files(), ["20111024/F5902/spec-55859-F5902_sp05-172.fits.gz"])
        self.assertEqual(self.server.requests[0][0], "/redux/spectrum/fits/105172?token=a+b")
        self.assertIn("already there 1", self.fetch("lamost", catalogue).stderr)

    def test_server_errors_are_tried_again(self):
        self.serve(SDSS_PATH + ".fits", FITS, fails_with(500),
                   fails_with(503, {"Retry-After": "1"}))
        began = time.monotonic()
        self.fetch("sdss", SDSS_CATALOGUE)
        self.assertGreaterEqual(time.monotonic() - began, 1.0)
        self.assertEqual(len(self.server.requests), 3)
        self.assertEqual(self.read(SDSS_PATH + ".fits"), FITS)

    def test_retries_end(self):
        self.serve(SDSS_PATH + ".fits", FITS, *[fails_with(500)] * 9)
        self.fetch("sdss", SDSS_CATALOGUE, "--retries", "2", code=1)
        self.assertEqual(len(self.server.requests), 3)
        self.assertIn("HTTP 500", self.failures()[0]["reason"])

    def test_a_truncated_body_goes_on_where_it_ended(self):
        self.serve(SDSS_PATH + ".fits", FITS, stops_after(5000))
        self.fetch("sdss", SDSS_CATALOGUE)
        self.assertEqual([asked for _, asked in self.server.requests], ["", "bytes=5000-"])
        self.assertEqual(self.read(SDSS_PATH + ".fits"), FITS)
        self.assertEqual(self.files(), [SDSS_PATH + ".fits"])

    def test_a_truncated_body_starts_anew_where_ranges_are_ignored(self):
        self.server.ignores_range = True
        self.serve(SDSS_PATH + ".fits", FITS, stops_after(5000))
        self.fetch("sdss", SDSS_CATALOGUE)
        self.assertEqual(self.read(SDSS_PATH + ".fits"), FITS)

    def test_partial_files_of_an_earlier_run_are_used(self):
        part = self.out / (SDSS_PATH + ".part")
        self.serve(SDSS_PATH + ".fits")
        for earlier, asked in ((FITS[:7000], ["bytes=7000-"]), (FITS, [f"bytes={len(FITS)}-", ""])):
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(earlier)
            (self.out / (SDSS_PATH + ".fits")).unlink(missing_ok=True)
            self.server.requests.clear()
            self.fetch("sdss", SDSS_CATALOGUE, "--retries", "0")
            self.assertEqual([range_ for _, range_ in self.server.requests], asked)
            self.assertEqual(self.read(SDSS_PATH + ".fits"), FITS)

    def test_a_partial_file_of_another_spectrum_is_replaced(self):
        part = self.out / "105172.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(gzip.compress(FITS[::-1])[:500])
        self.serve("spectrum/fits/105172", FITS_GZIP)
        self.fetch("lamost", "obsid\n105172\n")
        self.assertEqual(self.read("105172.fits.gz"), FITS_GZIP)

    def test_a_body_cut_without_a_length_is_noticed(self):
        self.serve("spectrum/fits/1", FITS_GZIP, without_length(FITS_GZIP[:-9]))
        self.serve("spectrum/fits/2", FITS, without_length(FITS[:-9]))
        self.fetch("lamost", "obsid\n1\n2\n")
        self.assertEqual(self.read("1.fits.gz"), FITS_GZIP)
        self.assertEqual(self.read("2.fits"), FITS)

    def test_a_file_cut_by_others_is_fetched_again(self):
        target = self.out / (SDSS_PATH + ".fits")
        target.parent.mkdir(parents=True)
        target.write_bytes(FITS[:3000])
        self.serve(SDSS_PATH + ".fits")
        self.fetch("sdss", SDSS_CATALOGUE)
        self.assertEqual(target.read_bytes(), FITS)

    # Failures

    def test_missing_files_and_pages_are_listed_and_not_tried_again(self):
        self.serve(SDSS_PATH + ".fits")
        page = SDSS_PATH.replace("-0001", "-0002.fits")
        self.serve(page, b"<!DOCTYPE html><html>Please log in</html>")
        done = self.fetch("sdss", SDSS_CATALOGUE + "266,51602,2,26\n266,51602,3,26\n,51602,4,26\n",
                          code=3)
        failed = {row["url"].removeprefix(self.base): row["reason"] for row in self.failures()}
        self.assertEqual(failed, {"": "line 5: plate is missing",
                                  "/" + page: "an HTML page, no spectrum",
                                  "/" + page.replace("0002", "0003"): "HTTP 404 Not Found"})
        self.assertIn(self.base + "/" + page, done.stderr)
        self.assertEqual(self.files(), [SDSS_PATH + ".fits", "failed.csv"])
        self.assertEqual(len(self.server.requests), 3)

    def test_a_list_of_failures_goes_when_there_are_none(self):
        self.fetch("sdss", SDSS_CATALOGUE, code=1)
        self.serve(SDSS_PATH + ".fits")
        self.fetch("sdss", SDSS_CATALOGUE)
        self.assertEqual(self.files(), [SDSS_PATH + ".fits"])

    def test_tokens_stay_out_of_messages(self):
        done = self.fetch("lamost", "obsid\n1\n", "--token", "secret", code=1)
        self.assertNotIn("secret", done.stderr + (self.out / "failed.csv").read_text())

    def test_names_cannot_leave_the_folder(self):
        catalogue = ("obsid,lmjd,planid,spid,fiberid,file\n1,55859,../../x,5,172,\n"
                     "2,,,,,../x.fits\n3,,,,,/tmp/x.fits\n")
        self.fetch("lamost", catalogue, code=1)
        self.fetch("sdss", "plate,mjd,fiberid,run2d\n266,51602,1,../26\n", code=1)
        self.assertEqual(self.server.requests, [])

    def test_broken_catalogues_name_their_line(self):
        self.assertIn("line 3: 3 cells, the header has 4",
                      self.fetch("sdss", SDSS_CATALOGUE + "1,2,3\n", code=1).stderr)
        self.assertIn("no column obsid", self.fetch("lamost", "a,b\n1,2\n", code=1).stderr)
        self.assertIn("FITS table", self.fetch("sdss", FITS, code=1).stderr)

    def test_usage_errors_exit_2(self):
        self.fetch("sdss", SDSS_CATALOGUE, "--workers", "0", code=2)
        self.fetch("lamost", "obsid\n1\n", "--base", "file:///etc", code=2)

    def test_limit_ends_the_list(self):
        rows = SDSS_CATALOGUE + "266,51602,2,26\n"
        self.assertEqual(len(self.fetch("sdss", rows, "--list", "--limit", "1").stdout.splitlines()), 1)

    def test_a_full_disk_ends_everything(self):
        rows = "".join(f"{obsid}\n" for obsid in range(1, 51))
        for obsid in range(1, 51):
            self.serve(f"spectrum/fits/{obsid}", FITS_GZIP)
        self.out.mkdir()
        (self.out / "1.part").symlink_to("/dev/full")
        done = self.fetch("lamost", "obsid\n" + rows, "--workers", "1", code=1)
        self.assertIn("No space left on device", done.stderr)
        self.assertEqual(len(self.server.requests), 1)

    def test_one_program_at_a_time_writes_a_folder(self):
        self.out.mkdir()
        descriptor = os.open(self.out, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = self.fetch("sdss", SDSS_CATALOGUE, code=1)
        self.assertIn("another program fetches into it", done.stderr)
        self.assertEqual(self.server.requests, [])

    def test_stopping_keeps_what_arrived(self):
        self.serve(SDSS_PATH + ".fits", FITS * 20, waits_after(140000))
        catalogue = SDSS_CATALOGUE
        running = subprocess.Popen(self.command("sdss", catalogue), stderr=subprocess.PIPE,
                                   text=True, env=self.environment())
        part = self.out / (SDSS_PATH + ".part")
        limit = time.monotonic() + 20
        while time.monotonic() < limit and not (part.exists() and part.stat().st_size > 0):
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        self.assertIn("goes on from here", running.communicate(timeout=20)[1])
        self.assertEqual(running.returncode, 130)
        have = part.stat().st_size
        self.assertGreater(have, 0)
        self.fetch("sdss", catalogue)
        self.assertEqual(self.server.requests[-1][1], f"bytes={have}-")
        self.assertEqual(self.read(SDSS_PATH + ".fits"), FITS * 20)


if __name__ == "__main__":
    unittest.main()
