// data/readers: what comes out of SDSS plate files. The numbers in the names are those of the
// project's list of faults.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "tests/data/plate_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

TEST(SdssPlate, GivesOneSpectrumAFibreAndLeavesTheSkyOut) {
    const PlateFileBytes file;
    const ReadResult result = read_bytes(file.bytes());
    ASSERT_EQ(result.skipped.size(), 1U);
    EXPECT_EQ(result.skipped[0].row, 1);
    EXPECT_EQ(result.skipped[0].status, Status::sky_fibre);
    EXPECT_EQ(result.skipped[0].detail, "fibre 2: OBJTYPE SKY, it looks at the empty sky");
    ASSERT_EQ(result.spectra.size(), 2U);
    const Spectrum& spectrum = result.spectra[1];
    EXPECT_EQ(spectrum.survey, "sdss");
    EXPECT_EQ(spectrum.row, 2);
    EXPECT_EQ(spectrum.flux, file.flux[2]);
    EXPECT_EQ(spectrum.inverse_variance, file.ivar[2]);
    EXPECT_DOUBLE_EQ(spectrum.wavelength[299], std::pow(10.0, 3.5798 + 1e-4 * 299));
    EXPECT_EQ(spectrum.ra, 152.0);
    EXPECT_EQ(spectrum.dec, 4.0);
    EXPECT_EQ(spectrum.object_name, "3655-55240-0003");
    EXPECT_EQ(spectrum.object_id, (std::int64_t{3655} << 50) | (std::int64_t{3} << 38) |
                                      (std::int64_t{5240} << 24) | (std::int64_t{1300} << 10));
    EXPECT_EQ(spectrum.labels.object_class, "") << "OBJTYPE is what was aimed at, not the class";
    EXPECT_FALSE(spectrum.labels.z);
}

TEST(SdssPlate, JoinsTheRedshiftsBesideItByFibre) {
    for (const std::string place : {"", "v5_13_0/"}) {
        const TemporaryFolder folder;
        if (!place.empty()) std::filesystem::create_directory(folder / place);
        folder.write(place + "spZbest-3655-55240.fits", PlateRedshifts().bytes());
        const ReadResult result = read_spectra(
            folder.write("spPlate-3655-55240.fits.gz", gzip(PlateFileBytes().bytes())));
        ASSERT_EQ(result.spectra.size(), 2U);
        const Labels& first = result.spectra[0].labels;
        EXPECT_EQ(first.object_class, "QSO");
        EXPECT_EQ(first.z, 0.125);
        const Labels& third = result.spectra[1].labels;
        EXPECT_EQ(third.object_class, "STAR");
        EXPECT_EQ(third.subclass, "F5");
        EXPECT_EQ(third.z, 0.375);
        EXPECT_EQ(third.zwarn, 0);
        EXPECT_EQ(third.teff, 6000.0);
        EXPECT_EQ(third.feh, -0.5);
        EXPECT_EQ(result.spectra[1].survey_snr, 7.5);
    }
}

TEST(SdssPlate, TakesNoRedshiftsOfAnotherNightAndNoneThatAreBroken) {
    PlateRedshifts other;
    other.mjd = 55241;
    for (const std::string& bytes : {other.bytes(), PlateRedshifts().bytes().substr(0, 3000)}) {
        const TemporaryFolder folder;
        folder.write("spZbest-3655-55240.fits", bytes);
        const ReadResult result =
            read_spectra(folder.write("spPlate-3655-55240.fits", PlateFileBytes().bytes()));
        ASSERT_EQ(result.spectra.size(), 2U);
        EXPECT_FALSE(result.spectra[0].labels.z);
    }
    EXPECT_STREQ(name_of(refusal_of(PlateRedshifts().bytes()).status), "LABEL_TABLE");
}

TEST(SdssPlate, Fault32FollowsNoReductionNameOutOfItsFolder) {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "plate");
    std::filesystem::create_directory(folder / "other");
    for (const std::string place : {"", "other/"}) {
        folder.write(place + "spZbest-3655-55240.fits", PlateRedshifts().bytes());
    }
    for (const std::string& run2d :
         {std::string(".."), std::string("../other"), folder / "other"}) {
        PlateFileBytes file;
        file.run2d = run2d;
        const ReadResult result =
            read_spectra(folder.write("plate/spPlate-3655-55240.fits", file.bytes()));
        ASSERT_EQ(result.spectra.size(), 2U);
        EXPECT_FALSE(result.spectra[0].labels.z) << run2d;
    }
}

