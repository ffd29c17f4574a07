#!/usr/bin/env python3
"""Balmer's renderer on the CPU and matplotlib, in one run on one machine.

    bench/compare_matplotlib.py --binaries build/cpu/bin --json bench/results/matplotlib.json
    bench/compare_matplotlib.py --binaries build/cpu/bin --spectra SET --json FILE

Images, 224 x 224, of the spectra of a packed set (default: simulated ones, made on the way) on their
own grids. Python draws each type by the code that makes the goldens, and saves it as PNG: as figures
of matplotlib; and those that need none, as arrays of numpy, scipy and pandas that
matplotlib.image.imsave saves. It runs on one core, as it can. Balmer draws batches of normalised bf16
images on all cores (bench_kernels). Both take turns for `--rounds` rounds; what is printed are medians
over all repetitions."""

import argparse
import datetime
import io
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import matplotlib
import matplotlib.image
import numpy as np
import safetensors.numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "render" / "golden"))
import make_line_plot  # noqa: E402  (found by the line before)
import make_map2d  # noqa: E402

SIDE, BLOCK = 224, 3


def map2d_roi(wavelength, flux):
    flags = make_map2d.regions_of_interest(flux, wavelength)[0]
    return make_map2d.map2d_roi(flux, flags, BLOCK, False)


ARRAYS = {
    "map2d-norm": lambda _, flux: make_map2d.map2d_norm(flux, BLOCK, False),
    "map2d-deriv": lambda _, flux: make_map2d.map2d_deriv(flux, BLOCK, False),
    "map2d-roi": map2d_roi,
}


def array_as_figure(array):
    return lambda wavelength, flux: make_map2d.figure_png(array(wavelength, flux))


def array_as_png(array):
    return lambda wavelength, flux: matplotlib.image.imsave(
        io.BytesIO(), array(wavelength, flux), format="png")


FIGURES = {
    "simple": lambda wavelength, flux: make_line_plot.simple(wavelength, flux, SIDE),
    "overlap": lambda wavelength, flux: make_line_plot.overlap(wavelength, flux, SIDE),
    "map2d": lambda _, flux: make_map2d.map2d_as_figure(flux, BLOCK),
    **{name: array_as_figure(array) for name, array in ARRAYS.items()},
}
PNGS = {name: array_as_png(array) for name, array in ARRAYS.items()}


def simulated_set(binaries, folder):
    """The folder of a packed set of simulated spectra."""
    for command in (["simulate", "--out", f"{folder}/spectra", "--count", "256", "--seed", "1"],
                    ["pack", "--out", f"{folder}/set", f"{folder}/spectra"]):
        subprocess.run([binaries / "vit-data", *command], check=True, stdout=subprocess.DEVNULL)
    return f"{folder}/set"


def packed_spectra(folder, count):
    """(wavelength, flux) of `count` spectra, those that bench_kernels takes; as f32 sets store them."""
    folder = pathlib.Path(folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    rows = [i * manifest["count"] // count for i in range(count)]
    first = 0
    for record in manifest["shards"]:
        shard = safetensors.numpy.load_file(folder / record["file"])
        size = shard["offset"].size - 1
        for row in (row - first for row in rows if first <= row < first + size):
            pixels = slice(*shard["offset"][row:row + 2])
            yield shard["wavelength"][pixels], shard["flux"][pixels].astype(np.float64)
        first += size


def balmer_seconds(arguments, spectra) -> dict:
    """Seconds an image, by type."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "result.json"
        command = [str(arguments.binaries / "bench_kernels"), "--device", "cpu", "--models", "vit-b16",
                   "--batches", str(arguments.batch), "--threads", str(arguments.threads), "--no-peer",
                   "--no-ceilings", "--repetitions", str(arguments.repetitions), "--json", str(path), "--spectra", spectra,
                   f"--benchmark_filter=render_({'|'.join(FIGURES)})/.*"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {row["case"].removeprefix("render_"): row["time"]["median_s"] / row["batch"]
            for row in rows}


def python_seconds(draw, spectra) -> list[float]:
    draw(*spectra[0])
    found = []
    for wavelength, flux in spectra:
        began = time.perf_counter()
        draw(wavelength, flux)
        found.append(time.perf_counter() - began)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binaries", type=pathlib.Path, required=True, help="folder of bench_kernels")
    parser.add_argument("--spectra", help="a packed set; default: simulated spectra")
    parser.add_argument("--batch", type=int, default=256, help="spectra that are drawn")
    parser.add_argument("--threads", type=int, default=0, help="of Balmer; 0: one a core")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        spectra = arguments.spectra or simulated_set(arguments.binaries, folder)
        drawn = list(packed_spectra(spectra, arguments.batch))
        balmer = {name: [] for name in FIGURES}
        figures = {name: [] for name in FIGURES}
        pngs = {name: [] for name in PNGS}
        for _ in range(arguments.rounds):
            for name, seconds in balmer_seconds(arguments, spectra).items():
                balmer[name].append(seconds)
            for times, draw in ((figures, FIGURES), (pngs, PNGS)):
                for name in draw:
                    times[name] += python_seconds(draw[name], drawn)
    rows = []
    for name in FIGURES:
        own = statistics.median(balmer[name])
        row = {"type": name, "balmer_images_per_s": 1 / own}
        line = f"{name:<12} Balmer {1 / own:9.1f}/s"
        for peer, times in (("figure", figures), ("png", pngs)):
            if name in times:
                other = statistics.median(times[name])
                row |= {f"{peer}_images_per_s": 1 / other, f"{peer}_ratio": other / own}
                line += f"   {peer} {1 / other:7.1f}/s, ratio {other / own:6.1f}"
        rows.append(row)
        print(line)
    if arguments.json:
        result = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                  "machine": platform.processor() or platform.machine(), "cores": os.cpu_count(),
                  "threads": arguments.threads or os.cpu_count(), "batch": arguments.batch,
                  "spectra": "packed set" if arguments.spectra else "simulated",
                  "matplotlib": matplotlib.__version__, "numpy": np.__version__,
                  "scipy": make_map2d.scipy.__version__, "pandas": make_map2d.pd.__version__, "rows": rows}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
