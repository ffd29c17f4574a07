// data/readers: what comes out of SDSS and LAMOST files, and why a spectrum is skipped. The numbers
// in the names are those of the project's list of faults.

#include "data/readers/reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "data/readers/validate.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinite = std::numeric_limits<float>::infinity();

TEST(SdssReader, ReadsPixelsAndLabels) {
    const SdssFile file;
    const Spectrum spectrum = read_one(file.bytes());
    EXPECT_EQ(spectrum.file, "test.fits");
    EXPECT_EQ(spectrum.survey, "sdss");
    EXPECT_EQ(spectrum.flux, file.flux);
    EXPECT_EQ(spectrum.inverse_variance, file.ivar);
    EXPECT_TRUE(spectrum.inverse_variance_known);
    for (std::size_t i = 0; i < file.loglam.size(); ++i) {
        EXPECT_DOUBLE_EQ(spectrum.wavelength[i], std::pow(10.0, double{file.loglam[i]}));
    }
    EXPECT_EQ(good_pixels(spectrum), 300);
    EXPECT_EQ(spectrum.flags, 0U);
    EXPECT_EQ(spectrum.object_name, "0314-51641-0211");
    EXPECT_EQ(spectrum.object_id, 353590597518387200);
    EXPECT_DOUBLE_EQ(*spectrum.ra, 232.71862);
    EXPECT_DOUBLE_EQ(*spectrum.dec, -0.74424234);
    EXPECT_DOUBLE_EQ(*spectrum.survey_snr, 12.5);
    EXPECT_EQ(spectrum.labels.object_class, "GALAXY");
    EXPECT_EQ(spectrum.labels.subclass, "STARFORMING");
    EXPECT_DOUBLE_EQ(*spectrum.labels.z, 0.125);
    EXPECT_FLOAT_EQ(static_cast<float>(*spectrum.labels.z_err), 1e-5F);
    EXPECT_EQ(spectrum.labels.zwarn, 4);
    EXPECT_FALSE(spectrum.labels.teff || spectrum.labels.logg || spectrum.labels.feh);
}

TEST(SdssReader, ReadsUpperCaseColumnsInUnnamedHdus) {
    const SdssFile file;
    auto columns = file.columns();
    for (Column& column : columns) {
        for (char& letter : column.name) letter = static_cast<char>(std::toupper(letter));
    }
    const Spectrum spectrum =
        read_one(primary() + binary_table(columns, 300) + binary_table(file.labels, 1) +
                 binary_table({numbers<float>("LINEZ", {0.1F, 0.2F})}, 2));
    EXPECT_EQ(spectrum.flux, file.flux);
    EXPECT_EQ(spectrum.labels.object_class, "GALAXY");
}

TEST(SdssReader, ReadsGzipAndASpectrumWithoutLabels) {
    const TemporaryFolder folder;
    const SdssFile file;
    const std::string path = folder.write(
        "spec.dat", gzip(primary({card("PLATEID", 10000), card("MJD", 57346), card("FIBERID", 2),
                                  card("RA", "1.0"), card("PLUG_RA", "2.0")}) +
                         binary_table(file.columns(), 300)));
    const ReadResult result = read_spectra(path);
    ASSERT_EQ(result.spectra.size(), 1U);
    const Spectrum& spectrum = result.spectra[0];
    EXPECT_EQ(spectrum.file, path);
    EXPECT_EQ(spectrum.object_name, "10000-57346-0002");
    EXPECT_EQ(spectrum.ra, 2.0) << "RA alone is the telescope's pointing";
    EXPECT_FALSE(spectrum.dec);
    EXPECT_EQ(spectrum.labels.object_class, "");
    EXPECT_FALSE(spectrum.labels.z || spectrum.labels.zwarn || spectrum.survey_snr);
}

TEST(SdssReader, KeepsAllBitsOfTheObjectId) {
    SdssFile file;
    file.labels.push_back(strings("SPECOBJID", {"    353590597518387201"}, 22));
    EXPECT_EQ(read_one(file.bytes()).object_id, 353590597518387201);
    file.labels.back() = strings("SPECOBJID", {"11258999741428506624"}, 22);
    EXPECT_EQ(static_cast<std::uint64_t>(read_one(file.bytes()).object_id),
              11258999741428506624ULL);
    // Unsigned integers are stored as signed ones, moved by TZERO = 2^63.
    const std::int64_t stored = 11258999741428506624ULL - 9223372036854775808ULL;
    file.labels.back() = numbers<std::int64_t>("SPECOBJID", {stored});
    auto cards = table_cards(file.labels, 1);
    cards.push_back(card("TZERO" + std::to_string(file.labels.size()), "9223372036854775808"));
    const std::string bytes =
        file.with_columns(file.columns()) + header(cards) + table_data(file.labels, 1);
    EXPECT_EQ(static_cast<std::uint64_t>(read_one(bytes).object_id), 11258999741428506624ULL);
}