TEST(SdssPlate, MasksPixelBitsAndOnlyFlagsFibreBits) {
    PlateFileBytes file;
    file.and_mask[0][7] = 1 << 24;
    file.and_mask[2].assign(300, 1 << 4);
    const ReadResult result = read_bytes(file.bytes());
    ASSERT_EQ(result.spectra.size(), 2U);
    EXPECT_EQ(good_pixels(result.spectra[0]), 299);
    EXPECT_EQ(result.spectra[0].mask[7], 1);
    EXPECT_EQ(result.spectra[1].flags, fibre_flagged);
    EXPECT_EQ(good_pixels(result.spectra[1]), 300);
    ReadOptions strict;
    strict.strict = true;
    const ReadResult strictly = read_bytes(file.bytes(), strict);
    ASSERT_EQ(strictly.skipped.size(), 2U);
    EXPECT_EQ(strictly.skipped[1].status, Status::no_data);
}

TEST(SdssPlate, Fault02RefusesATruncatedPlate) {
    const std::string bytes = PlateFileBytes().bytes();
    EXPECT_EQ(refusal_of(bytes.substr(0, bytes.size() - 2880)).status, Status::truncated);
}

TEST(SdssPlate, Fault11NamesWhatIsMissing) {
    PlateFileBytes file;
    const std::string without_grid = with_card(file.bytes(), "COEFF1", card("COEFFX", "0.0001"));
    EXPECT_EQ(refusal_of(without_grid).status, Status::missing_column);
    const std::string table = binary_table(file.plugmap(), 3, "PLUGMAP");
    const auto images =
        refusal_of(primary_image(file.flux, file.cards()) + image("IVAR", file.ivar) + table);
    EXPECT_EQ(images.status, Status::missing_column);
    EXPECT_TRUE(images.mentions("HDU 2 is no image of the AND mask")) << images;
    const auto floats = refusal_of(primary_image(file.flux, file.cards()) +
                                   image("IVAR", file.ivar) + image("ANDMASK", file.ivar) + table);
    EXPECT_EQ(floats.status, Status::missing_column);
    EXPECT_TRUE(floats.mentions("holds floats")) << floats;
}

TEST(SdssPlate, Fault12RefusesZeroFibresAndZeroPixels) {
    EXPECT_EQ(refusal_of(PlateFileBytes(0).bytes()).status, Status::no_rows);
    EXPECT_EQ(refusal_of(PlateFileBytes(3, 0).bytes()).status, Status::no_rows);
}

TEST(SdssPlate, Faults13To17AreThoseOfOneFibre) {
    PlateFileBytes file(6);
    file.types[1] = "QSO";
    file.ivar[0].assign(300, 0.0F);
    for (std::size_t i = 199; i < 300; ++i) file.ivar[1][i] = 0.0F;
    file.flux[2][3] = not_a_number;
    file.ivar[3][4] = -1.0F;
    file.flux[4].assign(300, 2.5F);
    const ReadResult result = read_bytes(file.bytes());
    ASSERT_EQ(result.skipped.size(), 2U);
    EXPECT_EQ(result.skipped[0].status, Status::no_data);
    EXPECT_EQ(result.skipped[1].status, Status::little_coverage);
    EXPECT_EQ(result.skipped[1].row, 1);
    ASSERT_EQ(result.spectra.size(), 4U);
    EXPECT_EQ(result.spectra[0].not_finite_flux, 1);
    EXPECT_EQ(result.spectra[1].bad_inverse_variance, 1);
    EXPECT_DOUBLE_EQ(*signal_to_noise(result.spectra[2]), 5.0);
    EXPECT_EQ(good_pixels(result.spectra[3]), 300);
}

TEST(SdssPlate, Fault18SkipsAWavelengthThatCannotBe) {
    PlateFileBytes file;
    file.coeff0 = "3579.8";
    const auto refusal = refusal_of(file.bytes());
    EXPECT_EQ(refusal.status, Status::bad_wavelength);
}

TEST(SdssPlate, Fault21RefusesImagesOfAnotherSize) {
    PlateFileBytes pixels;
    for (auto& row : pixels.ivar) row.pop_back();
    EXPECT_EQ(refusal_of(pixels.bytes()).status, Status::length_mismatch);
    PlateFileBytes rows;
    rows.and_mask.pop_back();
    EXPECT_EQ(refusal_of(rows.bytes()).status, Status::length_mismatch);
    PlateFileBytes fibres;
    for (auto* images : {&fibres.flux, &fibres.ivar}) images->pop_back();
    fibres.and_mask.pop_back();
    const auto refusal = refusal_of(fibres.bytes());
    EXPECT_EQ(refusal.status, Status::length_mismatch);
    EXPECT_TRUE(refusal.mentions("the plugmap has 3 rows, the image 2")) << refusal;
}

}  // namespace
}  // namespace balmer::data
