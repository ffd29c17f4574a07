#!/usr/bin/env python3
"""Writes resample.safetensors: spectra on four kinds of grid and, in f64, what they are on the
common grid. Every pixel's reach is known from the grid it was taken from, before gaps were cut into
it; bins are sums over a dense matrix of overlaps. Versions stand beside it."""

import pathlib

import numpy as np
import safetensors
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).parent
BINS = 4691


def halfway(centres):
    """Edges halfway between centres, of all but the first and the last one."""
    return 0.5 * (centres[1:] + centres[:-1])


BIN_EDGES = halfway(10.0 ** (3.5486 + 1e-4 * np.arange(-1, BINS + 1)))


def case(name, centres, gaps, masked, seed):
    """`centres` has a pixel more on either side than the spectrum; `gaps` and `masked` are ranges of
    pixels that are cut out and masked."""
    random = np.random.default_rng(seed)
    edges = halfway(centres)
    lower, upper, wavelength = edges[:-1], edges[1:], centres[1:-1]
    count = len(wavelength)
    flux = (5 + np.sin(wavelength / 37) + 0.5 * random.standard_normal(count)).astype(np.float32)
    inverse_variance = random.uniform(0.5, 4, count).astype(np.float32)
    mask = (random.random(count) < 0.01).astype(np.uint8)
    for begin, end in masked:
        mask[begin:end] = 1
    keep = np.ones(count, bool)
    for begin, end in gaps:
        keep[begin:end] = False
    wavelength, lower, upper = wavelength[keep], lower[keep], upper[keep]
    flux, inverse_variance, mask = flux[keep], inverse_variance[keep], mask[keep]

    bins = np.flatnonzero((BIN_EDGES[1:] > lower[0]) & (BIN_EDGES[:-1] < upper[-1]))
    first, last = bins[0], bins[-1]
    left, right = BIN_EDGES[first:last + 1, None], BIN_EDGES[first + 1:last + 2, None]
    overlap = np.clip(np.minimum(right, upper) - np.maximum(left, lower), 0, None)
    width = (right - left)[:, 0]
    covered = (overlap * (mask == 0)).sum(axis=1)
    is_good = covered > width * (1 - 1e-9)
    weight = overlap / width[:, None]
    values = weight @ flux.astype(np.float64)
    variance = np.maximum((weight ** 2) @ (1 / inverse_variance.astype(np.float64)), 1e-30)

    # Flux over every run of good bins, from the pixels alone.
    runs = []
    change = np.flatnonzero(np.diff(np.concatenate([[0], is_good.astype(int), [0]])))
    for begin, end in zip(change[::2], change[1::2]):
        low, high = BIN_EDGES[first + begin], BIN_EDGES[first + end]
        reach = np.clip(np.minimum(high, upper) - np.maximum(low, lower), 0, None)
        runs.append([first + begin, first + end, reach @ flux.astype(np.float64)])
    return {
        f"{name}.wavelength": wavelength,
        f"{name}.flux": flux,
        f"{name}.inverse_variance": inverse_variance,
        f"{name}.mask": mask,
        f"{name}.first": np.array([first]),
        f"{name}.out_flux": np.where(is_good, values, 0.0),
        f"{name}.out_inverse_variance": np.where(is_good, 1 / variance, 0.0),
        f"{name}.out_mask": (~is_good).astype(np.uint8),
        f"{name}.runs": np.array(runs),
    }


def linear(first, step, count):
    return first + step * np.arange(-1, count + 1)


def logarithmic(first, count):
    return 10.0 ** (first + 1e-4 * np.arange(-1, count + 1))


CASES = [
    # DESI: 0.8 A, merged arms with a gap between two of them.
    ("desi", linear(5600.0, 0.8, 700), [(300, 317)], [(100, 103), (450, 451)], 1),
    # The red end, where a bin has almost three pixels.
    ("desi_red", linear(9400.0, 0.8, 500), [], [(0, 2), (498, 500)], 2),
    # LAMOST: the common grid's step, 0.3 pixels beside it.
    ("lamost", logarithmic(3.56823, 500), [(200, 230)], [(350, 352)], 3),
    # Stellar libraries: a pixel covers up to six bins; the first ones lie before the grid.
    ("library", linear(3480.0, 5.0, 200), [(120, 122)], [(60, 61)], 4),
]

if __name__ == "__main__":
    tensors = {}
    for arguments in CASES:
        tensors |= case(*arguments)
    save_file(tensors, FOLDER / "resample.safetensors", metadata={"format": "np"})
    versions = f"resample.safetensors: safetensors {safetensors.__version__}, numpy {np.__version__}\n"
    (FOLDER / "resample.versions.txt").write_text(versions)
