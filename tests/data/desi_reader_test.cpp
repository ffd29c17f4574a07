// data/readers: what comes out of DESI's files. The numbers in the names are those of the project's
// list of faults.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "data/readers/arm_merger.h"
#include "tests/data/desi_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t last_of_b = DesiFile::arm_pixels - 1;
constexpr std::size_t first_of_r = DesiFile::arm_pixels - DesiFile::overlap;

Spectrum first_of(const DesiFile& file) {
    ReadResult result = read_bytes(file.bytes());
    for (const SkippedRow& row : result.skipped) ADD_FAILURE() << row.detail;
    EXPECT_EQ(result.spectra.size(), file.targets.size());
    return result.spectra.empty() ? Spectrum{} : std::move(result.spectra[0]);
}

TEST(DesiReader, GivesOneSpectrumARowMergedOverTheArms) {
    const DesiFile file;
    const ReadResult result = read_bytes(file.bytes());
    ASSERT_EQ(result.spectra.size(), 2U);
    for (std::size_t row = 0; row < 2; ++row) {
        const Spectrum& spectrum = result.spectra[row];
        EXPECT_EQ(spectrum.survey, "desi");
        EXPECT_EQ(spectrum.row, static_cast<std::int64_t>(row));
        EXPECT_EQ(spectrum.object_id, file.targets[row]);
        EXPECT_EQ(spectrum.ra, file.ra[row]);
        EXPECT_EQ(spectrum.dec, file.dec[row]);
        EXPECT_EQ(spectrum.flags, 0U);
        EXPECT_TRUE(spectrum.inverse_variance_known);
        ASSERT_EQ(spectrum.pixels(), std::int64_t{DesiFile::merged_pixels});
        EXPECT_EQ(good_pixels(spectrum), spectrum.pixels());
        for (std::size_t i = 0; i < DesiFile::merged_pixels; ++i) {
            EXPECT_NEAR(spectrum.wavelength[i], 5000.0 + 0.8 * static_cast<double>(i), 1e-9);
            EXPECT_NEAR(spectrum.flux[i], 1.0F + 10.0F * row + 0.01F * i, 1e-5);
        }
        EXPECT_EQ(spectrum.inverse_variance[first_of_r - 1], 4.0F);
        EXPECT_EQ(spectrum.inverse_variance[first_of_r], 8.0F);
        EXPECT_EQ(spectrum.inverse_variance[last_of_b], 8.0F);
        EXPECT_EQ(spectrum.inverse_variance[last_of_b + 1], 4.0F);
        EXPECT_FALSE(spectrum.labels.z);
        EXPECT_EQ(spectrum.labels.object_class, "");
    }
}

TEST(DesiReader, WeighsTheOverlapByInverseVariance) {
    DesiFile file;
    file.arms["B"].flux[0][first_of_r] = 3.0F;
    file.arms["B"].ivar[0][first_of_r] = 1.0F;
    file.arms["R"].flux[0][0] = 7.0F;
    file.arms["R"].ivar[0][0] = 3.0F;
    const Spectrum spectrum = first_of(file);
    EXPECT_EQ(spectrum.flux[first_of_r], 6.0F);
    EXPECT_EQ(spectrum.inverse_variance[first_of_r], 4.0F);
    EXPECT_EQ(spectrum.wavelength[first_of_r], file.arms["B"].wavelength[first_of_r]);
}

TEST(DesiReader, LetsABadPixelOfOneArmGiveWayToTheOther) {
    DesiFile file;
    auto& blue = file.arms["B"];
    auto& red = file.arms["R"];
    for (std::size_t i = 0; i < 6; ++i) {
        blue.flux[0][first_of_r + i] = 100.0F;
        red.flux[0][i] = 7.0F;
        red.ivar[0][i] = 0.5F;
    }
    blue.ivar[0][first_of_r] = 0.0F;
    blue.mask[0][first_of_r + 1] = DesiFile::no_bits + 16;
    blue.flux[0][first_of_r + 2] = not_a_number;
    blue.ivar[0][first_of_r + 3] = not_a_number;
    blue.ivar[0][first_of_r + 4] = -1.0F;
    blue.ivar[0][first_of_r + 5] = 0.0F;
    red.ivar[0][5] = 0.0F;
    const Spectrum spectrum = first_of(file);
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(spectrum.flux[first_of_r + i], 7.0F) << i;
        EXPECT_EQ(spectrum.inverse_variance[first_of_r + i], 0.5F) << i;
        EXPECT_EQ(spectrum.mask[first_of_r + i], 0) << i;
    }
    EXPECT_EQ(spectrum.mask[first_of_r + 5], 1);
    EXPECT_EQ(spectrum.flux[first_of_r + 5], 100.0F) << "bad in both: the first arm's";
    EXPECT_EQ(spectrum.bad_inverse_variance, 0);
}

