// vit-data on broken catalogues and on what is no file. The numbers are those of the project's list
// of faults (25 to 33; 29 is vit-train's).

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/pack/packed_set.h"
#include "tests/data/pack_test_support.h"
#include "tests/data/program_runner.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;
using fits_builder::card;
using fits_builder::numbers;
using fits_builder::with_card;
using nlohmann::json;

/// A folder `data` of two good files, packed into `set`.
class FaultCatalogues : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!fs::exists(program_path("vit-data"))) GTEST_SKIP() << "vit-data is not built";
        folder_.write("data/sdss.fits", SdssFile().bytes());
        folder_.write("data/lamost.fits", LamostFile().bytes());
        const ProgramRun first = run("pack --out set data");
        ASSERT_EQ(first.code, 0) << first.error;
    }

    ProgramRun run(const std::string& arguments) const {
        return run_program(folder_.path(), "vit-data", arguments);
    }
    ProgramRun pack(const std::string& arguments) const {
        return run("pack --overwrite --out set " + arguments);
    }

    /// One line that names file and reason, the set that was there untouched and no other begun.
    void expect_refused(const std::string& catalogue, const std::string& bytes,
                        const std::string& words) const {
        SCOPED_TRACE(words);
        folder_.write(catalogue, bytes);
        const auto before = content_of(folder_ / "set");
        const ProgramRun over = pack("--catalog " + catalogue + " data");
        EXPECT_EQ(over.code, 1);
        EXPECT_TRUE(over.error.starts_with("vit-data: " + catalogue + ": ")) << over.error;
        EXPECT_NE(over.error.find(words), std::string::npos) << over.error;
        EXPECT_EQ(std::count(over.error.begin(), over.error.end(), '\n'), 1) << over.error;
        EXPECT_TRUE(content_of(folder_ / "set") == before);
        const ProgramRun fresh = run("pack --out fresh --catalog " + catalogue);
        EXPECT_EQ(fresh.code, 1);
        EXPECT_EQ(fresh.error, over.error);
        EXPECT_FALSE(fs::exists(folder_ / "fresh"));
    }
    /// Reason and detail of the skipped file of that name.
    std::string why_skipped(const std::string& file) const {
        std::string found = "no row";
        int count = 0;
        for (const auto& row : csv_records(folder_ / "set/skipped.csv")) {
            if (row.at(0) != file) continue;
            found = row.at(2) + ": " + row.at(3);
            ++count;
        }
        EXPECT_LE(count, 1) << file;
        return found;
    }
    std::map<std::string, Labels> packed() const {
        const PackedSet set(folder_ / "set");
        std::map<std::string, Labels> labels;
        for (std::int64_t row = 0; row < set.size(); ++row) {
            labels[fs::path(set.file(row)).filename()] = set.labels(row);
        }
        return labels;
    }

    TemporaryFolder folder_;
};

TEST_F(FaultCatalogues, Fault25StopsWithTheLineOfABrokenTable) {
    expect_refused("list.csv", "obsid,z\n1,2\n1,2,3\n", "line 3: 3 cells where the header has 2");
    expect_refused("list.csv", "obsid,z\n1\n", "line 2: 1 cells where the header has 2");
    expect_refused("list.csv", "obsid,z\n1,2\n1,\"2\n3,4\n", "line 3: a quote that never closes");
    expect_refused("list.csv", std::string("obsid,z\n1,\0\n", 12), "line 2: a NUL byte");
    expect_refused("list.csv", "obsid,class\n1,\xFF\n", "line 2: bytes that are not UTF-8");
    expect_refused("list.csv", "", "is empty");
}

TEST_F(FaultCatalogues, Fault26ReadsSeparatorsMarksAndLineEnds) {
    for (const std::string separator : {",", ";", "|", "\t"}) {
        folder_.write("data/list.csv",
                      "\xEF\xBB\xBF"
                      "file" +
                          separator + "z\r\n" + "sdss.fits" + separator + "0.75\r\n");
        const ProgramRun outcome = pack("--catalog data/list.csv");
        EXPECT_EQ(outcome.code, 0) << outcome.error;
        EXPECT_EQ(packed().size(), 1U);
        EXPECT_EQ(packed().at("sdss.fits").z, 0.75) << separator;
    }
    expect_refused("list.csv", "file,z\rsdss.fits,1\r",
                   "line 1: a carriage return without a line feed");
    expect_refused("list.csv",
                   std::string("\xFF\xFE"
                               "f\0i\0",
                               6),
                   "line 1: a NUL byte");
}

