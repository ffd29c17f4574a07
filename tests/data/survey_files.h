#pragma once
// Small files in the layouts of the surveys, in memory, and helpers for tests that expect errors.

#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/readers/reader.h"
#include "tests/data/fits_builder.h"
#include "tests/temporary_folder.h"

namespace balmer::data {

/// A spectrum on SDSS's grid from 3800 A on, `pixels` long, flux rising slowly.
struct SdssFile {
    explicit SdssFile(std::size_t pixels = 300) {
        for (std::size_t i = 0; i < pixels; ++i) {
            flux.push_back(1.0F + 0.001F * static_cast<float>(i));
            loglam.push_back(3.5798F + 1e-4F * static_cast<float>(i));
            ivar.push_back(4.0F);
            and_mask.push_back(0);
        }
        labels = {fits_builder::strings("CLASS", {"GALAXY"}, 6),
                  fits_builder::strings("SUBCLASS", {"STARFORMING"}, 21),
                  fits_builder::numbers<float>("Z", {0.125F}),
                  fits_builder::numbers<float>("Z_ERR", {1e-5F}),
                  fits_builder::numbers<std::int32_t>("ZWARNING", {4}),
                  fits_builder::numbers<float>("SN_MEDIAN_ALL", {12.5F}),
                  fits_builder::numbers<double>("PLUG_RA", {232.71862}),
                  fits_builder::numbers<double>("PLUG_DEC", {-0.74424234}),
                  fits_builder::numbers<float>("ELODIE_TEFF", {0.0F}),
                  fits_builder::numbers<float>("ELODIE_LOGG", {0.0F}),
                  fits_builder::numbers<float>("ELODIE_FEH", {0.0F}),
                  fits_builder::numbers<std::int32_t>("PLATE", {314}),
                  fits_builder::numbers<std::int32_t>("MJD", {51641}),
                  fits_builder::numbers<std::int32_t>("FIBERID", {211}),
                  fits_builder::strings("RUN2D", {"26"}, 6)};
    }

    std::vector<fits_builder::Column> columns() const {
        return {fits_builder::numbers("flux", flux), fits_builder::numbers("loglam", loglam),
                fits_builder::numbers("ivar", ivar), fits_builder::numbers("and_mask", and_mask)};
    }
    std::int64_t rows() const { return static_cast<std::int64_t>(flux.size()); }
    std::string bytes() const {
        return with_columns(columns()) + fits_builder::binary_table(labels, 1, "SPECOBJ");
    }
    /// Without the label table, and with other columns in the coadd.
    std::string with_columns(const std::vector<fits_builder::Column>& changed) const {
        return fits_builder::primary() + fits_builder::binary_table(changed, rows(), "COADD");
    }

    std::vector<float> flux;
    std::vector<float> loglam;
    std::vector<float> ivar;
    std::vector<std::int32_t> and_mask;
    std::vector<fits_builder::Column> labels;
};

/// A spectrum in LAMOST's image layout, DR7 style.
struct LamostFile {
    explicit LamostFile(std::size_t pixels = 300) : rows(5) {
        for (std::size_t i = 0; i < pixels; ++i) {
            rows[0].push_back(100.0F + static_cast<float>(i));
            rows[1].push_back(0.25F);
            rows[2].push_back(static_cast<float>(std::pow(10.0, 3.5682 + 1e-4 * double(i))));
            rows[3].push_back(0.0F);
            rows[4].push_back(0.0F);
        }
    }

    std::vector<std::string> cards() const {
        using fits_builder::card;
        using fits_builder::text_card;
        std::vector<std::string> all = {
            text_card("EXTEN0", exten0), text_card("TELESCOP", "LAMOST"),
            card("OBSID", 105172),       text_card("DESIG", "LAMOST J220813.50-002042.6"),
            card("RA", "332.056270"),    card("DEC", "-0.345180"),
            card("VACUUM", "T"),         text_card("CLASS", object_class),
            text_card("SUBCLASS", "G3"), card("Z", z),
            card("Z_ERR", "0.00002202")};
        all.insert(all.end(), grid.begin(), grid.end());
        all.insert(all.end(), snr.begin(), snr.end());
        return all;
    }
    std::string bytes() const { return fits_builder::primary_image(rows, cards()); }

    std::vector<std::vector<float>> rows;
    std::string exten0 = "Flux, Inverse, Wavelength, Andmask, Ormask";
    std::string object_class = "STAR";
    std::string z = "-0.00009073";
    std::vector<std::string> grid = {fits_builder::card("COEFF0", "3.5682"),
                                     fits_builder::card("COEFF1", "0.0001")};
    std::vector<std::string> snr = {
        fits_builder::card("SNRU", "2.0"), fits_builder::card("SNRG", "4.0"),
        fits_builder::card("SNRR", "5.0"), fits_builder::card("SNRI", "6.0"),
        fits_builder::card("SNRZ", "8.0")};
};

inline std::vector<char> as_bytes(const std::string& text) {
    return {text.begin(), text.end()};
}

inline ReadResult read_bytes(const std::string& bytes, const ReadOptions& options = {}) {
    GateOptions gate;
    gate.allow_compressed = options.allow_compressed;
    return read_spectra(
        SourceFile(FitsFile("test.fits", check_fits("test.fits", as_bytes(bytes), gate))), options);
}

/// The one spectrum of a file.
inline Spectrum read_one(const std::string& bytes, const ReadOptions& options = {}) {
    ReadResult result = read_bytes(bytes, options);
    for (const SkippedRow& row : result.skipped) ADD_FAILURE() << row.detail;
    EXPECT_EQ(result.spectra.size(), 1U);
    return result.spectra.empty() ? Spectrum{} : std::move(result.spectra[0]);
}

/// Why a file, or its only row, is refused.
struct Refusal {
    Status status = Status::ok;
    std::string detail;
    bool mentions(const std::string& text) const { return detail.find(text) != std::string::npos; }
};

/// How GoogleTest prints a status.
inline void PrintTo(Status status, std::ostream* stream) {
    *stream << name_of(status);
}

inline std::ostream& operator<<(std::ostream& stream, const Refusal& refusal) {
    return stream << name_of(refusal.status) << ": " << refusal.detail;
}

inline Refusal refusal_of(const std::function<ReadResult()>& read) {
    try {
        const ReadResult result = read();
        if (result.skipped.empty()) return {Status::ok, "the file was read"};
        return {result.skipped[0].status, result.skipped[0].detail};
    } catch (const SpectrumError& error) {
        EXPECT_EQ(error.file + ": " + error.detail, error.what());
        return {error.status, error.detail};
    }
}

inline Refusal refusal_of(const std::string& bytes, const ReadOptions& options = {}) {
    return refusal_of([&] { return read_bytes(bytes, options); });
}

/// `bytes` as one gzip member.
inline std::string gzip(const std::string& bytes) {
    z_stream stream{};
    deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string packed(deflateBound(&stream, bytes.size()), '\0');
    std::string input = bytes;
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

}  // namespace balmer::data