TEST(DesiReader, MasksWhereTheMaskHoldsAnyBitOfThirtyTwo) {
    DesiFile file;
    file.arms["B"].mask[0][3] = DesiFile::no_bits + 1;
    file.arms["Z"].mask[0][100] = DesiFile::no_bits + 4;
    file.arms["Z"].mask[0][101] = 0;  // bit 31
    const Spectrum spectrum = first_of(file);
    EXPECT_EQ(good_pixels(spectrum), spectrum.pixels() - 3);
    EXPECT_EQ(spectrum.mask[3], 1);
    EXPECT_EQ(spectrum.mask[2 * first_of_r + 101], 1);
}

TEST(DesiReader, LeavesCoordinatesThatAreNoNumbersMissing) {
    DesiFile file;
    file.ra[0] = std::nan("");
    const Spectrum spectrum = first_of(file);
    EXPECT_FALSE(spectrum.ra);
    EXPECT_FALSE(spectrum.dec) << "one coordinate alone is no position";
}

TEST(DesiReader, LeavesSkyFibresOutWithAReason) {
    DesiFile file;
    file.types[0] = "SKY";
    const ReadResult result = read_bytes(file.bytes());
    ASSERT_EQ(result.spectra.size(), 1U);
    EXPECT_EQ(result.spectra[0].row, 1);
    ASSERT_EQ(result.skipped.size(), 1U);
    EXPECT_EQ(result.skipped[0].row, 0);
    EXPECT_STREQ(name_of(result.skipped[0].status), "SKY_FIBRE");
}

TEST(DesiReader, JoinsRedrockByTargetWhateverItsRowsAre) {
    const TemporaryFolder folder;
    const DesiFile file;
    RedrockFile redrock({7, file.targets[1], file.targets[0]});
    redrock.z[2] = std::nan("");
    folder.write("redrock-sv3-dark-10016.fits", redrock.bytes());
    // A table that covers the rows as well, but is not this coadd's.
    folder.write("redrock-a.fits", RedrockFile(file.targets).bytes());
    const ReadResult result = read_spectra(folder.write("coadd-sv3-dark-10016.fits", file.bytes()));
    ASSERT_EQ(result.spectra.size(), 2U);
    const Labels& first = result.spectra[0].labels;
    EXPECT_EQ(first.object_class, "GALAXY");
    EXPECT_FALSE(first.z) << "NaN is no redshift";
    const Labels& second = result.spectra[1].labels;
    EXPECT_EQ(second.object_class, "STAR");
    EXPECT_EQ(second.subclass, "G");
    EXPECT_EQ(second.z, 1.25);
    EXPECT_EQ(second.z_err, 1e-5);
    EXPECT_EQ(second.zwarn, 4);
}

TEST(DesiReader, FindsTheTableOfTheFolderThatCoversMostTargets) {
    const TemporaryFolder folder;
    const DesiFile file;
    auto other = RedrockFile({file.targets[0], 7, 8});
    other.z[0] = 9.0;
    folder.write("a-table.fits", other.bytes("ZBEST"));
    folder.write("b-table.fits.gz", gzip(RedrockFile(file.targets).bytes("ZBEST")));
    folder.write("c-broken.fits", RedrockFile(file.targets).bytes().substr(0, 4000));
    folder.write("d-spectrum.fits", SdssFile().bytes());
    const ReadResult result = read_spectra(folder.write("1a2b_coadd-x.fits", file.bytes()));
    ASSERT_EQ(result.spectra.size(), 2U);
    EXPECT_EQ(result.spectra[0].labels.z, 0.25);
    EXPECT_EQ(result.spectra[1].labels.z, 1.25);
}

