#!/usr/bin/env python3
"""Goldens of the image types map2d, map2d-norm, map2d-deriv and map2d-roi, made with numpy, scipy,
pandas and matplotlib.

Writes, beside itself,
  map2d_flux.f32   the fluxes of all spectra, one after another, little-endian f32
  map2d_roi_flux.f32  those of more spectra, of use to map2d-roi
  map2d.json       the spectra (name, pixels, wavelength coefficients), the CRC-32 of the RGB bytes
                   of every image of every spectrum, and the versions used
  map2d_*.png      some of the images whole

Wavelengths are w0 + i (w1 + i w2) in f64, so that a test can recompute them exactly.

  make_map2d.py --spectra $BALMER_SPECTRA --out FOLDER [--limit 40]

does the same for observed spectra (SDSS and LAMOST files, an arm of DESI coadds), whose wavelengths
go to FOLDER/map2d_wavelength.f64; BALMER_MAP2D_GOLDENS=FOLDER makes the test read them.
"""

import argparse
import io
import json
import pathlib
import zlib

import matplotlib
import numpy as np
import pandas as pd
import PIL.Image
import scipy
import scipy.interpolate
import scipy.signal

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (needs the backend chosen first)

HERE = pathlib.Path(__file__).parent
SIDE = 224
VMIN, VMAX = -1.13, 144.97
SDSS = (3590.0, 0.82, 1e-4)
LAMOST = (3690.0, 0.85, 1.4e-4)
DESI = (3600.0, 0.8, 0.0)


def synthetic(random, pixels, level, lines, noise):
    """A continuum with Gaussian lines (depth relative to the continuum, centre, width) and noise."""
    x = np.linspace(0.0, 1.0, pixels)
    slope, curve, phase = random.normal(0, 0.5, 3)
    continuum = 1.0 + slope * (x - 0.5) + curve * (x - 0.5) ** 2 + 0.1 * np.sin(9 * x + phase)
    flux = continuum.copy()
    for _ in range(lines):
        strength = random.choice([-0.6, -0.3, 0.8, 4.0])
        flux += continuum * strength * np.exp(
            -0.5 * ((x - random.uniform()) / random.choice([0.0006, 0.002, 0.01])) ** 2
        )
    return level * (flux + noise * random.normal(size=pixels))


def level_edges():
    """Fluxes on, one f32 step below and one above every limit between two colours."""
    edges = (VMIN + np.arange(-2, 259) * (VMAX - VMIN) / 256).astype(np.float32)
    return np.concatenate(
        [np.nextafter(edges, np.float32(-1e9)), edges, np.nextafter(edges, np.float32(1e9))]
    )


def make_spectra():
    random = np.random.default_rng(20260711)
    return [
        ("galaxy", SDSS, synthetic(random, 4633, 8.0, 20, 0.15)),
        ("faint-galaxy", SDSS, synthetic(random, 4600, 0.9, 20, 1.0)),
        ("quasar", SDSS, synthetic(random, 4577, 35.0, 8, 0.05)),
        ("star", SDSS, synthetic(random, 3838, 140.0, 40, 0.02)),
        ("negative", SDSS, synthetic(random, 1200, -3.0, 5, 0.8)),
        ("lamost-star", LAMOST, synthetic(random, 3909, 21000.0, 40, 0.03)),
        ("lamost-faint", LAMOST, synthetic(random, 3700, 60.0, 40, 0.4)),
        ("full-map", DESI, synthetic(random, 5476, 90.0, 30, 0.1)),
        ("overflow", DESI, synthetic(random, 5600, 20.0, 30, 0.3)),
        ("level-edges", DESI, level_edges()),
        ("one-row", DESI, synthetic(random, 74, 50.0, 1, 0.3)),
        ("one-row-and-one", DESI, synthetic(random, 75, 50.0, 1, 0.3)),
        ("one-pixel", DESI, np.array([17.0])),
        ("two-pixels", DESI, np.array([100.0, -100.0])),
        ("no-pixels", DESI, np.array([])),
        ("constant", DESI, np.full(300, 30.0)),
        ("extremes", DESI, np.array([3e38, -3e38, 1e-45, -0.0, 0.0, 1.0, 144.97, -1.13, 2e9])),
        ("not-finite", DESI, np.array([1.0, np.nan, np.inf, -np.inf, 50.0, np.nan, 144.0])),
    ]