TEST(SdssReader, TakesStellarParametersOnlyWithATemperature) {
    SdssFile file;
    file.labels[8] = numbers<float>("ELODIE_TEFF", {5777.0F});
    file.labels[9] = numbers<float>("ELODIE_LOGG", {4.5F});
    const Spectrum sun = read_one(file.bytes());
    EXPECT_EQ(sun.labels.teff, 5777.0);
    EXPECT_EQ(sun.labels.logg, 4.5);
    EXPECT_EQ(sun.labels.feh, 0.0) << "[Fe/H] = 0 alone is a value";
    file.labels[8] = numbers<float>("ELODIE_TEFF", {-9999.0F});
    const Spectrum none = read_one(file.bytes());
    EXPECT_FALSE(none.labels.teff || none.labels.logg || none.labels.feh);
}

TEST(SdssReader, MasksPixelBitsAndOnlyFlagsFibreBits) {
    SdssFile file;
    for (const int bit : {18, 22, 23, 24, 26, 27, 28}) {
        file.and_mask[static_cast<std::size_t>(bit)] = 1 << bit;
    }
    for (const int bit : {16, 17, 19, 20, 21, 25, 29, 30}) {
        file.and_mask[static_cast<std::size_t>(bit)] = 1 << bit;
    }
    const Spectrum masked = read_one(file.bytes());
    EXPECT_EQ(good_pixels(masked), 300 - 7);
    EXPECT_EQ(masked.mask[22], 1);
    EXPECT_EQ(masked.inverse_variance[22], 0.0F);
    EXPECT_EQ(masked.flux[22], file.flux[22]);
    EXPECT_EQ(masked.flags, 0U);

    for (auto& bits : file.and_mask) bits |= 1 << 4;
    const Spectrum flagged = read_one(file.bytes());
    EXPECT_EQ(good_pixels(flagged), 300 - 7);
    EXPECT_EQ(flagged.flags, fibre_flagged);
    ReadOptions strict;
    strict.strict = true;
    EXPECT_EQ(refusal_of(file.bytes(), strict).status, Status::no_data);
}

TEST(LamostReader, ReadsRowsAndHeader) {
    const LamostFile file;
    const Spectrum spectrum = read_one(file.bytes());
    EXPECT_EQ(spectrum.survey, "lamost");
    EXPECT_EQ(spectrum.flux, file.rows[0]);
    EXPECT_EQ(spectrum.inverse_variance, file.rows[1]);
    EXPECT_DOUBLE_EQ(spectrum.wavelength[299], std::pow(10.0, 3.5682 + 1e-4 * 299));
    EXPECT_EQ(spectrum.object_id, 105172);
    EXPECT_EQ(spectrum.object_name, "LAMOST J220813.50-002042.6");
    EXPECT_DOUBLE_EQ(*spectrum.ra, 332.05627);
    EXPECT_DOUBLE_EQ(*spectrum.dec, -0.34518);
    EXPECT_DOUBLE_EQ(*spectrum.survey_snr, std::sqrt(145.0));
    EXPECT_EQ(spectrum.labels.object_class, "STAR");
    EXPECT_EQ(spectrum.labels.subclass, "G3");
    EXPECT_DOUBLE_EQ(*spectrum.labels.z, -0.00009073);
    EXPECT_FALSE(spectrum.labels.zwarn || spectrum.labels.teff);
}

TEST(LamostReader, TakesTheWavelengthFromTheHeaderWhereRow2IsAContinuum) {
    LamostFile file;
    file.exten0 = "Flux Inverse Subcontinuum Andmask Ormask";
    file.rows[2].assign(300, 17.0F);
    for (auto& one : file.snr) one.replace(0, 4, std::string("SN_") + one[3]);
    const Spectrum spectrum = read_one(file.bytes());
    EXPECT_DOUBLE_EQ(spectrum.wavelength[1], std::pow(10.0, 3.5682 + 1e-4));
    EXPECT_DOUBLE_EQ(*spectrum.survey_snr, std::sqrt(145.0));

    file.grid = {card("CRVAL1", "3.5682"), card("CD1_1", "0.0001"), card("CRPIX1", 2)};
    EXPECT_NEAR(read_one(file.bytes()).wavelength[1], std::pow(10.0, 3.5682), 1e-9);
    file.grid.clear();
    const auto refusal = refusal_of(file.bytes());
    EXPECT_EQ(refusal.status, Status::missing_column);
    EXPECT_TRUE(refusal.mentions("no wavelength") && refusal.mentions("flux, inverse, subcont"))
        << refusal;
}

