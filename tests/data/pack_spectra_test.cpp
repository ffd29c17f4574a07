// data/pack: from files on disk to a packed set, good ones and bad ones.

#include "data/pack/pack_spectra.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "data/pack/packed_set.h"
#include "data/pack/spectrum_files.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

using Row = std::map<std::string, std::string>;

/// Rows of a CSV file without quoted commas, by column name.
std::vector<Row> read_csv(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::vector<std::string> names;
    std::vector<Row> rows;
    while (std::getline(file, line)) {
        std::istringstream stream(line);
        std::vector<std::string> fields;
        for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
        if (names.empty()) {
            names = fields;
            continue;
        }
        Row row;
        for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i) {
            row[names[i]] = fields[i];
        }
        rows.push_back(row);
    }
    return rows;
}

/// Reasons in skipped.csv by file name.
std::map<std::string, std::string> skipped_in(const std::string& folder) {
    std::map<std::string, std::string> reasons;
    for (auto& row : read_csv(folder + "/skipped.csv")) {
        reasons[fs::path(row["file"]).filename()] = row["reason"];
    }
    return reasons;
}

TEST(SpectrumFiles, SearchesFoldersForFitsNamesInOrder) {
    const TemporaryFolder folder;
    fs::create_directories(folder / "b/c");
    for (const char* name : {"z.FITS", "a.fit", "b/x.fits.gz", "b/c/y.fits", "README.txt",
                             "b/catalog.csv", "b/c/fits"}) {
        write_text(folder / name, "x");
    }
    const auto found = find_spectrum_files({folder.path()});
    EXPECT_EQ(found.files, (std::vector<std::string>{folder / "a.fit", folder / "b/c/y.fits",
                                                     folder / "b/x.fits.gz", folder / "z.FITS"}));
    EXPECT_TRUE(found.refused.empty());
}

TEST(SpectrumFiles, ListsAFileReachedTwiceOnce) {
    const TemporaryFolder folder;
    write_text(folder / "a.fits", "x");
    fs::create_symlink("a.fits", folder / "link.fits");
    const auto found = find_spectrum_files(
        {folder / "a.fits", folder.path(), (folder / ".") + "/a.fits", folder / "missing.fits"});
    EXPECT_EQ(found.files, (std::vector<std::string>{folder / "a.fits", folder / "missing.fits"}));
}

TEST(SpectrumFiles, Fault32RefusesLinksThatLeaveTheRoot) {
    const TemporaryFolder outside;
    write_text(outside / "secret.fits", "x");
    const TemporaryFolder folder;
    fs::create_directories(folder / "sub");
    fs::create_symlink(outside / "secret.fits", folder / "a.fits");
    fs::create_directory_symlink(outside.path(), folder / "sub/away");
    fs::create_directory_symlink(folder.path(), folder / "sub/loop");
    const auto found = find_spectrum_files({folder.path()});
    EXPECT_TRUE(found.files.empty());
    ASSERT_EQ(found.refused.size(), 2U);
    EXPECT_EQ(found.refused[0].path, folder / "a.fits");
    EXPECT_EQ(found.refused[1].path, folder / "sub/away");
    EXPECT_EQ(found.refused[0].reason, "symbolic link out of the data folder");
}

TEST(PackSpectra, KeepsGoodFilesAndListsBadOnes) {
    const TemporaryFolder input;
    SdssFile sdss;
    input.write("good.fits", sdss.bytes());
    input.write("lamost.fits.gz", gzip(LamostFile().bytes()));
    input.write("empty.fits", "");
    input.write("page.fits", "<html>not found</html>");
    input.write("cut.fits", sdss.bytes().substr(0, sdss.bytes().size() - 2880));
    input.write("short.fits", SdssFile(100).bytes());
    std::fill(sdss.ivar.begin(), sdss.ivar.end(), 0.0F);
    input.write("dark.fits", sdss.bytes());
    ASSERT_EQ(::mkfifo((input / "pipe.fits").c_str(), 0600), 0);
    fs::create_directory(input / "folder.fits");

    const TemporaryFolder output;
    std::int64_t last_done = -1;
    const Manifest manifest =
        pack_spectra({input.path()}, output / "set", {}, [&](const PackStatus& status) {
            last_done = status.files;
            return status.total_files == 8;
        });
    EXPECT_EQ(last_done, 8);
    EXPECT_EQ(manifest.count, 2);
    EXPECT_EQ(skipped_in(output / "set"),
              (std::map<std::string, std::string>{{"empty.fits", "NOT_FITS"},
                                                  {"page.fits", "NOT_FITS"},
                                                  {"cut.fits", "TRUNCATED"},
                                                  {"short.fits", "LITTLE_COVERAGE"},
                                                  {"dark.fits", "NODATA"},
                                                  {"pipe.fits", "NOT_A_FILE"},
                                                  {"folder.fits", "NOT_A_FILE"}}));
    const PackedSet set(output / "set", {.verify_checksums = true});
    EXPECT_EQ(set.spectrum(0).flux, SdssFile().flux);
    EXPECT_EQ(set.file(1), input / "lamost.fits.gz");
    EXPECT_TRUE(set.grid_start(0));
    EXPECT_TRUE(set.grid_start(1));
}