def make_region_spectra():
    random = np.random.default_rng(20261121)
    return [
        ("many-regions", SDSS, many_regions(random)),
        ("bad-stretches", SDSS, bad_stretches(random)),
        ("shortest-median", DESI, synthetic(random, 50, 400.0, 1, 0.1)),
        ("shorter-than-median", DESI, synthetic(random, 49, 400.0, 1, 0.1)),
    ]


def many_regions(random):
    """Some hundred narrow lines on a noisy continuum: more regions than are shown, and twins."""
    flux = synthetic(random, 1800, 40.0, 0, 0.01)
    for centre in range(30, 1780, 15):
        flux[centre - 6 : centre + 7] += random.normal(0, 30) * np.hanning(13)
    flux[1000:1200] = flux[200:400]
    return flux


def bad_stretches(random):
    """NaN and infinities inside: both functions define what becomes of those."""
    flux = synthetic(random, 1500, 60.0, 30, 0.1)
    flux[300:340] = np.nan
    flux[700] = np.inf
    flux[705] = -np.inf
    flux[1000] = np.nan
    return flux


def real_spectra(folder, limit):
    """(name, wavelength, flux) of `limit` spectra, in turn from every kind of file."""
    from astropy.io import fits

    def sdss(path):
        table = fits.getdata(path, 1)
        return 10.0 ** table["loglam"].astype(np.float64), table["flux"]

    def lamost(path):
        image = fits.getdata(path, 0)
        return image[2], image[0]

    def desi(path):
        with fits.open(path) as file:
            flux = file["B_FLUX"].data
            row = np.isfinite(flux).all(axis=1).argmax()
            return file["B_WAVELENGTH"].data, flux[row]

    kinds = [
        (sdss, sorted(folder.glob("stat605_sdss/spec-*.fits"))),
        (sdss, sorted(folder.glob("squeze_boss/**/spec-*.fits*"))),
        (lamost, sorted(folder.glob("lamost_ccf/spec-*.fits.gz"))),
        (lamost, sorted(folder.glob("lamost_grd349/**/*.fits*"))),
        (desi, sorted(folder.glob("*desi*/coadd-*.fits"))),
    ]
    spectra = []
    for turn in range(limit):
        for read, paths in kinds:
            if turn >= len(paths) or len(spectra) == limit:
                continue
            try:
                wavelength, flux = read(paths[turn])
            except (KeyError, IndexError, OSError) as error:
                print(f"{paths[turn]}: skipped: {error!r}")
                continue
            wavelength = np.asarray(wavelength, dtype=np.float64)
            if not (np.diff(wavelength) > 0).all():
                print(f"{paths[turn]}: skipped: wavelengths do not increase")
                continue
            name = str(paths[turn].relative_to(folder))
            spectra.append((name, wavelength, np.asarray(flux, dtype=np.float64)))
    return spectra


def wavelengths(coefficients, pixels):
    i = np.arange(pixels, dtype=np.float64)
    w0, w1, w2 = coefficients
    return w0 + i * (w1 + i * w2)


def interpolated(flux, wavelength, slots):
    function = scipy.interpolate.interp1d(
        wavelength, flux, kind="linear", fill_value="extrapolate"
    )
    return function(np.linspace(wavelength.min(), wavelength.max(), slots))


def in_blocks(values, background, block, rows, boustrophedon):
    """Values in `rows` rows of blocks on a SIDE x SIDE array; what lies outside is cut off."""
    columns = SIDE // block
    slots = np.full(columns * rows, background, dtype=values.dtype)
    slots[: min(values.size, slots.size)] = values[: slots.size]
    grid = slots.reshape(rows, columns)
    if boustrophedon:
        grid[1::2] = grid[1::2, ::-1].copy()
    image = np.full((SIDE, SIDE), background, dtype=values.dtype)
    drawn = np.repeat(np.repeat(grid, block, axis=0), block, axis=1)[:SIDE]
    image[: drawn.shape[0], : drawn.shape[1]] = drawn
    return image


