// data/readers: what comes out of LAMOST's table layout. The numbers in the names are those of the
// project's list of faults.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The image layout's spectrum and header as DR8 writes them: one row of arrays.
struct LamostTable {
    explicit LamostTable(std::size_t pixels = 300) : source(pixels) {}

    std::vector<Column> columns() const {
        std::vector<Column> all;
        const char* const names[] = {"FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK"};
        for (std::size_t i = 0; i < 5; ++i) {
            all.push_back(numbers(names[i], source.rows[i], source.rows[i].size()));
        }
        return all;
    }
    std::string bytes() const { return with_columns(columns()); }
    std::string with_columns(const std::vector<Column>& changed, std::int64_t rows = 1) const {
        return primary(source.cards()) + binary_table(changed, rows, "COADD");
    }

    LamostFile source;
};

TEST(LamostTable, ReadsTheArraysByNameAndTheHeader) {
    const LamostTable file;
    auto columns = file.columns();
    std::swap(columns[0], columns[4]);
    for (char& letter : columns[1].name) letter = static_cast<char>(std::tolower(letter));
    const Spectrum spectrum = read_one(file.with_columns(columns));
    EXPECT_EQ(spectrum.survey, "lamost");
    EXPECT_EQ(spectrum.flux, file.source.rows[0]);
    EXPECT_EQ(spectrum.inverse_variance, file.source.rows[1]);
    EXPECT_DOUBLE_EQ(spectrum.wavelength[299], std::pow(10.0, 3.5682 + 1e-4 * 299));
    EXPECT_EQ(spectrum.object_id, 105172);
    EXPECT_EQ(spectrum.object_name, "LAMOST J220813.50-002042.6");
    EXPECT_DOUBLE_EQ(*spectrum.ra, 332.05627);
    EXPECT_DOUBLE_EQ(*spectrum.survey_snr, std::sqrt(145.0));
    EXPECT_EQ(spectrum.labels.object_class, "STAR");
    EXPECT_EQ(spectrum.labels.subclass, "G3");
    EXPECT_DOUBLE_EQ(*spectrum.labels.z, -0.00009073);
}

TEST(LamostTable, ReadsGzipDoublesAndIntegerMasks) {
    const TemporaryFolder folder;
    LamostTable file;
    auto columns = file.columns();
    const auto& flux = file.source.rows[0];
    columns[0] = numbers("FLUX", std::vector<double>(flux.begin(), flux.end()), 300);
    std::vector<std::int32_t> bits(300, 0);
    bits[8] = 1 << 20;
    columns[3] = numbers("ANDMASK", bits, 300);
    const ReadResult result =
        read_spectra(folder.write("spectrum", gzip(file.with_columns(columns))));
    ASSERT_EQ(result.spectra.size(), 1U);
    EXPECT_EQ(result.spectra[0].mask[8], 1);
    EXPECT_EQ(good_pixels(result.spectra[0]), 299);
    EXPECT_EQ(result.spectra[0].flux[299], flux[299]);
}

TEST(LamostTable, TakesTheWavelengthsOfTheColumnWhereTheHeaderHasNone) {
    LamostTable file;
    file.source.grid.clear();
    const Spectrum spectrum = read_one(file.bytes());
    for (std::size_t i = 0; i < 300; ++i) {
        EXPECT_EQ(spectrum.wavelength[i], double{file.source.rows[2][i]});
    }
}

TEST(LamostTable, Fault02RefusesATruncatedTable) {
    const std::string bytes = LamostTable().bytes();
    EXPECT_EQ(refusal_of(bytes.substr(0, bytes.size() - 5760)).status, Status::truncated);
}

TEST(LamostTable, Fault05RefusesARepeatThatCannotBe) {
    const auto refusal = refusal_of(
        with_card(LamostTable().bytes(), "TFORM1", text_card("TFORM1", "9223372036854775807E")));
    EXPECT_EQ(refusal.status, Status::bad_structure);
}

TEST(LamostTable, Fault11ListsTheColumnsFound) {
    const LamostTable file;
    auto columns = file.columns();
    columns[0].name = "FLUXX";
    const auto refusal = refusal_of(file.with_columns(columns));
    EXPECT_EQ(refusal.status, Status::missing_column);
    EXPECT_TRUE(refusal.mentions("no column 'FLUX'") && refusal.mentions("FLUXX, IVAR")) << refusal;
    columns = file.columns();
    columns.erase(columns.begin() + 2);
    EXPECT_EQ(refusal_of(file.with_columns(columns)).status, Status::ok) << "the header has a grid";
    LamostTable bare;
    bare.source.grid.clear();
    EXPECT_EQ(refusal_of(bare.with_columns(columns)).status, Status::missing_column);
    columns.erase(columns.begin() + 1);
    EXPECT_FALSE(read_one(file.with_columns(columns)).inverse_variance_known);
}

TEST(LamostTable, Fault12RefusesZeroRowsAndMoreThanOne) {
    const LamostTable file;
    EXPECT_EQ(refusal_of(file.with_columns(file.columns(), 0)).status, Status::no_rows);
    EXPECT_EQ(refusal_of(LamostTable(0).bytes()).status, Status::no_rows);
    auto twice = file.columns();
    for (Column& column : twice) column.cells += column.cells;
    EXPECT_EQ(refusal_of(file.with_columns(twice, 2)).status, Status::bad_structure);
}

TEST(LamostTable, Faults13To17AreThoseOfTheImageLayout) {
    LamostTable few;
    for (std::size_t i = 199; i < 300; ++i) few.source.rows[3][i] = 1.0F;
    EXPECT_EQ(refusal_of(few.bytes()).status, Status::little_coverage);
    LamostTable none;
    none.source.rows[1].assign(300, 0.0F);
    EXPECT_EQ(refusal_of(none.bytes()).status, Status::no_data);
    LamostTable odd;
    odd.source.rows[0][3] = not_a_number;
    odd.source.rows[1][4] = -1.0F;
    const Spectrum spectrum = read_one(odd.bytes());
    EXPECT_EQ(spectrum.not_finite_flux, 1);
    EXPECT_EQ(spectrum.bad_inverse_variance, 1);
    LamostTable constant;
    constant.source.rows[0].assign(300, 8.0F);
    EXPECT_DOUBLE_EQ(*signal_to_noise(read_one(constant.bytes())), 4.0);
}

TEST(LamostTable, Fault18SkipsWavelengthsThatDoNotIncrease) {
    LamostTable file;
    file.source.grid.clear();
    file.source.rows[2][10] = file.source.rows[2][9];
    EXPECT_EQ(refusal_of(file.bytes()).status, Status::bad_wavelength);
}

TEST(LamostTable, Fault19SkipsAirWavelengths) {
    const auto refusal =
        refusal_of(with_card(LamostTable().bytes(), "VACUUM", card("VACUUM", "F")));
    EXPECT_EQ(refusal.status, Status::unknown_wavelength_unit);
}

TEST(LamostTable, Fault21SkipsArraysOfDifferentLength) {
    for (std::size_t shorter = 0; shorter < 4; ++shorter) {
        LamostTable file;
        file.source.rows[shorter].pop_back();
        EXPECT_EQ(refusal_of(file.bytes()).status, Status::length_mismatch) << shorter;
    }
}

}  // namespace
}  // namespace balmer::data