TEST(LamostReader, BelievesTheWavelengthRowWhereTheHeaderContradictsIt) {
    LamostFile file;
    file.grid[0] = card("COEFF0", "3.6000");
    EXPECT_FLOAT_EQ(static_cast<float>(read_one(file.bytes()).wavelength[0]), file.rows[2][0]);
    file.grid.clear();
    EXPECT_FLOAT_EQ(static_cast<float>(read_one(file.bytes()).wavelength[9]), file.rows[2][9]);
}

TEST(LamostReader, ReadsMissingValuesMissingRowsAndDoubles) {
    LamostFile file;
    file.object_class = "Unknown";
    file.z = "-9999.0";
    file.snr[2] = card("SNRR", "-9999.00");
    file.rows.resize(2);
    const Spectrum spectrum = read_one(file.bytes());
    EXPECT_EQ(spectrum.labels.object_class, "");
    EXPECT_FALSE(spectrum.labels.z);
    EXPECT_FALSE(spectrum.survey_snr);
    EXPECT_EQ(good_pixels(spectrum), 300);

    file.rows.resize(1);
    EXPECT_FALSE(read_one(file.bytes()).inverse_variance_known);
    std::vector<std::vector<double>> doubles(5);
    const LamostFile source;
    for (std::size_t row = 0; row < 5; ++row) {
        doubles[row].assign(source.rows[row].begin(), source.rows[row].end());
    }
    EXPECT_EQ(read_one(primary_image(doubles, source.cards())).flux, source.rows[0]);
}

TEST(LamostReader, MasksWhereTheAndmaskIsSet) {
    LamostFile file;
    file.rows[3][5] = 4.0F;
    file.rows[4][6] = 4.0F;
    file.rows[1][7] = 0.0F;
    const Spectrum spectrum = read_one(file.bytes());
    EXPECT_EQ(spectrum.mask[5], 1);
    EXPECT_EQ(spectrum.mask[6], 0);
    EXPECT_EQ(spectrum.mask[7], 1);
    EXPECT_EQ(spectrum.bad_inverse_variance, 0);
}

TEST(Readers, Fault11ListsTheColumnsFound) {
    const SdssFile file;
    auto columns = file.columns();
    columns[0].name = "fluxx";
    const auto renamed = refusal_of(file.with_columns(columns));
    EXPECT_EQ(renamed.status, Status::missing_column);
    EXPECT_TRUE(renamed.mentions("no column 'flux'") &&
                renamed.mentions("columns found: fluxx, loglam, ivar, and_mask"))
        << renamed;

    columns = file.columns();
    columns[1] = strings("loglam", std::vector<std::string>(300, "3.58"), 4);
    const auto text = refusal_of(file.with_columns(columns));
    EXPECT_EQ(text.status, Status::missing_column);
    EXPECT_TRUE(text.mentions("'loglam' has format 4A, numbers are needed")) << text;

    columns = file.columns();
    columns[3] = numbers("and_mask", file.ivar);
    EXPECT_EQ(refusal_of(file.with_columns(columns)).status, Status::missing_column);

    std::vector<float> pairs = file.flux;
    pairs.insert(pairs.end(), file.flux.begin(), file.flux.end());
    columns = file.columns();
    columns[0] = numbers("flux", pairs, 2);
    const auto arrays = refusal_of(file.with_columns(columns));
    EXPECT_EQ(arrays.status, Status::missing_column);
    EXPECT_TRUE(arrays.mentions("format 2E, one number a row")) << arrays;

    LamostFile lamost;
    lamost.exten0 = "Spectrum, Inverse, Wavelength";
    const auto row = refusal_of(lamost.bytes());
    EXPECT_EQ(row.status, Status::missing_column);
    EXPECT_TRUE(row.mentions("rows found: spectrum, inverse, wavelength")) << row;
}

