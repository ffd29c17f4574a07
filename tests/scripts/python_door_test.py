#!/usr/bin/env python3
"""Runs the snippets of docs/python.md on packed sets of every store and compares what they read with the files.

    python_door_test.py VIT_DATA        (or BALMER_VIT_DATA=VIT_DATA)

Exit code 77 where numpy or safetensors is absent. Snippets that need another package that is absent are left out.
"""

import contextlib
import csv
import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SKIPPED = 77
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "python.md"
STORES = ("f32", "f16", "bf16")
OPTIONAL = ("pandas", "matplotlib", "torch")
COUNT = 40
LABELS = ("z", "z_err", "teff", "logg", "feh", "ra", "dec")

program = os.environ.get("BALMER_VIT_DATA", "")


def has(package):
    return importlib.util.find_spec(package) is not None


def snippets():
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def absent_packages(snippet):
    """Those that the snippet needs, or that it needs for names of an earlier one."""
    needed = [name for name in OPTIONAL if re.search(rf"^(import|from) (\w+\.)?{name}\b", snippet, re.MULTILINE)]
    if re.search(r"\btable\b", snippet):
        needed.append("pandas")
    return [name for name in needed if not has(name)]


def run_document(folder):
    """The names that the snippets leave behind, run one after the other in `folder`."""
    names = {}
    before = os.getcwd()
    os.chdir(folder)
    try:
        for number, snippet in enumerate(snippets(), 1):
            absent = absent_packages(snippet)
            if absent:
                print(f"snippet {number} is left out: no {', '.join(absent)}", file=sys.stderr)
                continue
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(snippet, f"docs/python.md, snippet {number}", "exec"), names)
        names["every"] = list(names["spectra"](names["shards"]))
    finally:
        os.chdir(before)
    return names


def number(text):
    return float(text) if text else float("nan")


