// The stellar libraries and what is no observation, in the folder that BALMER_SPECTRA names.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "data/pack/object_identity.h"
#include "data/readers/air_wavelength.h"
#include "data/readers/reader.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

using Row = std::map<std::string, std::string>;

class RealLibraries : public ::testing::Test {
  protected:
    void SetUp() override {
        const char* folder = std::getenv("BALMER_SPECTRA");
        if (folder == nullptr) GTEST_SKIP() << "BALMER_SPECTRA is not set";
        folder_ = folder;
    }

    /// Rows of the manifest whose file lies in `subfolder`; none of their cells holds a comma.
    std::vector<Row> rows_of(const std::string& subfolder) const {
        std::ifstream file(folder_ / "MANIFEST.csv");
        std::vector<std::string> names;
        std::vector<Row> rows;
        for (std::string line; std::getline(file, line);) {
            if (!names.empty() && !line.starts_with(subfolder + "/")) continue;
            std::istringstream stream(line);
            std::vector<std::string> cells;
            for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
            if (names.empty()) {
                names = cells;
                continue;
            }
            Row row;
            for (std::size_t i = 0; i < names.size() && i < cells.size(); ++i) {
                row[names[i]] = cells[i];
            }
            rows.push_back(row);
        }
        return rows;
    }

    Refusal refusal(const std::string& file) const {
        return refusal_of([&] { return read_spectra(folder_ / file); });
    }

    fs::path folder_;
};

void expect_value(const std::optional<double>& value, const std::string& expected,
                  const std::string& what) {
    EXPECT_EQ(value.has_value(), !expected.empty()) << what;
    if (value && !expected.empty()) {
        EXPECT_NEAR(*value, std::stod(expected), 1e-6) << what;
    }
}

void expect_equal(const Spectrum& spectrum, Row& row) {
    const std::string& file = row["file"];
    EXPECT_EQ(spectrum.labels.object_class, row["cls"]) << file;
    EXPECT_EQ(spectrum.pixels(), std::stoll(row["npix"])) << file;
    // The manifest has the wavelengths as the files give them, in air, to two decimals.
    EXPECT_NEAR(vacuum_to_air(spectrum.wavelength.front()), std::stod(row["wmin"]), 0.00501)
        << file;
    EXPECT_NEAR(vacuum_to_air(spectrum.wavelength.back()), std::stod(row["wmax"]), 0.00501) << file;
    expect_value(spectrum.labels.z, row["z"], file + " z");
    expect_value(spectrum.labels.teff, row["teff"], file + " teff");
    expect_value(spectrum.labels.logg, row["logg"], file + " logg");
    expect_value(spectrum.labels.feh, row["feh"], file + " feh");
    EXPECT_EQ(spectrum.inverse_variance_known, row["ivar"] == "yes") << file;
    EXPECT_EQ(spectrum.flags & rest_frame, rest_frame) << file;
    if (!row["subclass"].empty()) {
        EXPECT_EQ(spectrum.labels.subclass, row["subclass"]) << file;
    }
}

TEST_F(RealLibraries, EveryRowOfTheManifestReadsWithItsLabels) {
    const std::vector<std::tuple<std::string, std::string, std::size_t>> libraries = {
        {"mangadap_miles", "miles", 712},
        {"mangadap_stelib", "stelib", 183},
        {"pyqsofit_indous", "indo-us", 25}};
    std::map<std::string, std::set<std::string>> names_of_group;
    std::map<std::string, std::set<std::string>> groups_of_name;
    for (const auto& [subfolder, survey, count] : libraries) {
        auto rows = rows_of(subfolder);
        EXPECT_GE(rows.size(), count);
        for (Row& row : rows) {
            const ReadResult result = read_spectra(folder_ / row["file"]);
            ASSERT_EQ(result.spectra.size(), 1U) << row["file"];
            EXPECT_EQ(result.spectra[0].survey, survey);
            expect_equal(result.spectra[0], row);
            const std::string name = normalised_object_name(result.spectra[0].object_name);
            names_of_group[row["group"]].insert(name);
            groups_of_name[name].insert(row["group"]);
        }
    }
    // A star that recurs has one name in all libraries, and no two stars share one.
    for (const auto& [group, names] : names_of_group) EXPECT_EQ(names.size(), 1U) << group;
    for (const auto& [name, groups] : groups_of_name) EXPECT_EQ(groups.size(), 1U) << name;
}

TEST_F(RealLibraries, TemplatesAndMeansAreNotObserved) {
    int files = 0;
    for (const char* subfolder :
         {"templates_redrock", "templates_spEigen", "mangadap_mastarhc_v2"}) {
        for (const auto& entry : fs::directory_iterator(folder_ / subfolder)) {
            if (entry.path().string().find(".fits") == std::string::npos) continue;
            const auto reason = refusal(fs::relative(entry.path(), folder_));
            EXPECT_EQ(reason.status, Status::not_observed) << entry.path() << " " << reason;
            ++files;
        }
    }
    EXPECT_GT(files, 100);
    EXPECT_EQ(refusal("stat605_sdss/cB58_Lyman_break.fit").status, Status::not_observed);
}

TEST_F(RealLibraries, AnotherHdf5SchemaIsAnUnknownLayout) {
    const auto reason = refusal("misc_sdss/IGMspec_DB_v02_debug.hdf5");
    EXPECT_EQ(reason.status, Status::unknown_layout);
#if BALMER_HAS_HDF5
    EXPECT_TRUE(reason.mentions("SDSS_DR7/")) << reason;
#else
    EXPECT_TRUE(reason.mentions("libhdf5")) << reason;
#endif
}

}  // namespace
}  // namespace balmer::data
