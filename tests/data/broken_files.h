#pragma once
// Files that no spectrum can be read from, by their number in the project's list of faults, with
// what a program has to say of each.

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tests/data/desi_files.h"
#include "tests/data/survey_files.h"

namespace balmer::data {

struct BrokenFile {
    int fault;
    std::string name;
    std::string bytes;
    std::string reason;
    std::string words;  ///< a piece of the detail
};

/// The files above this are skipped where the user says so (FAULTS 9).
inline constexpr int broken_files_limit_mebibytes = 8;

/// FAULTS 1 to 9: no sound FITS files.
inline std::vector<BrokenFile> broken_structures() {
    using namespace fits_builder;  // NOLINT(google-build-using-namespace)
    const std::string good = SdssFile().bytes();
    const std::size_t table = good.find("XTENSION");
    const std::size_t labels = good.find("XTENSION", table + 8);
    const auto with = [&](const std::string& keyword, const std::string& value) {
        return with_card(good, keyword, card(keyword, value));
    };
    std::string no_end;
    for (int i = 0; i < 40; ++i) no_end += i == 0 ? card("SIMPLE", "T") : card("BITPIX", 8);
    std::string swallowed = good;
    swallowed.replace(swallowed.find("END     "), 3, "   ");
    std::string second = good;
    second.replace(labels, 8, "XTENSIOM");
    std::string bad_crc = gzip(good);
    bad_crc[bad_crc.size() - 6] ^= 1;
    const std::string bomb = gzip(std::string((broken_files_limit_mebibytes << 20) + 1, ' '));
    return {
        {1, "empty.fits", "", "NOT_FITS", "empty"},
        {1, "page.fits", "<!DOCTYPE html><html>404</html>", "NOT_FITS", "<!DOCTYPE html>"},
        {1, "garbage.fits", std::string(10000, '\xa7'), "NOT_FITS", "????"},
        {2, "cut_header.fits", good.substr(0, table + 100), "TRUNCATED",
         "the file of 2980 bytes ends after 1 header cards"},
        {2, "cut_data.fits", good.substr(0, table + 2880 + 1000), "TRUNCATED",
         "need 4800 bytes, the file has 1000 left"},
        {2, "cut.fits.gz", gzip(good).substr(0, 900), "TRUNCATED", "900 bytes"},
        {3, "no_end.fits", no_end, "TRUNCATED", "40 header cards, without END"},
        {3, "swallowed_end.fits", swallowed, "BAD_STRUCTURE", "no END: XTENSION"},
        {3, "no_simple.fits", good.substr(80), "NOT_FITS", "BITPIX"},
        {4, "rows_2_63.fits", with("NAXIS2", "9223372036854775807"), "BAD_STRUCTURE",
         "9223372036854775807"},
        {4, "rows_negative.fits", with("NAXIS2", "-1"), "BAD_STRUCTURE", "NAXIS2 = -1"},
        {4, "rows_1e15.fits", with("NAXIS2", "1000000000000000"), "BAD_STRUCTURE",
         "1000000000000000"},
        {5, "row_length.fits", with("NAXIS1", "15"), "BAD_STRUCTURE", "4 columns take 16"},
        {5, "fields_999.fits", with("TFIELDS", "999"), "BAD_STRUCTURE", "TFORM5 is missing"},
        {5, "giant_column.fits", with_card(good, "TFORM1", text_card("TFORM1", "4000000000E")),
         "BAD_STRUCTURE", "NAXIS1"},
        {6, "only_a_header.fits",
         header({card("SIMPLE", "T"), card("BITPIX", -32), card("NAXIS", 2),
                 card("NAXIS1", 4000000000), card("NAXIS2", 4000000000)}),
         "BAD_STRUCTURE", "4000000000, 4000000000"},
        {7, "second_hdu.fits", second, "BAD_STRUCTURE", "HDU 2: corrupt"},
        {7, "second_hdu_card.fits", with_card(good, "TFORM3", "COMMENT gone", labels),
         "BAD_STRUCTURE", "HDU 2"},
        {8, "compressed_image.fits", with_card(good, "EXTNAME", card("ZIMAGE", "T")),
         "COMPRESSED_IMAGE", "--allow-compressed"},
        {8, "compressed_table.fits", with_card(good, "EXTNAME", card("ZTABLE", "T")),
         "COMPRESSED_IMAGE", "--allow-compressed"},
        {9, "bad_crc.fits.gz", bad_crc, "BAD_GZIP", "incorrect data check"},
        {9, "bomb.fits.gz", bomb, "BAD_GZIP", "beyond the limit of 8388608"},
    };
}

/// FAULTS 11 to 24: sound files of unusable spectra.
inline std::vector<BrokenFile> broken_spectra() {
    using namespace fits_builder;  // NOLINT(google-build-using-namespace)
    constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
    const auto sdss = [](const std::function<void(SdssFile&)>& change) {
        SdssFile file;
        change(file);
        return file.bytes();
    };
    const auto column = [](std::size_t index, const Column& changed) {
        const SdssFile file;
        auto columns = file.columns();
        columns[index] = changed;
        return file.with_columns(columns);
    };
    const SdssFile good;
    Column in_nanometres = numbers("loglam", good.loglam);
    in_nanometres.unit = "log10(nm)";
    DesiFile unequal;
    unequal.arms["R"].wavelength.pop_back();
    return {
        {11, "renamed.fits", column(0, numbers("fluxx", good.flux)), "MISSING_COLUMN",
         "columns found: fluxx, loglam, ivar, and_mask"},
        {11, "text_column.fits",
         column(1, strings("loglam", std::vector<std::string>(300, "3.58"), 4)), "MISSING_COLUMN",
         "'loglam' has format 4A, numbers are needed"},
        {11, "unknown.fits",
         primary() + binary_table({numbers<float>("FLUX", {1.0F})}, 1, "TEMPLATE"),
         "UNKNOWN_LAYOUT", "columns FLUX"},
        {12, "no_rows.fits", SdssFile(0).bytes(), "NO_ROWS", "0 rows"},
        {12, "no_pixels.fits", LamostFile(0).bytes(), "NO_ROWS", "0"},
        {13, "short.fits", SdssFile(199).bytes(), "LITTLE_COVERAGE",
         "199 of 199 pixels are good, at least 200"},
        {13, "masked.fits", sdss([](SdssFile& file) { std::fill_n(file.ivar.begin(), 101, 0.0F); }),
         "LITTLE_COVERAGE", "199 of 300"},
        {14, "no_weight.fits", sdss([](SdssFile& file) { file.ivar.assign(300, 0.0F); }), "NODATA",
         "none of 300 pixels"},
        {14, "all_masked.fits", sdss([](SdssFile& file) { file.and_mask.assign(300, 1 << 24); }),
         "NODATA", "none of 300 pixels"},
        {18, "backwards.fits", sdss([](SdssFile& file) { file.loglam[10] = 3.5F; }),
         "BAD_WAVELENGTH", "does not increase at pixel 10"},
        {18, "twice.fits", sdss([](SdssFile& file) { file.loglam[10] = file.loglam[9]; }),
         "BAD_WAVELENGTH", "does not increase at pixel 10"},
        {18, "nan.fits", sdss([&](SdssFile& file) { file.loglam[10] = not_a_number; }),
         "BAD_WAVELENGTH", "nan at pixel 10"},
        {19, "nanometres.fits", sdss([](SdssFile& file) {
             for (float& value : file.loglam) value -= 1.0F;
         }),
         "UNKNOWN_WAVELENGTH_UNIT", "no optical spectrum in A"},
        {19, "unit.fits", column(1, in_nanometres), "UNKNOWN_WAVELENGTH_UNIT", "'log10(nm)'"},
        {19, "air.fits", with_card(LamostFile().bytes(), "VACUUM", card("VACUUM", "F")),
         "UNKNOWN_WAVELENGTH_UNIT", "air"},
        {21, "unequal_arm.fits", unequal.bytes(), "LENGTH_MISMATCH", "R_WAVELENGTH has 159"},
        {24, "many_cards.fits",
         good.bytes().substr(0, 80 * 4) + std::string(80 * 40000, ' ') + good.bytes().substr(320),
         "BAD_STRUCTURE", "more than 36000 header cards"},
    };
}

inline std::vector<BrokenFile> broken_files() {
    std::vector<BrokenFile> all = broken_structures();
    for (BrokenFile& file : broken_spectra()) all.push_back(std::move(file));
    return all;
}

}  // namespace balmer::data