TEST(DesiReader, CallsARedshiftTableWhatItIs) {
    const auto refusal = refusal_of(RedrockFile({1, 2, 3}).bytes());
    EXPECT_STREQ(name_of(refusal.status), "LABEL_TABLE");
    EXPECT_TRUE(refusal.mentions("labels of 3 objects")) << refusal;
    ReadOptions options;
    options.survey = "desi";
    EXPECT_EQ(refusal_of(RedrockFile({1}).bytes(), options).status, Status::label_table);
}

TEST(DesiReader, KeepsAFileWithoutVarianceButNotOneWhereAnArmLacksIt) {
    const DesiFile file;
    std::string none = primary() + file.fibermap_bytes();
    std::string one = none;
    for (const auto& [name, arm] : file.arms) {
        const std::string images = image<double>(name + "_WAVELENGTH", {arm.wavelength}, {}, true) +
                                   image(name + "_FLUX", arm.flux);
        none += images;
        one += name == "R" ? images : DesiFile::arm_bytes(name, arm);
    }
    const ReadResult result = read_bytes(none);
    ASSERT_EQ(result.spectra.size(), 2U);
    EXPECT_FALSE(result.spectra[0].inverse_variance_known);
    EXPECT_EQ(result.spectra[0].inverse_variance,
              std::vector<float>(DesiFile::merged_pixels, 1.0F));
    const auto refusal = refusal_of(one);
    EXPECT_EQ(refusal.status, Status::missing_column);
    EXPECT_TRUE(refusal.mentions("R_IVAR")) << refusal;
}

TEST(DesiReader, Fault11ListsWhatTheFileHoldsInsteadOfATarget) {
    DesiFile file;
    auto columns = file.fibermap();
    columns[0].name = "ID";
    std::string bytes = primary() + binary_table(columns, 2, "FIBERMAP");
    for (const auto& [name, arm] : file.arms) bytes += DesiFile::arm_bytes(name, arm);
    const auto refusal = refusal_of(bytes);
    EXPECT_EQ(refusal.status, Status::missing_column);
    EXPECT_TRUE(refusal.mentions("'TARGETID'") && refusal.mentions("ID, TARGET_RA")) << refusal;

    columns = file.fibermap();
    columns[0] = numbers("TARGETID", std::vector<std::int64_t>(4), 2);
    const auto arrays = refusal_of(with_card(bytes, "TTYPE1", text_card("TTYPE1", "TARGETID")));
    EXPECT_EQ(arrays.status, Status::ok) << arrays;
    bytes = primary() + binary_table(columns, 2, "FIBERMAP");
    for (const auto& [name, arm] : file.arms) bytes += DesiFile::arm_bytes(name, arm);
    EXPECT_EQ(refusal_of(bytes).status, Status::missing_column);
}

TEST(DesiReader, Fault12RefusesZeroRows) {
    EXPECT_EQ(refusal_of(DesiFile(0).bytes()).status, Status::no_rows);
    EXPECT_EQ(refusal_of(DesiColumnsFile(0).bytes()).status, Status::no_rows);
}

TEST(DesiReader, Faults13To17AreThoseOfOneRow) {
    DesiFile file(4);
    for (auto& [name, arm] : file.arms) {
        if (name != "B") arm.ivar[0].assign(DesiFile::arm_pixels, 0.0F);  // 160 good pixels
        arm.ivar[1].assign(DesiFile::arm_pixels, 0.0F);
        arm.flux[2].assign(DesiFile::arm_pixels, 2.5F);
    }
    file.arms["B"].flux[3][5] = not_a_number;
    file.arms["B"].ivar[3][6] = -1.0F;
    const ReadResult result = read_bytes(file.bytes());
    ASSERT_EQ(result.skipped.size(), 2U);
    EXPECT_EQ(result.skipped[0].status, Status::little_coverage);
    EXPECT_EQ(result.skipped[1].status, Status::no_data);
    EXPECT_EQ(result.skipped[1].row, 1);
    ASSERT_EQ(result.spectra.size(), 2U);
    EXPECT_EQ(result.spectra[0].row, 2);
    EXPECT_DOUBLE_EQ(*signal_to_noise(result.spectra[0]), 5.0);
    EXPECT_EQ(result.spectra[1].not_finite_flux, 1);
    EXPECT_EQ(result.spectra[1].bad_inverse_variance, 1);
    EXPECT_EQ(good_pixels(result.spectra[1]), result.spectra[1].pixels() - 2);
}

