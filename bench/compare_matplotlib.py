#!/usr/bin/env python3
"""Balmer's renderer on the CPU and matplotlib, in one run on one machine.

    bench/compare_matplotlib.py --binaries build/cpu/bin --json bench/results/matplotlib.json

Images of random spectra (4691 pixels, normal noise), 224 x 224. matplotlib draws each type by the
code that makes the goldens: a figure, drawn and saved as PNG, on one core, as it can. Balmer draws
batches of normalised bf16 images on all cores (bench_kernels). Both take turns for `--rounds`
rounds; figures are medians over all repetitions."""

import argparse
import datetime
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
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "render" / "golden"))
import make_line_plot  # noqa: E402  (found by the line before)
import make_map2d  # noqa: E402

PIXELS, SIDE = 4691, 224
DRAW = {
    "simple": lambda wavelength, flux: make_line_plot.simple(wavelength, flux, SIDE),
    "overlap": lambda wavelength, flux: make_line_plot.overlap(wavelength, flux, SIDE),
    "map2d": lambda _, flux: make_map2d.map2d_as_figure(flux, 3),
}


def balmer_seconds(arguments) -> dict:
    """Seconds an image, by type."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "result.json"
        command = [str(arguments.binaries / "bench_kernels"), "--device", "cpu", "--models", "vit-b16",
                   "--batches", str(arguments.batch), "--threads", str(arguments.threads), "--no-peer",
                   "--no-ceilings", "--repetitions", str(arguments.repetitions), "--json", str(path),
                   f"--benchmark_filter=render_({'|'.join(DRAW)})/.*"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {row["case"].removeprefix("render_"): row["time"]["median_s"] / row["batch"]
            for row in rows}


def matplotlib_seconds(name: str, spectra, repetitions: int) -> list[float]:
    wavelength = make_line_plot.wavelengths(make_line_plot.SDSS, PIXELS)
    DRAW[name](wavelength, spectra[0])
    found = []
    for flux in spectra[:repetitions]:
        began = time.perf_counter()
        DRAW[name](wavelength, flux)
        found.append(time.perf_counter() - began)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binaries", type=pathlib.Path, required=True, help="folder of bench_kernels")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=0, help="of Balmer; 0: one a core")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()

    spectra = np.random.default_rng(1).normal(20.0, 5.0, (arguments.repetitions, PIXELS))
    balmer = {name: [] for name in DRAW}
    peer = {name: [] for name in DRAW}
    for _ in range(arguments.rounds):
        for name, seconds in balmer_seconds(arguments).items():
            balmer[name].append(seconds)
        for name in DRAW:
            peer[name] += matplotlib_seconds(name, spectra, arguments.repetitions)
    rows = []
    for name in DRAW:
        own, other = statistics.median(balmer[name]), statistics.median(peer[name])
        rows.append({"type": name, "balmer_images_per_s": 1 / own, "matplotlib_images_per_s": 1 / other,
                     "ratio": other / own})
        print(f"{name:<10} Balmer {1 / own:10.1f}/s   matplotlib {1 / other:8.1f}/s   "
              f"ratio {other / own:7.1f}")
    if arguments.json:
        result = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                  "machine": platform.processor() or platform.machine(), "cores": os.cpu_count(),
                  "threads": arguments.threads or os.cpu_count(), "batch": arguments.batch,
                  "matplotlib": matplotlib.__version__, "numpy": np.__version__, "rows": rows}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