TEST_F(FaultCatalogues, Fault27ListsTheColumnsOfACatalogueThatLacksSome) {
    expect_refused("list.csv", "name,z\na,1\n", "columns found: name, z");
    expect_refused("list.csv", "obsid,z,class,z\n1,2,STAR,3\n", "line 1: column 'z' stands twice");
    expect_refused("list.csv", "obsid,z_err,zErr\n1,2,3\n", "z_err");
    expect_refused("list.fits",
                   fits_builder::primary() +
                       fits_builder::binary_table({numbers<float>("REDSHIFT_X", {1.0F})}, 1),
                   "columns REDSHIFT_X");
}

TEST_F(FaultCatalogues, Fault28DropsAndCountsLabelsThatAreNone) {
    std::string table = "file,z,teff,logg,feh\n";
    const std::vector<std::string> values = {"nan", "inf", "-inf", "", "-9999", "-9999.0"};
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string name = "bare" + std::to_string(i) + ".fits";
        LamostFile file;
        file.z = "-9999.0";
        file.object_class = "Unknown";
        folder_.write("data/" + name, file.bytes());
        table +=
            name + "," + values[i] + "," + values[i] + "," + values[i] + "," + values[i] + "\n";
    }
    table += "sdss.fits,nan,0,0,0\n";
    folder_.write("data/list.csv", table);
    const ProgramRun outcome = pack("--catalog data/list.csv");
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_NE(outcome.out.find("without a value: feh 7, logg 7, teff 7, z 7"), std::string::npos)
        << outcome.out;
    const auto labels = packed();
    ASSERT_EQ(labels.size(), 7U);
    for (const auto& [name, own] : labels) {
        EXPECT_EQ(own.z, name == "sdss.fits" ? std::optional(0.125) : std::nullopt) << name;
        EXPECT_FALSE(own.teff || own.logg || own.feh) << name;
        EXPECT_EQ(own.object_class, name == "sdss.fits" ? "GALAXY" : "") << name;
    }
    const json info = json::parse(run("info set --json").out);
    EXPECT_EQ(info["labels"]["z"]["count"], 1);
    EXPECT_EQ(info["labels"]["teff"], json({{"count", 0}}));
    EXPECT_EQ(info["labels"]["feh"], json({{"count", 0}}));
    EXPECT_EQ(run("verify set").code, 0);
}

TEST_F(FaultCatalogues, Fault28DropsParametersOfFilesThatMarkThemAbsent) {
    SdssFile file;
    file.labels[8] = numbers<float>("ELODIE_TEFF", {-9999.0F});
    file.labels[2] = numbers<float>("Z", {std::nanf("")});
    folder_.write("data/sdss.fits", file.bytes());
    EXPECT_EQ(pack("data/sdss.fits").code, 0);
    const Labels labels = packed().at("sdss.fits");
    EXPECT_FALSE(labels.z || labels.teff || labels.logg || labels.feh);
}

TEST_F(FaultCatalogues, Fault30KeepsIdsThatDifferInTheLastOfAllDigits) {
    const std::string id = "9007199254740993";  // 2^53 + 1
    folder_.write("data/lamost.fits", with_card(LamostFile().bytes(), "OBSID", card("OBSID", id)));
    folder_.write("list.csv", "obsid,z\n9007199254740992,0.1\n" + id + ",0.2\n");
    const ProgramRun outcome =
        pack("data/lamost.fits --catalog list.csv --where 'object_id == " + id + "'");
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_EQ(packed().at("lamost.fits").z, 0.2);
    EXPECT_EQ(PackedSet(folder_ / "set").spectrum(0).object_id, 9007199254740993);
    expect_refused("list.csv", "obsid,z\n9007199254740993.0,0.1\n", "line 2: column 'obsid'");
}

TEST_F(FaultCatalogues, Fault31RefusesASetWithOneObjectInTwoSplits) {
    // Two spectra of one object, so near to each other on the sky.
    folder_.write("data/again.fits",
                  with_card(LamostFile().bytes(), "OBSID", card("OBSID", 105173)));
    ASSERT_EQ(pack("data").code, 0);
    std::vector<std::int64_t> groups;
    std::vector<std::uint8_t> splits;
    {
        const PackedSet set(folder_ / "set");
        ASSERT_EQ(set.size(), 3);
        ASSERT_EQ(set.manifest().objects, 2);
        for (std::int64_t row = 0; row < 3; ++row) {
            groups.push_back(set.group(row));
            splits.push_back(static_cast<std::uint8_t>(set.split(row)));
        }
    }
    ASSERT_EQ(groups[0], groups[1]);
    ASSERT_EQ(splits[0], splits[1]);
    splits[1] = splits[0] == 2 ? 0 : 2;
    rewrite_groups_and_splits(folder_ / "set/shard-00000.safetensors", groups, splits);
    for (const std::string command : {"verify set", "info set", "render set --out images"}) {
        const ProgramRun outcome = run(command);
        EXPECT_EQ(outcome.code, 1) << command;
        EXPECT_NE(outcome.error.find(": object 0 is in two splits"), std::string::npos)
            << outcome.error;
        EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1);
    }
}

