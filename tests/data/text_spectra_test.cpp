// data/readers: spectra as text, and which text a folder search takes for a spectrum. The numbers
// in the names are those of the project's list of faults.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "data/pack/packed_set.h"
#include "data/pack/spectrum_files.h"
#include "data/readers/air_wavelength.h"
#include "data/readers/text_table.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

/// `pixels` rows "4000.5, 1.25, 4" between `separator`s, `columns` of them.
std::string rows(int columns = 3, const std::string& separator = ",", int pixels = 300) {
    std::string text;
    for (int i = 0; i < pixels; ++i) {
        text += std::to_string(4000.0 + 0.5 * i);
        if (columns > 1) text += separator + std::to_string(1.0 + 0.25 * i);
        for (int column = 2; column < columns; ++column) text += separator + "4";
        text += "\n";
    }
    return text;
}

class TextSpectra : public ::testing::Test {
  protected:
    TextSpectra() { vacuum_.wavelength = {WavelengthMedium::vacuum, WavelengthUnit::angstrom}; }

    Spectrum read(const std::string& text) {
        ReadResult result = read_spectra(folder_.write("spectrum.csv", text), vacuum_);
        for (const SkippedRow& row : result.skipped) ADD_FAILURE() << row.detail;
        EXPECT_EQ(result.spectra.size(), 1U);
        return result.spectra.empty() ? Spectrum{} : std::move(result.spectra[0]);
    }
    Refusal refusal(const std::string& text) {
        return refusal_of([&] { return read_spectra(folder_.write("a.csv", text), vacuum_); });
    }
    Refusal refusal_without_options(const std::string& text) {
        return refusal_of([&] { return read_spectra(folder_.write("a.csv", text)); });
    }

    TemporaryFolder folder_;
    ReadOptions vacuum_;
};

TEST_F(TextSpectra, ReadWavelengthFluxAndInverseVariance) {
    const Spectrum spectrum = read("wavelength,flux,ivar\n" + rows());
    EXPECT_EQ(spectrum.survey, "generic");
    EXPECT_EQ(spectrum.pixels(), 300);
    EXPECT_EQ(spectrum.wavelength[3], 4001.5);
    EXPECT_EQ(spectrum.flux[3], 1.75F);
    EXPECT_TRUE(spectrum.inverse_variance_known);
    EXPECT_EQ(spectrum.inverse_variance[3], 4.0F);
    const Spectrum bare = read("wavelength,flux\n" + rows(2));
    EXPECT_FALSE(bare.inverse_variance_known);
    EXPECT_EQ(bare.inverse_variance[0], 1.0F);
}

TEST_F(TextSpectra, Fault26AcceptSeparatorsByteOrderMarksCommentsAndLineEnds) {
    for (const char* separator : {",", ";", "|", "\t", " ", "   ", ", "}) {
        const std::string titles =
            std::string("wavelength") + separator + "flux" + separator + "error\n";
        const Spectrum spectrum = read("\xef\xbb\xbf# a comment\n\n" + titles + rows(3, separator));
        EXPECT_EQ(spectrum.pixels(), 300) << separator;
        EXPECT_EQ(spectrum.inverse_variance[0], 0.0625F) << separator;
    }
    std::string windows = "\"WAVELENGTH\",\"Flux\"\n" + rows(2);
    for (auto at = windows.find('\n'); at != std::string::npos; at = windows.find('\n', at + 2)) {
        windows.insert(at, "\r");
    }
    EXPECT_EQ(read(windows).flux[1], 1.25F);
    EXPECT_EQ(read("# Keck, 2019\n# wave flux err\n" + rows(3, " ")).inverse_variance[0], 0.0625F);
    EXPECT_EQ(read("Wavelength [A]  Flux [erg/s/cm2/A]\n" + rows(2, "  ")).pixels(), 300);
    const std::string packed = folder_.write("packed.csv.gz", gzip("wave,flux\n" + rows(2)));
    EXPECT_EQ(read_spectra(packed, vacuum_).spectra.size(), 1U);
}

