#!/usr/bin/env python3
"""Goldens of the image types simple and overlap, drawn by matplotlib.

    tests/render/golden/make_line_plot.py                          the committed goldens
    tests/render/golden/make_line_plot.py --spectra FOLDER --out DIR   real spectra (*.fits in FOLDER)

Writes, beside itself or into DIR,
  line_plot_flux.f32        the fluxes of the spectra that map2d_flux.f32 does not hold, one after
                            another, little-endian f32
  line_plot_wavelength.f64  real spectra only: their wavelengths, little-endian f64
  line_plot.json            the spectra (name, pixels, where the fluxes are, the wavelengths), the
                            CRC-32 of the RGB bytes of every image, and the versions used
  line_plot_*.png           some of the images whole; all of them for real spectra

Wavelengths of simulated spectra are w0 + i (w1 + i w2) in f64, or the pixel's index. render_test
compares real ones when BALMER_LINE_PLOT_GOLDENS names DIR.
"""

import argparse
import io
import json
import pathlib
import warnings
import zlib

import matplotlib
import numpy as np
import PIL.Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (needs the backend chosen first)

HERE = pathlib.Path(__file__).parent
SDSS = (3590.0, 0.82, 1e-4)
DESI = (3600.0, 0.8, 0.0)


def figure_png(side, draw):
    """A square figure of `side` pixels at 100 dpi, drawn without axes or margins, as a PNG file."""
    figure = plt.figure(figsize=(side / 100, side / 100), dpi=100)
    draw()
    plt.axis("off")
    plt.tight_layout(pad=0)
    stream = io.BytesIO()
    plt.savefig(stream, format="png", dpi=100)
    plt.close(figure)
    return stream


def simple(wavelength, flux, side):
    return figure_png(side, lambda: plt.plot(wavelength, flux, linewidth=0.5))


def overlap(wavelength, flux, side):
    def draw():
        colours = ("red", "green", "blue")
        parts = zip(np.array_split(wavelength, 3), np.array_split(flux, 3), colours)
        for x, y, colour in parts:
            if x.size > 0:
                x = (x - x[0]) / (x[-1] - x[0])
            plt.plot(x, y, color=colour, linewidth=0.5, alpha=0.5)

    return figure_png(side, draw)


def pixels(png):
    png.seek(0)
    return np.array(PIL.Image.open(png).convert("RGB"))


TYPES = {"simple": simple, "overlap": overlap}