TEST(Readers, Fault11DescribesAFileThatNoReaderRecognises) {
    const auto refusal = refusal_of(
        primary() + binary_table({numbers<float>("FLUX", {1.0F}), numbers<float>("LOGLAM", {3.6F})},
                                 1, "TEMPLATE"));
    EXPECT_EQ(refusal.status, Status::unknown_layout);
    EXPECT_TRUE(refusal.mentions("HDU 1 TEMPLATE table, 1 rows, columns FLUX, LOGLAM")) << refusal;
    ReadOptions options;
    options.survey = "lamost";
    EXPECT_EQ(refusal_of(SdssFile().bytes(), options).status, Status::unknown_layout);
    options.survey = "sdss";
    EXPECT_EQ(read_bytes(SdssFile().bytes(), options).spectra.size(), 1U);
    options.survey = "sdds";
    EXPECT_THROW(read_bytes(SdssFile().bytes(), options), UsageError);
}

TEST(Readers, Fault12RefusesZeroRows) {
    const auto sdss = refusal_of(SdssFile(0).bytes());
    EXPECT_EQ(sdss.status, Status::no_rows);
    EXPECT_TRUE(sdss.mentions("0 rows")) << sdss;
    EXPECT_EQ(refusal_of(LamostFile(0).bytes()).status, Status::no_rows);
}

TEST(Readers, Fault13SkipsSpectraOfTooFewGoodPixels) {
    for (const auto& [good, status] :
         {std::pair(200, Status::ok), std::pair(199, Status::little_coverage)}) {
        SdssFile sdss;
        LamostFile lamost;
        for (std::size_t i = static_cast<std::size_t>(good); i < 300; ++i) {
            sdss.ivar[i] = 0.0F;
            lamost.rows[3][i] = 1.0F;
        }
        EXPECT_EQ(refusal_of(sdss.bytes()).status, status);
        EXPECT_EQ(refusal_of(lamost.bytes()).status, status);
    }
    const auto refusal = refusal_of(SdssFile(150).bytes());
    EXPECT_STREQ(name_of(refusal.status), "LITTLE_COVERAGE");
    EXPECT_TRUE(refusal.mentions("150 of 150 pixels are good, at least 200")) << refusal;
    ReadOptions fewer;
    fewer.minimum_good_pixels = 150;
    EXPECT_EQ(refusal_of(SdssFile(150).bytes(), fewer).status, Status::ok);
}

TEST(Readers, Fault14SkipsSpectraWithoutAnyGoodPixel) {
    SdssFile sdss;
    sdss.ivar.assign(300, 0.0F);
    EXPECT_STREQ(name_of(refusal_of(sdss.bytes()).status), "NODATA");
    sdss.ivar.assign(300, 1.0F);
    sdss.and_mask.assign(300, 1 << 24);
    EXPECT_EQ(refusal_of(sdss.bytes()).status, Status::no_data);
    LamostFile lamost;
    lamost.rows[3].assign(300, 1.0F);
    EXPECT_EQ(refusal_of(lamost.bytes()).status, Status::no_data);
}

TEST(Readers, Fault14KeepsAFileThatHasNoVarianceAtAll) {
    const SdssFile file;
    auto columns = file.columns();
    columns.erase(columns.begin() + 2);
    const Spectrum spectrum = read_one(file.with_columns(columns));
    EXPECT_FALSE(spectrum.inverse_variance_known);
    EXPECT_EQ(spectrum.inverse_variance, std::vector<float>(300, 1.0F));
    EXPECT_FALSE(signal_to_noise(spectrum));
}

TEST(Readers, Fault15MasksAndCountsFluxThatIsNotFinite) {
    SdssFile sdss;
    LamostFile lamost;
    for (auto* flux : {&sdss.flux, &lamost.rows[0]}) {
        (*flux)[3] = not_a_number;
        (*flux)[4] = infinite;
        (*flux)[5] = -infinite;
    }
    for (const std::string& bytes : {sdss.bytes(), lamost.bytes()}) {
        const Spectrum spectrum = read_one(bytes);
        EXPECT_EQ(spectrum.not_finite_flux, 3);
        EXPECT_EQ(spectrum.flags, flux_not_finite);
        EXPECT_EQ(good_pixels(spectrum), 297);
        EXPECT_EQ(spectrum.flux[4], 0.0F);
        EXPECT_EQ(spectrum.inverse_variance[4], 0.0F);
    }
}

TEST(Readers, Fault16SetsBadVarianceToZeroAndCountsIt) {
    SdssFile sdss;
    LamostFile lamost;
    for (auto* weights : {&sdss.ivar, &lamost.rows[1]}) {
        (*weights)[3] = not_a_number;
        (*weights)[4] = -1.0F;
        (*weights)[5] = infinite;
        (*weights)[6] = 0.0F;
    }
    for (const std::string& bytes : {sdss.bytes(), lamost.bytes()}) {
        const Spectrum spectrum = read_one(bytes);
        EXPECT_EQ(spectrum.bad_inverse_variance, 3);
        EXPECT_EQ(spectrum.flags, bad_variance);
        EXPECT_EQ(good_pixels(spectrum), 296);
        for (std::size_t i = 3; i < 7; ++i) EXPECT_EQ(spectrum.inverse_variance[i], 0.0F);
    }
}