def map2d_flux(flux, block, boustrophedon):
    return in_blocks(flux, 0.0, block, -(-SIDE // block), boustrophedon)


def map2d(flux, block, boustrophedon, colours="viridis", vmin=VMIN, vmax=VMAX):
    image = np.ma.masked_invalid(map2d_flux(flux, block, boustrophedon))
    norm = matplotlib.colors.Normalize(vmin, vmax)
    rgba = matplotlib.colormaps[colours](norm(image), bytes=True)
    rgb = rgba[..., :3].copy()
    rgb[rgba[..., 3] == 0] = 255  # transparent pixels show the white figure
    return rgb


def other_colours(values, flux, options):
    """Other colour maps over the fixed range, and viridis over ranges of the spectrum's own."""
    boustrophedon = options["fill_order"] == "boustrophedon"
    finite = np.sort(flux[np.isfinite(flux)])
    last = finite.size - 1
    ranges = {}
    if finite.size > 0 and finite[0] < finite[int(0.99 * last)]:
        ranges["minmax"] = (finite[0], finite[-1])
        if finite[int(0.01 * last)] < finite[int(0.99 * last)]:
            ranges["percentile"] = (finite[int(0.01 * last)], finite[int(0.99 * last)])
    images = []
    for colours, name, limits in [
        ("magma", "fixed", (VMIN, VMAX)),
        ("gray", "fixed", (VMIN, VMAX)),
        *(("viridis", name, limits) for name, limits in ranges.items()),
    ]:
        rgb = map2d(values, options["block_size"], boustrophedon, colours, *limits)
        how = {"colour_map": colours, "range": name, **options}
        images.append({"type": "map2d", **how, "crc32": zlib.crc32(rgb.tobytes())})
    return images


def figure_png(image, **how):
    """An image by way of imshow and a saved figure, which is what users of pyplot see."""
    figure = plt.figure(figsize=(SIDE / 100, SIDE / 100))
    plt.imshow(image, **how)
    plt.axis("off")
    plt.gca().set_position([0, 0, 1, 1])
    stream = io.BytesIO()
    plt.savefig(stream, format="png", dpi=100, bbox_inches="tight", pad_inches=0)
    plt.close(figure)
    return stream


def map2d_as_figure(flux, block):
    return figure_png(map2d_flux(flux, block, False), cmap="viridis", vmin=VMIN, vmax=VMAX)


def map2d_norm(flux, block, boustrophedon):
    image = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    if flux.size > 0:
        scaled = 255 * (flux - flux.min()) / (flux.max() - flux.min())
        red = scaled.astype(np.int64).astype(np.uint8)
        image[..., 0] = in_blocks(red, 0, block, SIDE // block, boustrophedon)
    return image


def map2d_deriv(flux, block, boustrophedon):
    image = map2d_norm(flux, block, boustrophedon)
    gradient = flux
    for channel in (1, 2):
        gradient = np.gradient(gradient)
        if gradient.min() < gradient.max():
            image[..., channel] = map2d_norm(gradient, block, boustrophedon)[..., 0]
    return image


def regions_of_interest(flux, wavelength):
    """A flag for each value, the number of regions, and how near a flag was to the other choice:
    the least relative distance of |s - m| to its limit, and of the width of the first region that
    is left out to that of the last one taken."""
    flags = np.zeros(flux.size, dtype=bool)
    if flux.size < 25:  # scipy refuses
        return flags, 0, None, None
    smooth = scipy.signal.savgol_filter(flux, 25, 3)
    median = pd.Series(smooth).rolling(50, center=True).median().to_numpy()
    deviation = smooth - median
    is_significant = np.abs(deviation) > 1.5
    contrast = deviation / median
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_significant.astype(int), [0]])))
    runs = edges.reshape(-1, 2)
    widths = [abs(np.trapezoid(contrast[a:b], wavelength[a:b])) for a, b in runs]
    order = sorted(range(len(runs)), key=lambda k: widths[k], reverse=True)
    for k in order[:50]:
        flags[runs[k][0] : runs[k][1]] = True
    defined = np.isfinite(deviation)
    margin = np.min(np.abs(np.abs(deviation[defined]) / 1.5 - 1)) if defined.any() else None
    gap = 1 - widths[order[50]] / widths[order[49]] if len(order) > 50 else None
    return flags, len(runs), margin, gap


