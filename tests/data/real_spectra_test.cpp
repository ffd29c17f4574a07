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

/// The rows of MANIFEST.csv whose survey begins with one of the two names.
std::vector<Row> manifest(const std::filesystem::path& folder) {
    std::ifstream file(folder / "MANIFEST.csv");
    std::string line;
    std::getline(file, line);
    const std::vector<std::string> names = split(line);
    std::vector<Row> rows;
    while (std::getline(file, line)) {
        const std::vector<std::string> fields = split(line);
        Row row;
        for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i)
            row[names[i]] = fields[i];
        if (row["survey"].starts_with("SDSS") || row["survey"].starts_with("LAMOST")) {
            rows.push_back(std::move(row));
        }
    }
    return rows;
}

std::filesystem::path spectra_folder() {
    const char* folder = std::getenv("BALMER_SPECTRA");
    return folder == nullptr ? "" : folder;
}

void expect_equal(const Spectrum& spectrum, Row& row) {
    const std::string& file = row["file"];
    const std::string object_class = row["cls"] == "UNKNOWN" ? "" : row["cls"];
    EXPECT_EQ(spectrum.labels.object_class, object_class) << file;
    EXPECT_EQ(spectrum.labels.subclass, row["subclass"]) << file;
    EXPECT_EQ(spectrum.pixels(), std::stoll(row["npix"])) << file;
    EXPECT_NEAR(spectrum.wavelength.front(), std::stod(row["wmin"]), 0.0101) << file;
    EXPECT_NEAR(spectrum.wavelength.back(), std::stod(row["wmax"]), 0.0101) << file;
    EXPECT_NEAR(spectrum.ra.value_or(-1), std::stod(row["ra"]), 1e-6) << file;
    EXPECT_NEAR(spectrum.dec.value_or(-99), std::stod(row["dec"]), 1e-6) << file;
    if (std::stod(row["z"]) == -9999) {
        EXPECT_FALSE(spectrum.labels.z) << file;
    } else {
        EXPECT_NEAR(spectrum.labels.z.value_or(-9), std::stod(row["z"]), 1e-6) << file;
    }
    if (row["zwarn"].empty()) {
        EXPECT_FALSE(spectrum.labels.zwarn) << file;
    } else {
        EXPECT_EQ(spectrum.labels.zwarn, std::stoll(row["zwarn"])) << file;
    }
}

TEST(RealSpectra, EveryRowOfTheManifestReadsWithItsLabels) {
    const auto folder = spectra_folder();
    if (folder.empty()) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    std::map<std::string, int> counts;
    for (Row& row : manifest(folder)) {
        const ReadResult result = read_spectra(folder / row["file"]);
        for (const SkippedRow& skipped : result.skipped) {
            // A file that reads but whose pixels are nearly all flagged is skipped by the rules.
            EXPECT_EQ(skipped.status, Status::little_coverage) << row["file"] << skipped.detail;
            ++counts[name_of(skipped.status)];
        }
        for (const Spectrum& spectrum : result.spectra) {
            expect_equal(spectrum, row);
            ++counts[spectrum.survey];
        }
    }
    std::ostringstream summary;
    for (const auto& [name, count] : counts) {
        RecordProperty(name, count);
        summary << name << " " << count << "; ";
    }
    SCOPED_TRACE(summary.str());
    EXPECT_GE(counts["sdss"], 258);
    EXPECT_GE(counts["lamost"], 348);
    EXPECT_LE(counts["LITTLE_COVERAGE"], 1);
}

TEST(RealSpectra, TheGateAcceptsEveryRealFile) {
    const auto folder = spectra_folder();
    if (folder.empty()) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    std::int64_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().string().find(".fit") == std::string::npos) continue;
        EXPECT_NO_THROW(FitsFile(entry.path(), open_fits_gate(entry.path()))) << entry.path();
        ++files;
    }
    EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace balmer::data