TEST(PackSpectra, StopsWithoutATraceWhenAsked) {
    const TemporaryFolder input;
    input.write("a.fits", SdssFile().bytes());
    input.write("b.fits", SdssFile().bytes());
    const auto stop = [](const PackStatus& status) { return status.files < 1; };
    EXPECT_THROW(pack_spectra({input.path()}, input / "set", {}, stop), PackStopped);
    EXPECT_FALSE(fs::exists(input / "set"));
}

TEST(PackSpectra, FailsWithoutASingleSpectrum) {
    const TemporaryFolder input;
    EXPECT_THROW(pack_spectra({input.path()}, input / "set", {}), Error);
    input.write("a.fits", "nothing");
    try {
        pack_spectra({input.path()}, input / "set", {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.what(), input.path() + ": none of 1 files gives a spectrum (1 NOT_FITS)");
    }
    EXPECT_FALSE(fs::exists(input / "set"));
}

class RealSpectraPack : public ::testing::Test {
  protected:
    static constexpr const char* folders[] = {
        "stat605_sdss",   "squeze_boss",   "picca_boss",
        "tkconnors_sdss", "misc_sdss",     "pyqsofit_rm017_multiepoch",
        "lamost_ccf",     "lamost_grd349", "lamost_sbc"};
};

TEST_F(RealSpectraPack, KeepsWhatTheManifestListsWithItsLabelsAndGroups) {
    const char* root = std::getenv("BALMER_SPECTRA");
    if (root == nullptr) GTEST_SKIP() << "BALMER_SPECTRA is not set";
    std::vector<std::string> paths;
    for (const char* name : folders) paths.push_back(std::string(root) + "/" + name);
    const TemporaryFolder output;
    pack_spectra(paths, output / "set", {});
    const PackedSet set(output / "set", {.verify_checksums = true});
    EXPECT_EQ(verify_packed_set(output / "set"), std::vector<std::string>{});

    std::map<std::string, std::int64_t> row_of_file;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        row_of_file[fs::relative(std::string(set.file(row)), root)] = row;
    }
    const auto skipped = skipped_in(output / "set");
    std::map<std::string, std::set<Split>> splits_of_group;
    std::int64_t packed = 0;
    for (auto& entry : read_csv(std::string(root) + "/MANIFEST.csv")) {
        if (!entry["survey"].starts_with("SDSS") && !entry["survey"].starts_with("LAMOST")) {
            continue;
        }
        SCOPED_TRACE(entry["file"]);
        const auto found = row_of_file.find(entry["file"]);
        if (found == row_of_file.end()) {
            EXPECT_EQ(skipped.count(fs::path(entry["file"]).filename()), 1U);
            continue;
        }
        ++packed;
        const auto labels = set.labels(found->second);
        EXPECT_EQ(labels.object_class, entry["cls"] == "UNKNOWN" ? "" : entry["cls"]);
        if (entry["z"].starts_with("-9999")) {
            EXPECT_FALSE(labels.z);
        } else {
            EXPECT_NEAR(labels.z.value_or(-1.0), std::stod(entry["z"]), 1e-5);
        }
        EXPECT_EQ(labels.zwarn ? std::to_string(*labels.zwarn) : "", entry["zwarn"]);
        splits_of_group[entry["group"]].insert(set.split(found->second));
    }
    EXPECT_GE(packed, 606);
    for (const auto& [group, splits] : splits_of_group) EXPECT_EQ(splits.size(), 1U) << group;
}

}  // namespace
}  // namespace balmer::data