class PythonDoor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="balmer-python-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = Path(cls.temporary.name)
        cls.make("simulate", "--out", "simulated", "--count", str(COUNT), "--seed", "5")
        with open(cls.root / "simulated" / "catalog.csv", newline="", encoding="utf-8") as catalogue:
            cls.catalogue = {row["file"]: row for row in csv.DictReader(catalogue)}
        cls.sets = {}
        for store in STORES:
            (cls.root / store).mkdir()
            cls.make("pack", "--out", f"{store}/packed", "--store", store, "--shard-size", "15", "--workers", "1",
                     "--catalog", "simulated/catalog.csv", "simulated")
            cls.sets[store] = run_document(cls.root / store)

    @classmethod
    def make(cls, *arguments):
        done = subprocess.run([program, *arguments], cwd=cls.root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(arguments)}: {done.returncode}\n{done.stderr}")

    def for_every_spectrum(self, check):
        for store, names in self.sets.items():
            for index, spectrum in enumerate(names["every"]):
                with self.subTest(store=store, file=spectrum["file"]):
                    check(store, index, spectrum)

    def test_document_has_snippets(self):
        self.assertGreaterEqual(len(snippets()), 8)

    def test_spectra_are_all_there_once(self):
        for store, names in self.sets.items():
            files = [Path(spectrum["file"]).name for spectrum in names["every"]]
            self.assertEqual(sorted(files), sorted(self.catalogue), store)
            self.assertEqual(names["manifest"]["store"], store)
            self.assertEqual(len(names["shards"]), 3)
            self.assertEqual(("flux_exponent" in names["load_shard"](self.root / store / names["shards"][0])),
                             store == "f16")

    def test_stores_agree_within_their_precision(self):
        def check(store, index, spectrum):
            exact = self.sets["f32"]["every"][index]
            self.assertEqual(spectrum["file"], exact["file"])
            numpy.testing.assert_array_equal(spectrum["wavelength"], exact["wavelength"])
            numpy.testing.assert_array_equal(spectrum["good"], exact["good"])
            self.compare_pixels(store, spectrum, exact["flux"], exact["inverse_variance"])

        self.for_every_spectrum(check)

    def compare_pixels(self, store, spectrum, flux, inverse_variance):
        largest = numpy.abs(flux).max()
        relative, absolute = {"f32": (0, 0), "f16": (2.0**-11, largest * 2.0**-39), "bf16": (2.0**-8, 0)}[store]
        numpy.testing.assert_allclose(spectrum["flux"], flux, rtol=relative, atol=absolute)
        relative = 0 if store == "f32" else 2.0**-8
        numpy.testing.assert_allclose(spectrum["inverse_variance"], inverse_variance, rtol=relative, atol=0)

    def test_labels_are_those_of_the_catalogue(self):
        for store, names in self.sets.items():
            start = 0
            for path in names["shards"]:
                columns = names["load_shard"](self.root / store / path)
                for i in range(len(columns["row"])):
                    row = self.catalogue[Path(names["text"](columns, "file", i)).name]
                    for label in LABELS:
                        numpy.testing.assert_equal(columns[label][i], number(row[label]), f"{store} {label}")
                    self.assertEqual(int(columns["object_id"][i]) % 2**64, int(row["object_id"]))
                    self.assertEqual(names["manifest"]["classes"][columns["object_class"][i]], row["class"])
                    subclass = columns["subclass"][i]
                    self.assertEqual(names["manifest"]["subclasses"][subclass] if subclass >= 0 else "",
                                     row["subclass"])
                start += len(columns["row"])
            self.assertEqual(start, COUNT)

    @unittest.skipUnless(has("pandas"), "no pandas")
    def test_table_has_the_labels_and_splits(self):
        for store, names in self.sets.items():
            table = names["table"]
            self.assertEqual(list(table.file), [spectrum["file"] for spectrum in names["every"]], store)
            counts = {name: int(count) for name, count in table.split.value_counts().items()}
            self.assertEqual(counts, names["manifest"]["split_counts"])
            for entry in table.itertuples():
                row = self.catalogue[Path(entry.file).name]
                self.assertEqual((entry.object_class, entry.specobjid, entry.zwarn),
                                 (row["class"], int(row["object_id"]), int(row["zwarn"])))
                numpy.testing.assert_equal(entry.teff, number(row["teff"]))
            stars = table[(table.split == "train") & table.teff.notna()]
            self.assertEqual([spectrum["file"] for spectrum in names["chosen"]], list(stars.file))
            self.assertGreater(len(stars), 0)

    def test_labels_that_a_file_lacks_are_missing(self):
        folder = self.root / "unlabelled"
        folder.mkdir()
        lines = [f"{wavelength},{1 + wavelength % 7}" for wavelength in range(4000, 4500)]
        (folder / "alone.csv").write_text("\n".join(["wavelength,flux", *lines, ""]), encoding="utf-8")
        self.make("pack", "--out", "unlabelled/packed", "--wavelength-medium", "vacuum", "--wavelength-unit",
                  "angstrom", "unlabelled/alone.csv")
        names = run_document(folder)
        columns = names["load_shard"](folder / "packed" / "shard-00000.safetensors")
        self.assertTrue(numpy.isnan([columns[label][0] for label in LABELS]).all())
        self.assertEqual((columns["zwarn"][0], columns["grid_start"][0]), (numpy.iinfo(numpy.int64).min,) * 2)
        self.assertEqual((columns["object_class"][0], columns["subclass"][0], columns["object_id"][0]), (-1, -1, 0))
        self.assertEqual(columns["inverse_variance_known"][0], 0)
        numpy.testing.assert_array_equal(names["every"][0]["flux"], [1 + x % 7 for x in range(4000, 4500)])
        numpy.testing.assert_array_equal(names["every"][0]["inverse_variance"], numpy.ones(500))
        if has("pandas"):
            self.assertTrue(names["table"][["object_class", "subclass", "zwarn", *LABELS]].isna().all(axis=None))

    @unittest.skipUnless(has("torch"), "no torch")
    def test_torch_reads_the_same_flux(self):
        for store, names in self.sets.items():
            numpy.testing.assert_array_equal(names["flux"].numpy(), names["every"][0]["flux"], store)

    @unittest.skipUnless(has("matplotlib"), "no matplotlib")
    def test_figure_is_drawn(self):
        for store in STORES:
            self.assertEqual((self.root / store / "spectrum.png").read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    @unittest.skipUnless(has("astropy"), "no astropy")
    def test_pixels_and_labels_are_those_of_the_files(self):
        from astropy.io import fits

        def check(store, _, spectrum):
            name = Path(spectrum["file"]).name
            with fits.open(self.root / "simulated" / name) as file:
                pixels, labels = file["COADD"].data, file["SPALL"].data[0]
                self.assertEqual(labels["CLASS"].strip(), self.catalogue[name]["class"])
                self.assertAlmostEqual(float(labels["Z"]), float(self.catalogue[name]["z"]), delta=1e-6)
                wavelength = 10.0 ** pixels["loglam"].astype(numpy.float64)
                numpy.testing.assert_allclose(spectrum["wavelength"], wavelength, rtol=1e-12)
                self.assertGreater(spectrum["good"].sum(), 0.5 * len(wavelength))
                inverse_variance = numpy.where(spectrum["good"], pixels["ivar"], 0)
                self.compare_pixels(store, spectrum, pixels["flux"], inverse_variance)

        self.for_every_spectrum(check)


if __name__ == "__main__":
    missing = [package for package in ("numpy", "safetensors") if not has(package)]
    if missing:
        print(f"skipped: {sys.executable} has no {', '.join(missing)}")
        sys.exit(SKIPPED)
    import numpy
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        program = sys.argv.pop(1)
    program = os.path.abspath(program) if program else "vit-data"
    unittest.main()
