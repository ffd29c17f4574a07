#!/usr/bin/env python3
"""Writes the files from which the fuzzing starts: a small one of each kind that is read.

usage: make_corpus.py [FOLDER]    (default: corpus/ beside this script)
"""

import gzip
import pathlib
import struct
import sys

CODES = {"E": "f", "D": "d", "J": "i", "K": "q", "I": "h"}


def card(keyword: str, value) -> bytes:
    if isinstance(value, bool):
        value = "T" if value else "F"
    elif isinstance(value, str):
        value = f"'{value:8}'"
    return f"{keyword:8}= {value!s:>20}".ljust(80).encode()


def header(cards) -> bytes:
    text = b"".join(card(*one) for one in cards) + b"END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880)


def padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // 2880) * 2880, b"\0")


def primary(extra=()) -> bytes:
    return header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True), *extra])


def image(rows, extra=(), first=("SIMPLE", True)) -> bytes:
    cards = [first, ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", len(rows[0])), ("NAXIS2", len(rows))]
    if first[0] == "XTENSION":
        cards += [("PCOUNT", 0), ("GCOUNT", 1)]
    data = b"".join(struct.pack(f">{len(row)}f", *row) for row in rows)
    return header(cards + list(extra)) + padded(data)


def line(values, extra=()) -> bytes:
    cards = [("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 1), ("NAXIS1", len(values))]
    return header(cards + list(extra)) + padded(struct.pack(f">{len(values)}f", *values))


def table(columns, name: str, extra=()) -> bytes:
    """columns: (name, format, a value for each row); of 12A a text, of 5E a sequence."""
    rows = len(columns[0][2])
    data = b""
    for row in range(rows):
        for _, form, values in columns:
            value = values[row]
            if form.endswith("A"):
                data += str(value).encode().ljust(int(form[:-1]))
            else:
                many = value if form[:-1] else [value]
                data += struct.pack(f">{len(many)}{CODES[form[-1]]}", *many)
    cards = [("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", len(data) // rows),
             ("NAXIS2", rows), ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", len(columns))]
    for i, (title, form, _) in enumerate(columns, 1):
        cards += [(f"TTYPE{i}", title), (f"TFORM{i}", form)]
    return header([*cards, ("EXTNAME", name), *extra]) + padded(data)


def fits_files():
    pixels = range(40)
    flux = [1 + 0.01 * i for i in pixels]
    sdss = table([("flux", "E", flux), ("loglam", "E", [3.58 + 1e-4 * i for i in pixels]),
                  ("ivar", "E", [4.0] * 40), ("and_mask", "J", [0] * 38 + [1 << 24, 1])], "COADD")
    labels = table([("CLASS", "6A", ["GALAXY"]), ("SUBCLASS", "12A", ["STARBURST"]),
                    ("Z", "E", [0.125]), ("Z_ERR", "E", [1e-5]), ("ZWARNING", "J", [4]),
                    ("ELODIE_TEFF", "E", [0.0]), ("PLUG_RA", "D", [10.0]),
                    ("PLUG_DEC", "D", [-1.0]), ("PLATE", "J", [314]), ("MJD", "J", [51641]),
                    ("FIBERID", "J", [211]), ("RUN2D", "6A", ["26"])], "SPECOBJ")
    yield "sdss.fits", primary() + sdss + labels
    yield "sdss.fits.gz", gzip.compress(primary() + sdss + labels, mtime=0)
    wave = [10 ** (3.5682 + 1e-4 * i) for i in pixels]
    zeros = [0.0] * 40
    lamost = [("TELESCOP", "LAMOST"), ("EXTEN0", "Flux, Inverse, Wavelength, Andmask, Ormask"),
              ("COEFF0", 3.5682), ("COEFF1", 1e-4), ("OBSID", 105172), ("CLASS", "STAR"),
              ("Z", -0.0001), ("SNRU", 2.0), ("SNRG", 4.0), ("SNRR", 5.0), ("SNRI", 6.0),
              ("SNRZ", -9999.0), ("RA", 332.05627), ("DEC", -0.34518)]
    yield "lamost.fits", image([flux, [0.25] * 40, wave, zeros, zeros], lamost)
    new = [(name, "40E", [values]) for name, values in
           [("FLUX", flux), ("IVAR", [0.25] * 40), ("WAVELENGTH", wave), ("ANDMASK", zeros),
            ("ORMASK", zeros)]]
    yield "lamost-table.fits", primary([("TELESCOP", "LAMOST"), ("OBSID", 7)]) + table(new, "COADD")
    desi = primary()
    for arm, start in (("B", 3600.0), ("R", 3610.0)):
        extension = ("XTENSION", "IMAGE")
        name = [("EXTNAME", f"{arm}_WAVELENGTH")]
        waves = [start + 0.8 * i for i in range(20)]
        desi += header([extension, ("BITPIX", -64), ("NAXIS", 1), ("NAXIS1", 20), ("PCOUNT", 0),
                        ("GCOUNT", 1), *name]) + padded(struct.pack(">20d", *waves))
        for quantity in ("FLUX", "IVAR"):
            desi += image([flux[:20], flux[20:]], [("EXTNAME", f"{arm}_{quantity}")], extension)
    desi += table([("TARGETID", "K", [39633345008634465, 39633345008634466]),
                   ("TARGET_RA", "D", [1.0, 2.0]), ("TARGET_DEC", "D", [1.0, 2.0])], "FIBERMAP")
    yield "desi.fits", desi
    yield "linear.fits", line(flux, [("CRVAL1", 3500.0), ("CDELT1", 0.9), ("CRPIX1", 1.0),
                                     ("CTYPE1", "WAVE"), ("CUNIT1", "Angstrom"),
                                     ("OBJECT", "HD 2857"), ("ORIGIN", "MILES")])
    yield "plate.fits", (image([flux, flux], [("COEFF0", 3.58), ("COEFF1", 1e-4)]) +
                         image([flux, flux], (), ("XTENSION", "IMAGE")))
    yield "wavelength.csv", b"wavelength,flux,ivar\n4000,1,2\n4001,1.5,2\n4002,1.25,0\n"


def catalogues():
    yield "casjobs", b"""zwarn == 0 && instrument == 'BOSS' && targettype == 'SCIENCE'
#Table1
specObjID,plate,mjd,fiberID,run2d,ra,dec,class,subClass,z,zErr,zWarning,elodieTEff,elodieLogG,elodieFeH,snMedian,instrument,targetType
11997690149582694400,10656,58163,366,v5_13_0,112.05,39.73,QSO,BROADLINE,2.29,3e-4,0,0,0,0,8.42,BOSS,SCIENCE
4115164797179547648,3655,55240,2,26,112.0,39.7,STAR,F5,-0.0001,1e-5,4,6500,4.1,0,NaN,SDSS,SKY
"""
    yield "lamost", b"""!missing(z) && !missing(z_err) && (snrg > 5 || class in ('STAR', 'QSO'))
obsid|lmjd|planid|spid|fiberid|ra|dec|class|subclass|z|z_err|snru|snrg|snrr|snri|snrz\r
105172|55859|F5902|5|172|332.05|-0.34|STAR|G3|-0.0001|2e-5|2|4|5|6|8\r
105173|55859|F5902|5.0|173|332.06|-0.35|Unknown||-9999|-9999|2|4|5|6|-9999.0\r
"""
    yield "plain", b"""file == "a b.fits" && row >= 0 && object_id != 9223372036854775809
\xef\xbb\xbffile;row;survey;objid;group;cls;zerr;teff;logg;[Fe/H]
"a ""b"";.fits";3;SDSS-v5;314-51641-211;p1;QSO;0.1;5000;4;0
../c.fits;-1;DESI;35185923939371001;"two
lines";GALAXY;inf;-9999;;null
"""
    yield "desi", b"z > 1 && zwarn in (0, 4)\n" + primary() + table(
        [("TARGETID", "K", [39633345008634465, -7]), ("Z", "D", [0.36, float("nan")]),
         ("ZERR", "D", [1e-6, -1]), ("ZWARN", "K", [0, 999999]),
         ("SPECTYPE", "6A", ["GALAXY", "QSO"]), ("COEFF", "3D", [(1, 2, 3), (4, 5, 6)])],
        "REDSHIFTS", [("TNULL4", 999999)])


def main() -> None:
    default = pathlib.Path(__file__).parent / "corpus"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    for target, files in (("fits_gate", fits_files()), ("catalogue", catalogues())):
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in files:
            (folder / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
