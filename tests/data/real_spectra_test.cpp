// The readers on real spectra: the folder that BALMER_SPECTRA names, with its MANIFEST.csv.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "data/readers/reader.h"
#include "data/spectrum.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;
using Row = std::map<std::string, std::string>;

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> fields;
    std::string field;
    bool quoted = false;
    for (const char c : line) {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            fields.push_back(std::move(field));
            field.clear();
        } else if (c != '\r') {
            field.push_back(c);
        }
    }
    fields.push_back(field);
    return fields;
}

/// The rows of MANIFEST.csv by file, of the surveys whose name begins with `survey`.
std::map<std::string, std::vector<Row>> manifest(const fs::path& folder,
                                                 const std::string& survey) {
    std::ifstream file(folder / "MANIFEST.csv");
    std::string line;
    std::getline(file, line);
    const std::vector<std::string> names = split(line);
    std::map<std::string, std::vector<Row>> rows;
    while (std::getline(file, line)) {
        const std::vector<std::string> fields = split(line);
        Row row;
        for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i) {
            row[names[i]] = fields[i];
        }
        if (row["survey"].starts_with(survey)) rows[row["file"]].push_back(std::move(row));
    }
    return rows;
}

/// Folder of the real spectra; empty when the variable is not set.
fs::path spectra_folder() {
    const char* folder = std::getenv("BALMER_SPECTRA");
    return folder == nullptr ? "" : folder;
}

void expect_number(const std::optional<double>& value, const std::string& expected,
                   double tolerance, const std::string& what) {
    if (expected.empty()) return;  // the manifest does not say
    if (std::stod(expected) == -9999) {
        EXPECT_FALSE(value) << what;
    } else {
        ASSERT_TRUE(value) << what;
        EXPECT_NEAR(*value, std::stod(expected), tolerance) << what;
    }
}

void expect_labels(const Spectrum& spectrum, Row& row) {
    const std::string what = row["file"] + " " + row["row"];
    EXPECT_EQ(spectrum.labels.object_class, row["cls"] == "UNKNOWN" ? "" : row["cls"]) << what;
    EXPECT_EQ(spectrum.labels.subclass, row["subclass"]) << what;
    expect_number(spectrum.labels.z, row["z"], 1e-6, what);
    if (row["zwarn"].empty()) {
        EXPECT_FALSE(spectrum.labels.zwarn) << what;
    } else {
        EXPECT_EQ(spectrum.labels.zwarn, std::stoll(row["zwarn"])) << what;
    }
    expect_number(spectrum.ra, row["ra"], 1e-6, what);
    expect_number(spectrum.dec, row["dec"], 1e-6, what);
}

void expect_pixels(const Spectrum& spectrum, Row& row, std::int64_t pixels) {
    const std::string what = row["file"] + " " + row["row"];
    EXPECT_EQ(spectrum.pixels(), pixels) << what;
    EXPECT_NEAR(spectrum.wavelength.front(), std::stod(row["wmin"]), 0.0101) << what;
    EXPECT_NEAR(spectrum.wavelength.back(), std::stod(row["wmax"]), 0.0101) << what;
    EXPECT_EQ(spectrum.inverse_variance_known, row["ivar"] == "yes") << what;
}

/// Reads the files of one survey, each with one spectrum, and compares all; gives the counts.
std::map<std::string, int> compare_single_spectra(const fs::path& folder,
                                                  const std::string& survey) {
    std::map<std::string, int> counts;
    for (auto& [file, rows] : manifest(folder, survey)) {
        EXPECT_EQ(rows.size(), 1U) << file;
        const ReadResult result = read_spectra(folder / file);
        for (const SkippedRow& skipped : result.skipped) {
            // A file that reads but whose pixels are nearly all flagged is skipped by the rules.
            EXPECT_EQ(skipped.status, Status::little_coverage) << file << skipped.detail;
            ++counts[name_of(skipped.status)];
        }
        for (const Spectrum& spectrum : result.spectra) {
            expect_labels(spectrum, rows[0]);
            expect_pixels(spectrum, rows[0], std::stoll(rows[0]["npix"]));
            ++counts[spectrum.survey];
        }
    }
    return counts;
}