TEST_F(FaultCatalogues, Fault32SkipsPathsOutOfTheDataRoot) {
    folder_.write("outside.fits", SdssFile().bytes());
    fs::create_directory(folder_ / "elsewhere");
    folder_.write("elsewhere/inner.fits", SdssFile().bytes());
    fs::create_symlink(folder_ / "outside.fits", folder_ / "data/link.fits");
    fs::create_symlink(folder_ / "elsewhere", folder_ / "data/folder");
    folder_.write("list.csv", "file\n../outside.fits\n" + (folder_ / "outside.fits") +
                                  "\nlink.fits\nfolder/inner.fits\ngone.fits\nsdss.fits\n");
    const ProgramRun named = pack("--catalog list.csv --root data");
    EXPECT_EQ(named.code, 3) << named.error;
    EXPECT_EQ(packed().size(), 1U);
    EXPECT_EQ(why_skipped("../outside.fits"), "NOT_A_FILE: the path leads out of data");
    EXPECT_EQ(why_skipped("link.fits"), "NOT_A_FILE: symbolic link out of data");
    EXPECT_EQ(why_skipped("folder/inner.fits"), "NOT_A_FILE: symbolic link out of data");
    EXPECT_EQ(why_skipped("gone.fits"), "NOT_A_FILE: no such file below data");
    EXPECT_TRUE(why_skipped(folder_ / "outside.fits").starts_with("NOT_A_FILE: "))
        << why_skipped(folder_ / "outside.fits");

    const ProgramRun searched = pack("data");
    EXPECT_EQ(searched.code, 3) << searched.error;
    EXPECT_EQ(packed().size(), 2U);
    for (const std::string name : {"data/link.fits", "data/folder"}) {
        EXPECT_EQ(why_skipped(name), "NOT_A_FILE: symbolic link out of the data folder");
    }
}

TEST_F(FaultCatalogues, Fault33SkipsWhatIsNoFileWithoutBlocking) {
    fs::create_directory(folder_ / "data/folder.fits");
    ASSERT_EQ(mkfifo((folder_ / "data/fifo.fits").c_str(), 0600), 0);
    ASSERT_EQ(mkfifo((folder_ / "data/fifo.csv").c_str(), 0600), 0);
    folder_.write("list.csv", "file\nfolder.fits\nfifo.fits\nsdss.fits\n");
    const ProgramRun named = pack("--catalog list.csv --root data");
    EXPECT_EQ(named.code, 3) << named.error;
    EXPECT_EQ(packed().size(), 1U);
    EXPECT_EQ(why_skipped("data/folder.fits"), "NOT_A_FILE: is a directory, not a file");
    EXPECT_EQ(why_skipped("data/fifo.fits"), "NOT_A_FILE: is a FIFO, not a file");

    const ProgramRun searched = pack("data /dev/zero");
    EXPECT_EQ(searched.code, 3) << searched.error;
    EXPECT_EQ(packed().size(), 2U);
    EXPECT_EQ(why_skipped("data/folder.fits"), "NOT_A_FILE: is a directory, not a file");
    EXPECT_EQ(why_skipped("data/fifo.fits"), "NOT_A_FILE: is a FIFO, not a file");
    EXPECT_EQ(why_skipped("/dev/zero"), "NOT_A_FILE: is a device, not a file");

    // A folder with spectra in it is one, whatever its name.
    folder_.write("data/folder.fits/inner.fits", SdssFile().bytes());
    EXPECT_EQ(pack("data/folder.fits").code, 0);
    EXPECT_EQ(packed().size(), 1U);

    for (const std::string path : {"data/fifo.csv", "data", "/dev/zero"}) {
        const auto before = content_of(folder_ / "set");
        const ProgramRun catalogue = pack("--catalog " + path + " data");
        EXPECT_EQ(catalogue.code, 1) << path;
        EXPECT_TRUE(catalogue.error.starts_with("vit-data: " + path + ": is ")) << catalogue.error;
        EXPECT_TRUE(content_of(folder_ / "set") == before);
    }
}

}  // namespace
}  // namespace balmer::data