def map2d_roi(flux, flags, block, boustrophedon):
    """Where flux is not finite the reference's image is undefined, Balmer's has no red."""
    is_finite = np.isfinite(flux)
    image = map2d_norm(np.where(is_finite, flux, flux[is_finite].min()), block, boustrophedon)
    green = flags.astype(np.uint8) * np.uint8(50)
    image[..., 1] = in_blocks(green, 0, block, SIDE // block, boustrophedon)
    return image


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    parser.add_argument("--limit", type=int, default=40)
    arguments = parser.parse_args()
    is_real = arguments.spectra is not None
    made = real_spectra(arguments.spectra, arguments.limit) if is_real else make_spectra()
    more = [] if is_real else make_region_spectra()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part, file in [(made, "map2d_flux.f32"), (more, "map2d_roi_flux.f32")]:
        fluxes = np.concatenate([[], *(flux for _, _, flux in part)])
        fluxes.astype("<f4").tofile(arguments.out / file)
    spectra = [(name, w, flux.astype(np.float32)) for name, w, flux in made + more]
    if is_real:
        wavelength = np.concatenate([w for _, w, _ in spectra])
        wavelength.astype("<f8").tofile(arguments.out / "map2d_wavelength.f64")
    records = []
    for name, w, flux32 in spectra:
        flux = flux32.astype(np.float64)
        wavelength = w if is_real else wavelengths(w, flux.size)
        images = []
        found = []
        for block in (1, 2, 3, 4):
            slots = (SIDE // block) ** 2
            for interpolate in (False, True):
                if interpolate and (flux.size < 2 or not np.isfinite(flux).all()):
                    continue
                values, places = flux, wavelength
                if interpolate and flux.size < slots:
                    values = interpolated(flux, wavelength, slots)
                    places = np.linspace(wavelength.min(), wavelength.max(), slots)
                finite = values[np.isfinite(values)]
                has_regions = finite.size > 0 and finite.min() < finite.max()
                if has_regions:
                    flags, *measures = regions_of_interest(values, places)
                    if values is not flux or not found:
                        found.append(measures)
                for boustrophedon in (False, True):
                    options = {
                        "block_size": block,
                        "interpolate": interpolate,
                        "fill_order": "boustrophedon" if boustrophedon else "standard",
                    }
                    rgb = map2d(values, block, boustrophedon)
                    images.append({"type": "map2d", **options, "crc32": zlib.crc32(rgb.tobytes())})
                    if not boustrophedon and block == 3 and not is_real:
                        figure = PIL.Image.open(map2d_as_figure(values, block)).convert("RGB")
                        assert (rgb == np.array(figure)).all(), name
                    if block == 3:
                        images += other_colours(values, flux, options)
                    if has_regions:
                        roi = map2d_roi(values, flags, block, boustrophedon)
                        crc32 = zlib.crc32(roi.tobytes())
                        images.append({"type": "map2d-roi", **options, "crc32": crc32})
                    if np.isfinite(flux).all() and len(set(flux.tolist())) != 1:
                        norm = map2d_norm(values, block, boustrophedon)
                        images.append(
                            {"type": "map2d-norm", **options, "crc32": zlib.crc32(norm.tobytes())}
                        )
                        if values.size > 1:
                            deriv = map2d_deriv(values, block, boustrophedon)
                            crc32 = zlib.crc32(deriv.tobytes())
                            images.append({"type": "map2d-deriv", **options, "crc32": crc32})
        least = [min((m for m in column if m is not None), default=None) for column in zip(*found)]
        record = {"name": name, "pixels": flux.size, "regions": found[0][0] if found else 0}
        record["margin"], record["gap"] = least[1:] if found else (None, None)
        record["wavelength"] = None if is_real else w
        records.append({**record, "images": images})
        if is_real:
            print(record)
        if name == "overflow":
            PIL.Image.fromarray(map2d(flux, 3, False)).save(HERE / "map2d_overflow.png")
            PIL.Image.fromarray(map2d_norm(flux, 3, True)).save(HERE / "map2d_norm_overflow.png")
    versions = {m.__name__: m.__version__ for m in (matplotlib, np, pd, PIL, scipy)}
    text = json.dumps({"versions": versions, "spectra": records})
    for key in ("type", "name"):  # a line for each image
        text = text.replace(', {"%s"' % key, ',\n{"%s"' % key)
        text = text.replace('[{"%s"' % key, '[\n{"%s"' % key)
    (arguments.out / "map2d.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