TEST(DesiReader, Fault18RefusesWavelengthsThatDoNotIncrease) {
    for (const double value : {5000.0, 4000.0, std::nan("")}) {
        DesiFile file;
        file.arms["B"].wavelength[7] = value;
        EXPECT_EQ(refusal_of(file.bytes()).status, Status::bad_wavelength) << value;
        DesiColumnsFile columns;
        columns.wave[7] = value;
        const auto status = refusal_of(columns.bytes()).status;
        // Pixels of a table are sorted, and two at one wavelength are an overlap.
        EXPECT_EQ(status, std::isnan(value) ? Status::bad_wavelength : Status::ok) << value;
    }
    DesiColumnsFile thrice;
    thrice.wave[6] = thrice.wave[7] = thrice.wave[8];
    const auto refusal = refusal_of(thrice.bytes());
    EXPECT_EQ(refusal.status, Status::bad_wavelength);
    EXPECT_TRUE(refusal.mentions("3 pixels of 2 arms")) << refusal;
}

TEST(DesiReader, Fault21RefusesImagesOfAnotherLength) {
    DesiFile pixels;
    pixels.arms["R"].wavelength.pop_back();
    const auto refusal = refusal_of(pixels.bytes());
    EXPECT_EQ(refusal.status, Status::length_mismatch);
    EXPECT_TRUE(refusal.mentions("R_FLUX has 160 pixels") &&
                refusal.mentions("R_WAVELENGTH has 159"))
        << refusal;
    DesiFile rows;
    rows.arms["Z"].ivar.pop_back();
    EXPECT_EQ(refusal_of(rows.bytes()).status, Status::length_mismatch);
    DesiFile targets;
    targets.targets.push_back(1);
    targets.ra.push_back(1);
    targets.dec.push_back(1);
    targets.types.emplace_back("TGT");
    EXPECT_EQ(refusal_of(targets.bytes()).status, Status::length_mismatch);
}

TEST(DesiReader, Fault22UsesTheArmsThereAreAndFlagsTheSpectrum) {
    DesiFile file;
    file.arms.erase("R");
    const ReadResult without = read_bytes(file.bytes());
    ASSERT_EQ(without.spectra.size(), 2U);
    EXPECT_EQ(without.spectra[0].flags, arm_missing);
    EXPECT_EQ(without.spectra[0].pixels(), std::int64_t{2 * DesiFile::arm_pixels});

    DesiFile blind;
    blind.arms["B"].ivar[0].assign(DesiFile::arm_pixels, 0.0F);
    const ReadResult result = read_bytes(blind.bytes());
    ASSERT_EQ(result.spectra.size(), 2U);
    EXPECT_EQ(result.spectra[0].flags, arm_missing);
    EXPECT_EQ(result.spectra[1].flags, 0U) << "the arm is blind for the first fibre alone";

    DesiFile merged;
    merged.arms = {{"BRZ", merged.arms["B"]}};
    for (auto* images : {&merged.arms["BRZ"]}) {
        images->wavelength.clear();
        for (int i = 0; i < 300; ++i) images->wavelength.push_back(4000.0 + i);
        images->flux.assign(2, std::vector<float>(300, 1.0F));
        images->ivar = images->flux;
        images->mask.assign(2, std::vector<std::int32_t>(300, DesiFile::no_bits));
    }
    EXPECT_EQ(first_of(merged).flags, 0U) << "one arm over all";

    const auto nothing = refusal_of(primary() + file.fibermap_bytes() +
                                    image<double>("B_WAVELENGTH", {{1.0, 2.0}}, {}, true));
    EXPECT_EQ(nothing.status, Status::missing_column);
}

TEST(DesiReader, Fault22KeepsTheRowsOfARepeatedTarget) {
    const TemporaryFolder folder;
    DesiFile file(3);
    file.targets[2] = file.targets[0];
    folder.write("redrock-x.fits", RedrockFile({file.targets[0], file.targets[1]}).bytes());
    const ReadResult result = read_spectra(folder.write("spectra-x.fits", file.bytes()));
    ASSERT_EQ(result.spectra.size(), 3U);
    EXPECT_EQ(result.spectra[2].row, 2);
    EXPECT_EQ(result.spectra[2].object_id, result.spectra[0].object_id);
    EXPECT_EQ(result.spectra[2].labels.z, 0.25);
    EXPECT_NEAR(result.spectra[2].flux[0], 21.0F, 1e-5);
    EXPECT_NEAR(result.spectra[0].flux[0], 1.0F, 1e-5);
}