def simulated_spectra():
    """(name, wavelength coefficients or None, flux or (first, pixels) in map2d_flux.f32)."""
    shared = json.loads((HERE / "map2d.json").read_text())["spectra"]
    first = 0
    for record in shared:
        yield record["name"], record["wavelength"], (first, record["pixels"])
        first += record["pixels"]
    yield "hundred-thousand-pixels", DESI, (0, 100000)  # the fluxes over and over
    random = np.random.default_rng(5)
    i = np.arange(3000)
    gaps = np.sin(i / 150) + 0.1 * random.normal(size=i.size)
    gaps[(i % 97 < 5) | ((i > 1000) & (i < 1400)) | (i < 7) | (i > 2980)] = np.nan
    islands = random.normal(size=300)
    islands[(i[:300] % 9 == 4) | (i[:300] % 7 == 2) | (i[:300] % 3 == 1)] = np.nan
    spikes = np.where(i % 50 == 25, np.where(i % 100 < 50, 1000, -400), i % 7)[:900]
    yield "smooth", SDSS, np.sin(i / 200) + 0.3 * np.cos(i / 31)
    yield "gaps", SDSS, gaps
    yield "islands", SDSS, islands
    yield "spikes", DESI, spikes
    yield "spikes-over-index", None, spikes[:600]
    yield "white-noise", None, random.normal(size=2000)
    yield "unsimplified", SDSS, 5 + random.normal(size=127)
    yield "shortest-simplified", SDSS, 5 + random.normal(size=128)
    yield "straight-line", DESI, 0.1 * i[:100]
    yield "straight-line-simplified", DESI, 0.1 * i
    yield "back-and-forth", None, i[:400] % 2
    yield "constant-long", DESI, np.full(2000, -3.25)
    yield "constant-zero", DESI, np.zeros(200)
    yield "all-not-finite", DESI, np.full(50, np.nan)
    yield "six-pixels", DESI, np.array([1, 5, 2, 4, 3, 3])
    yield "steps", None, (i[:1500] // 100) % 3


def real_spectra(folder):
    """(name, wavelength, flux) of the SDSS and LAMOST spectra of a folder."""
    from astropy.io import fits

    for path in sorted(pathlib.Path(folder).rglob("*.fits*")):
        with fits.open(path) as file:
            image = file[0].data
            table = file[1].data if len(file) > 1 else None
            columns = {name.lower(): name for name in getattr(table, "names", [])}
            if {"loglam", "flux"} <= columns.keys():  # SDSS
                x = 10.0 ** table[columns["loglam"]].astype(np.float64)
                y = table[columns["flux"]]
            elif image is not None and image.ndim == 2 and image.shape[0] >= 3:  # LAMOST
                x, y = image[2], image[0]
            else:
                continue
        yield path.name, x.astype("<f8"), y.astype("<f4")


def wavelengths(coefficients, pixels):
    i = np.arange(pixels, dtype=np.float64)
    if coefficients is None:
        return i
    w0, w1, w2 = coefficients
    return w0 + i * (w1 + i * w2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--spectra", help="a folder of FITS spectra instead of simulated ones")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    parser.add_argument("--count", type=int, default=20, help="real spectra at most")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # empty axes, and divisions by zero in parts of one pixel
    shared = np.fromfile(HERE / "map2d_flux.f32", "<f4")
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    own_flux, own_wavelength, records = [], [], []

    def add(record, wavelength, flux, sides, is_png):
        record["images"] = []
        for side in sides:
            for name, draw in TYPES.items():
                rgb = pixels(draw(wavelength, flux.astype(np.float64), side))
                assert rgb.shape == (side, side, 3)
                image = {"type": name, "image_size": side, "crc32": zlib.crc32(rgb.tobytes())}
                record["images"].append(image)
                if is_png and side == 224:
                    PIL.Image.fromarray(rgb).save(out / f"line_plot_{record['name']}_{name}.png")
        records.append(record)

    if arguments.spectra:
        for name, wavelength, flux in real_spectra(arguments.spectra):
            if len(records) == arguments.count:
                break
            own_flux.append(flux)
            own_wavelength.append(wavelength)
            record = {"name": name, "pixels": flux.size, "flux": "own", "wavelength": "own"}
            add(record, wavelength, flux, (224,), True)
        np.concatenate(own_wavelength).astype("<f8").tofile(out / "line_plot_wavelength.f64")
    else:
        for name, coefficients, flux in simulated_spectra():
            record = {"name": name, "flux": "own", "wavelength": coefficients}
            if isinstance(flux, tuple):
                first, size = flux
                record["flux"] = first
                flux = np.resize(shared[first:], size) if size else shared[:0]
            else:
                flux = np.asarray(flux).astype("<f4")
                own_flux.append(flux)
            record["pixels"] = flux.size
            is_small = flux.size < 10000
            is_png = name in ("galaxy", "gaps")
            add(record, wavelengths(coefficients, flux.size), flux,
                (224, 64) if is_small else (224,), is_png)
    np.concatenate(own_flux).astype("<f4").tofile(out / "line_plot_flux.f32")
    versions = {m.__name__: m.__version__ for m in (matplotlib, np, PIL)}
    text = json.dumps({"versions": versions, "spectra": records})
    (out / "line_plot.json").write_text(text.replace(', {"name"', ',\n{"name"') + "\n")


if __name__ == "__main__":
    main()