TEST(Readers, Fault17ReadsAConstantFlux) {
    SdssFile file;
    file.flux.assign(300, 2.5F);
    EXPECT_DOUBLE_EQ(*signal_to_noise(read_one(file.bytes())), 5.0);
    file.flux.assign(300, 0.0F);
    EXPECT_DOUBLE_EQ(*signal_to_noise(read_one(file.bytes())), 0.0);
}

TEST(Readers, Fault18SkipsWavelengthsThatDoNotIncrease) {
    const std::vector<std::pair<float, std::string>> cases = {
        {3.5F, "does not increase at pixel 10"},
        {SdssFile().loglam[9], "does not increase at pixel 10"},
        {not_a_number, "nan at pixel 10"},
        {infinite, "inf at pixel 10"},
        {3800.0F, "inf at pixel 10"}};
    for (const auto& [value, detail] : cases) {
        SdssFile file;
        file.loglam[10] = value;
        const auto refusal = refusal_of(file.bytes());
        EXPECT_EQ(refusal.status, Status::bad_wavelength);
        EXPECT_TRUE(refusal.mentions(detail)) << refusal;
    }
    LamostFile backwards;
    backwards.exten0 = "Flux Inverse Subcontinuum Andmask Ormask";
    backwards.grid[1] = card("COEFF1", "-0.0001");
    EXPECT_EQ(refusal_of(backwards.bytes()).status, Status::bad_wavelength);
    LamostFile row;
    row.grid.clear();
    row.rows[2][100] = not_a_number;
    EXPECT_EQ(refusal_of(row.bytes()).status, Status::bad_wavelength);
}

TEST(Readers, Fault19SkipsUndecidedUnits) {
    SdssFile nanometres;
    for (float& value : nanometres.loglam) value -= 1.0F;
    const auto range = refusal_of(nanometres.bytes());
    EXPECT_EQ(range.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(range.mentions("no optical spectrum in A")) << range;

    const SdssFile file;
    auto columns = file.columns();
    columns[1].unit = "log10(nm)";
    const auto unit = refusal_of(file.with_columns(columns));
    EXPECT_EQ(unit.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(unit.mentions("'log10(nm)'")) << unit;
    for (const char* same : {"log10(Angstrom)", "Angstrom", "A"}) {
        columns[1].unit = same;
        EXPECT_EQ(refusal_of(file.with_columns(columns)).status, Status::ok) << same;
    }

    const auto air = refusal_of(with_card(LamostFile().bytes(), "VACUUM", card("VACUUM", "F")));
    EXPECT_EQ(air.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(air.mentions("air")) << air;
}

TEST(Readers, Fault20FindsNoOverlapWithARange) {
    SdssFile file;
    file.ivar[0] = 0.0F;
    const Spectrum spectrum = read_one(file.bytes());
    EXPECT_FALSE(require_overlap(spectrum, 3500.0, 10000.0));
    EXPECT_FALSE(require_overlap(spectrum, 3000.0, spectrum.wavelength[1]));
    const auto skipped = require_overlap(spectrum, 3000.0, spectrum.wavelength[0]);
    ASSERT_TRUE(skipped) << "the only pixel inside is masked";
    EXPECT_EQ(skipped->status, Status::no_overlap);
    EXPECT_NE(skipped->detail.find("within 3000.0 to"), std::string::npos) << skipped->detail;
}

TEST(Readers, Fault21SkipsArraysOfDifferentLength) {
    const Spectrum good = read_one(SdssFile().bytes());
    const std::vector<std::function<void(Spectrum&)>> cuts = {
        [](Spectrum& s) { s.wavelength.pop_back(); }, [](Spectrum& s) { s.flux.pop_back(); },
        [](Spectrum& s) { s.inverse_variance.pop_back(); }, [](Spectrum& s) { s.mask.pop_back(); }};
    for (const auto& cut : cuts) {
        Spectrum spectrum = good;
        spectrum.row = 7;
        cut(spectrum);
        const auto skipped = validate(spectrum, 200);
        ASSERT_TRUE(skipped);
        EXPECT_EQ(skipped->row, 7);
        EXPECT_EQ(skipped->status, Status::length_mismatch);
        EXPECT_NE(skipped->detail.find("299"), std::string::npos) << skipped->detail;
    }
}

}  // namespace
}  // namespace balmer::data