TEST(DesiTargetColumns, GiveOneSpectrumAColumnWithTheOverlapMerged) {
    const TemporaryFolder folder;
    const DesiColumnsFile file;
    RedrockFile labels({35185923939371001, 35185923939371431});
    auto columns = labels.columns();
    columns.push_back(numbers<double>("TARGET_RA", {10.0, 20.0}));
    columns.push_back(numbers<double>("TARGET_DEC", {1.0, 2.0}));
    folder.write("zbest.fits", primary() + binary_table(columns, 2, "ZBEST"));
    const ReadResult result = read_spectra(folder.write("coadd.fits", file.bytes()));
    ASSERT_EQ(result.spectra.size(), 2U);
    const Spectrum& spectrum = result.spectra[0];
    EXPECT_EQ(spectrum.object_id, 35185923939371431);
    EXPECT_EQ(spectrum.row, 0);
    EXPECT_EQ(spectrum.ra, 20.0);
    EXPECT_EQ(spectrum.dec, 2.0);
    EXPECT_EQ(spectrum.labels.object_class, "STAR");
    EXPECT_EQ(spectrum.labels.z, 1.25);
    EXPECT_FALSE(spectrum.inverse_variance_known);
    ASSERT_EQ(spectrum.pixels(), 300);
    EXPECT_EQ(spectrum.flux[99], static_cast<float>(1.99));
    EXPECT_EQ(spectrum.flux[100], static_cast<float>(2.5)) << "mean of 2 and 3";
    EXPECT_EQ(spectrum.inverse_variance, std::vector<float>(300, 1.0F));
    EXPECT_EQ(result.spectra[1].row, 1);
    EXPECT_EQ(result.spectra[1].flux[0], -1.0F);
}

TEST(DesiTargetColumns, Fault22KeepsBothColumnsOfARepeatedTarget) {
    const DesiColumnsFile file;
    auto columns = file.columns();
    columns[2].name = columns[1].name;
    const ReadResult result = read_bytes(file.with_columns(columns));
    ASSERT_EQ(result.spectra.size(), 2U);
    EXPECT_EQ(result.spectra[1].object_id, result.spectra[0].object_id);
    EXPECT_EQ(result.spectra[1].flux[0], -1.0F);
}

TEST(DesiTargetColumns, Fault11RefusesAColumnThatHoldsNoFlux) {
    const DesiColumnsFile file;
    auto columns = file.columns();
    columns[1] = strings(columns[1].name, std::vector<std::string>(file.wave.size(), "1.0"), 3);
    EXPECT_EQ(refusal_of(file.with_columns(columns)).status, Status::missing_column);
    columns = file.columns();
    columns[0].name = "LAMBDA";
    EXPECT_EQ(refusal_of(file.with_columns(columns)).status, Status::unknown_layout);
}

TEST(ArmMerger, SumsInDoublePrecision) {
    const std::vector<double> wavelength = {5000.0, 5001.0, 5000.0 + 1e-9, 5002.0};
    const ArmMerger merger("test", wavelength, 2);
    Spectrum spectrum;
    spectrum.flux = {1.1F, 2.0F, 1.7F, 3.0F};
    spectrum.inverse_variance = {0.3F, 1.0F, 1e-7F, 1.0F};
    spectrum.mask.assign(4, 0);
    merger.merge(spectrum);
    const double sum = double{0.3F} * double{1.1F} + double{1e-7F} * double{1.7F};
    const double weight = double{0.3F} + double{1e-7F};
    EXPECT_EQ(spectrum.flux, (std::vector<float>{static_cast<float>(sum / weight), 2.0F, 3.0F}));
    EXPECT_EQ(spectrum.inverse_variance[0], static_cast<float>(weight));
    EXPECT_EQ(spectrum.wavelength, (std::vector<double>{5000.0, 5001.0, 5002.0}));
}

}  // namespace
}  // namespace balmer::data