TEST(RealSpectra, EverySdssRowOfTheManifestReadsWithItsLabels) {
    const auto folder = spectra_folder();
    if (folder.empty()) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    auto counts = compare_single_spectra(folder, "SDSS");
    EXPECT_GE(counts["sdss"], 258);
    EXPECT_LE(counts["LITTLE_COVERAGE"], 1);
}

TEST(RealSpectra, EveryLamostRowOfTheManifestReadsWithItsLabels) {
    const auto folder = spectra_folder();
    if (folder.empty()) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    auto counts = compare_single_spectra(folder, "LAMOST");
    EXPECT_GE(counts["lamost"], 348);
    EXPECT_EQ(counts["LITTLE_COVERAGE"], 0);
}

TEST(RealSpectra, EveryDesiRowOfTheManifestReadsWithItsLabels) {
    const auto folder = spectra_folder();
    if (folder.empty()) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    constexpr std::int64_t manifest_pixels = 7958;  // both arms' in the overlaps
    constexpr std::int64_t merged_pixels = 7781;
    int compared = 0;
    for (auto& [file, rows] : manifest(folder, "DESI")) {
        const ReadResult result = read_spectra(folder / file);
        EXPECT_TRUE(result.skipped.empty()) << file;
        for (Row& row : rows) {
            const auto found = std::find_if(
                result.spectra.begin(), result.spectra.end(), [&](const Spectrum& spectrum) {
                    return std::to_string(spectrum.object_id) == row["objid"];
                });
            ASSERT_NE(found, result.spectra.end()) << file << " " << row["row"];
            if (row["row"] != "TARGET" + row["objid"]) {
                EXPECT_EQ(std::to_string(found->row), row["row"]) << file;
            }
            EXPECT_EQ(found->survey, "desi");
            EXPECT_EQ(found->flags & arm_missing, 0U) << file;
            expect_labels(*found, row);
            EXPECT_EQ(std::stoll(row["npix"]), manifest_pixels);
            expect_pixels(*found, row, merged_pixels);
            ++compared;
        }
    }
    EXPECT_EQ(compared, 120);
}

TEST(RealSpectra, TablesOfLabelsArePassedOverAsSuch) {
    const auto folder = spectra_folder();
    if (folder.empty()) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    std::map<std::string, int> counts;
    for (const char* const name :
         {"desihigh_andes", "fastspecfit_desi", "picca_boss", "stat605_sdss", "misc_sdss",
          "squeze_boss", "tkconnors_sdss", "pyqsofit_rm017_multiepoch", "lamost_ccf",
          "lamost_grd349", "lamost_sbc"}) {
        for (const auto& entry : fs::recursive_directory_iterator(folder / name)) {
            if (entry.path().string().find(".fit") == std::string::npos) continue;
            const std::string file = entry.path().filename();
            const bool is_table = file.find("zbest") != std::string::npos ||
                                  file.starts_with("redrock") || file.starts_with("spAll") ||
                                  file.starts_with("cat_for_clustering");
            Status expected = is_table ? Status::label_table : Status::ok;
            if (file == "cB58_Lyman_break.fit") expected = Status::not_observed;
            Status status = Status::ok;
            std::string detail;
            try {
                read_spectra(entry.path());
            } catch (const SpectrumError& error) {
                status = error.status;
                detail = error.detail;
            }
            EXPECT_STREQ(name_of(status), name_of(expected)) << entry.path() << detail;
            ++counts[name_of(status)];
        }
    }
    EXPECT_EQ(counts["NOT_OBSERVED"], 1);
    EXPECT_EQ(counts["LABEL_TABLE"], 17 + 2 + 2);
}

TEST(RealSpectra, TheGateAcceptsEveryRealFile) {
    const auto folder = spectra_folder();
    if (folder.empty()) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    std::int64_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.path().string().find(".fit") == std::string::npos) continue;
        EXPECT_NO_THROW(FitsFile(entry.path(), open_fits_gate(entry.path()))) << entry.path();
        ++files;
    }
    EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace balmer::data