TEST_F(TextSpectra, Fault19TakeUnitAndMediumFromTheTitleOrTheOptions) {
    const auto unit = refusal_without_options("wavelength,flux\n" + rows(2));
    EXPECT_EQ(unit.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(unit.mentions("--wavelength-unit")) << unit;
    const auto medium = refusal_without_options("wavelength[A],flux\n" + rows(2));
    EXPECT_EQ(medium.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(medium.mentions("--wavelength-medium")) << medium;

    for (const char* title : {"wave_air [A]", "Wavelength (Angstrom air)", "LAMBDA_AIR_A"}) {
        EXPECT_EQ(read(std::string(title) + ",flux\n" + rows(2)).wavelength[1],
                  air_to_vacuum(4000.5))
            << title;
    }
    for (const char* title : {"lambda_nm", "wavelength[nm]", "Wave (nanometers)"}) {
        EXPECT_DOUBLE_EQ(read(std::string(title) + ",flux\n" + rows(2)).wavelength[1], 40005.0)
            << title;
    }
    std::string logarithm = "loglam,flux\n";
    for (int i = 0; i < 300; ++i) logarithm += std::to_string(3.6 + 1e-4 * i) + ",1\n";
    EXPECT_NEAR(read(logarithm).wavelength[1], std::pow(10.0, 3.6001), 1e-6);
}

TEST_F(TextSpectra, MaskFlaggedAndMissingPixels) {
    std::string text =
        "wavelength,flux,ivar,mask\n3000,1,1,1\n3001,nan,1,0\n3002,,1,0\n3003,1,-1,0\n";
    for (int i = 0; i < 250; ++i) text += std::to_string(3004 + i) + ",1,1,0\n";
    const Spectrum spectrum = read(text);
    EXPECT_EQ(good_pixels(spectrum), 250);
    EXPECT_EQ(spectrum.not_finite_flux, 2) << "Fault 15";
    EXPECT_EQ(spectrum.bad_inverse_variance, 1) << "Fault 16";
}

TEST_F(TextSpectra, AreTwoColumnsWithoutTitlesButNotMore) {
    EXPECT_EQ(read(rows(2, " ")).wavelength[3], 4001.5);
    const auto three = refusal(rows(3));
    EXPECT_EQ(three.status, Status::missing_column);
    EXPECT_TRUE(three.mentions("no titles tell what its 3 columns are")) << three;
}

TEST_F(TextSpectra, Fault11ListTheColumnsFound) {
    const auto flux = refusal("wavelength,transmission\n" + rows(2));
    EXPECT_EQ(flux.status, Status::missing_column);
    EXPECT_TRUE(flux.mentions("no column of the flux; columns found: wavelength, transmission"))
        << flux;
}

TEST_F(TextSpectra, NameTheLineThatIsBroken) {
    const std::string good = "wavelength,flux\n" + rows(2);
    const auto ragged = refusal(good + "5000,1,2\n");
    EXPECT_EQ(ragged.status, Status::bad_structure) << "Fault 21";
    EXPECT_TRUE(ragged.mentions("line 302: 3 cells where 2 are expected")) << ragged;
    const auto word = refusal(good + "5000,bright\n");
    EXPECT_EQ(word.status, Status::bad_structure);
    EXPECT_TRUE(word.mentions("line 302: 'bright' is no number")) << word;
    EXPECT_EQ(refusal(good + std::string("5000,1\0\n", 8)).status, Status::bad_structure);
    EXPECT_EQ(refusal(good + "5000").status, Status::bad_structure) << "Fault 2: cut at the end";
    EXPECT_EQ(refusal(good + "3999,1\n").status, Status::bad_wavelength) << "Fault 18";
    EXPECT_EQ(refusal("wavelength,flux\n" + rows(2, ",", 199)).status, Status::little_coverage)
        << "Fault 13";
}

TEST_F(TextSpectra, Fault01LeaveEverythingElseToTheGate) {
    for (const std::string& text :
         {std::string("<html><p>4000,1</p></html>"), std::string("ra,dec,z\n1,2,3\n"),
          std::string("# nothing\n"), std::string("wavelength,flux\n"), std::string(4000, ',')}) {
        EXPECT_EQ(refusal(text).status, Status::not_fits) << text.substr(0, 40);
    }
}

TEST_F(TextSpectra, Fault19IsDecidedByOptionsOfTheProgram) {
    const std::string program = std::string(BALMER_BINARY_DIR) + "/bin/vit-data";
    if (!std::filesystem::exists(program)) GTEST_SKIP() << program << " is not built";
    const std::string file = folder_.write("spectrum.csv", "wavelength,flux\n" + rows(2));
    const auto run = [&](const std::string& options) {
        const std::string command = program + " pack --overwrite --out " + (folder_ / "set") + " " +
                                    options + " " + file + " >/dev/null 2>" + (folder_ / "error");
        const int status = std::system(command.c_str());
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    };
    EXPECT_EQ(run(""), 1);
    EXPECT_NE(folder_.read("error").find("1 UNKNOWN_WAVELENGTH_UNIT"), std::string::npos);
    EXPECT_EQ(run("--wavelength-unit um"), 1);
    EXPECT_EQ(run("--wavelength-unit parsec"), 2);
    ASSERT_EQ(run("--wavelength-medium air --wavelength-unit angstrom"), 0);
    EXPECT_EQ(PackedSet(folder_ / "set").wavelength(0)[1], air_to_vacuum(4000.5));
}

TEST(SpectrumFiles, TakesTextAndHdf5ThatLookLikeSpectra) {
    const TemporaryFolder folder;
    folder.write("a/one.csv", "wavelength,flux\n" + rows(2));
    folder.write("a/two.TXT", "# wave flux err\n" + rows(3, " "));
    folder.write("a/three.dat.gz", gzip("lambda[nm]\tflux\n" + rows(2, "\t")));
    folder.write("a/MANIFEST.csv", "file,wavelength,flux\nx.fits,A,B\n");
    folder.write("a/README.txt", "wavelength and flux are in the files\n");
    folder.write("a/params.txt", "4000 1\n5000 2\n");
    folder.write("a/filter.dat", "wavelength transmission\n" + rows(2, " "));
    folder.write("a/empty.csv", "");
    folder.write("a/spectra.py", "wavelength,flux\n" + rows(2));
    folder.write("b/001.hdf5", "x");
    folder.write("b/001.H5", "x");
    const auto found = find_spectrum_files({folder.path()});
    EXPECT_EQ(found.files, (std::vector<std::string>{
                               folder / "a/one.csv", folder / "a/three.dat.gz",
                               folder / "a/two.TXT", folder / "b/001.H5", folder / "b/001.hdf5"}));
    EXPECT_TRUE(found.refused.empty());
    EXPECT_EQ(find_spectrum_files({folder / "a/README.txt"}).files.size(), 1U)
        << "a file that was named gets a reason later";
}

}  // namespace
}  // namespace balmer::data
