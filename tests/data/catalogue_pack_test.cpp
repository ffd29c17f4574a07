// Packing with catalogues: through the library and through the built vit-data.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "data/pack/packed_set.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

class PackCatalogue : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!fs::exists(program_)) GTEST_SKIP() << program_ << " is not built";
        const SdssFile sdss;
        folder_.write("data/spec-0314-51641-0211.fits", sdss.bytes());
        folder_.write("data/F5902/spec-55859-F5902_sp05-172.fits", LamostFile().bytes());
    }

    /// Exit code; what it wrote to stdout and stderr goes to out_ and error_.
    int pack(const std::string& arguments) {
        const std::string command = "cd '" + folder_.path() + "' && '" + program_ +
                                    "' pack --out set --overwrite " + arguments +
                                    " >stdout 2>stderr";
        const int status = std::system(command.c_str());
        out_ = folder_.read("stdout");
        error_ = folder_.read("stderr");
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    std::map<std::string, Labels> packed() const {
        const PackedSet set(folder_ / "set");
        std::map<std::string, Labels> labels;
        for (std::int64_t row = 0; row < set.size(); ++row) {
            labels[set.spectrum(row).survey] = set.labels(row);
        }
        return labels;
    }

    const std::string program_ = std::string(BALMER_BINARY_DIR) + "/bin/vit-data";
    TemporaryFolder folder_;
    std::string out_;
    std::string error_;
};

const std::string sdss_row =
    "plate,mjd,fiberid,class,z,zwarning,instrument,targettype\n"
    "314,51641,211,QSO,2.5,0,BOSS,SCIENCE\n";
const std::string lamost_rows =
    "obsid|lmjd|planid|spid|fiberid|class|z|z_err|snru|snrg|snrr|snri|snrz\n"
    "105172|55859|F5902|5|172|STAR|0.25|1e-5|1|2|3|4|5\n"
    "105173|55859|F5902|5|173|STAR|-9999|1e-5|1|2|3|4|5\n";

TEST_F(PackCatalogue, TakesFilesAndLabelsFromCatalogues) {
    folder_.write("sdss.csv", sdss_row);
    folder_.write("lamost.csv", lamost_rows);
    folder_.write("stellar.csv", "obsid,teff,logg,feh\n105172,5000,4.5,-9999\n");
    EXPECT_EQ(pack("--catalog sdss.csv --catalog lamost.csv --catalog stellar.csv --root data "
                   "--select paper-sdss,paper-lamost"),
              0)
        << error_;
    const auto labels = packed();
    ASSERT_EQ(labels.size(), 2U);
    EXPECT_EQ(labels.at("sdss").object_class, "QSO");
    EXPECT_EQ(labels.at("sdss").z, 2.5);
    EXPECT_EQ(labels.at("sdss").zwarn, 0);
    EXPECT_EQ(labels.at("sdss").subclass, "STARFORMING");  // the file's own
    EXPECT_EQ(labels.at("lamost").z, 0.25);
    EXPECT_EQ(labels.at("lamost").teff, 5000.0);
    EXPECT_EQ(labels.at("lamost").feh, std::nullopt);
    EXPECT_NE(out_.find("lamost.csv: LAMOST, 2 rows, without a value: z 1"), std::string::npos)
        << out_;
    EXPECT_NE(out_.find("1 rows are not selected"), std::string::npos) << out_;
    EXPECT_NE(folder_.read("set/manifest.json").find("paper-sdss,paper-lamost"), std::string::npos);
}

TEST_F(PackCatalogue, FiltersSpectraWithoutACatalogue) {
    EXPECT_EQ(pack("data --where \"class == 'STAR' && snr > 5\""), 0) << error_;
    EXPECT_EQ(packed().size(), 1U);
    EXPECT_EQ(packed().count("lamost"), 1U);
    EXPECT_NE(folder_.read("set/skipped.csv").find("NOT_SELECTED"), std::string::npos);
    EXPECT_EQ(pack("data --where 'zwran == 0'"), 2);
    EXPECT_NE(error_.find("did you mean 'zwarn'?"), std::string::npos) << error_;
    EXPECT_EQ(packed().size(), 1U);  // what was there stays
    EXPECT_EQ(pack(""), 2);
    EXPECT_NE(error_.find("PATH or --catalog is required"), std::string::npos) << error_;
}

TEST_F(PackCatalogue, LabelsFilesThatAreGivenAsPaths) {
    folder_.write("sdss.csv", sdss_row);
    EXPECT_EQ(pack("--catalog sdss.csv data"), 0) << error_;
    EXPECT_EQ(packed().at("sdss").z, 2.5);
    EXPECT_EQ(packed().at("lamost").z, -0.00009073);  // not listed: its own
}

TEST_F(PackCatalogue, LeavesOutWhatAPublishedSelectionDoesNotList) {
    folder_.write("lamost.csv", lamost_rows);
    folder_.write("data/b.fits", fits_builder::with_card(LamostFile().bytes(), "OBSID",
                                                         fits_builder::card("OBSID", 7)));
    EXPECT_EQ(pack("--catalog lamost.csv --select paper-lamost data"), 0) << error_;
    EXPECT_EQ(PackedSet(folder_ / "set").size(), 2);
    EXPECT_NE(folder_.read("set/skipped.csv").find("data/b.fits,0,NOT_IN_CATALOGUE"),
              std::string::npos);
}

TEST_F(PackCatalogue, Fault25And27StopWithOneLineAndLeaveTheSet) {
    ASSERT_EQ(pack("data"), 0) << error_;
    const std::map<std::string, std::string> broken = {
        {"obsid,z\n1,2,3\n", "line 2: 3 cells where the header has 2"},
        {"obsid,z\n1,\"2\n", "line 2: a quote that never closes"},
        {std::string("obsid,z\n1,\0\n", 12), "line 2: a NUL byte"},
        {"obsid,z\n1,\xFF\n", "line 2: bytes that are not UTF-8"},
        {"obsid,z,z\n", "column 'z' stands twice"},
        {"name,z\n", "columns found: name, z"}};
    for (const auto& [bytes, reason] : broken) {
        folder_.write("broken.csv", bytes);
        EXPECT_EQ(pack("--catalog broken.csv data"), 1);
        EXPECT_EQ(error_.find("vit-data: broken.csv: "), 0U) << error_;
        EXPECT_NE(error_.find(reason), std::string::npos) << error_;
        EXPECT_EQ(std::count(error_.begin(), error_.end(), '\n'), 1) << error_;
        EXPECT_EQ(packed().size(), 2U);
    }
}

TEST_F(PackCatalogue, Fault26And28ReadForeignTablesWithoutInventingLabels) {
    folder_.write("data/list.csv",
                  "\xEF\xBB\xBF"
                  "file;z;teff;logg;feh\r\n"
                  "spec-0314-51641-0211.fits;inf;0;0;0\r\n");
    EXPECT_EQ(pack("--catalog data/list.csv"), 0) << error_;
    const auto labels = packed();
    ASSERT_EQ(labels.size(), 1U);
    EXPECT_EQ(labels.at("sdss").z, 0.125);  // the file's; the catalogue has none
    EXPECT_EQ(labels.at("sdss").teff, std::nullopt);
    EXPECT_NE(out_.find("without a value: feh 1, logg 1, teff 1, z 1"), std::string::npos) << out_;
}

TEST_F(PackCatalogue, Fault30JoinsIdsThatDifferInTheLastOfAllDigits) {
    const std::string id = "9007199254740993";  // 2^53 + 1
    folder_.write("data/a.fits", fits_builder::with_card(LamostFile().bytes(), "OBSID",
                                                         fits_builder::card("OBSID", id)));
    folder_.write("list.csv", "obsid,z\n9007199254740992,0.1\n" + id + ",0.2\n");
    EXPECT_EQ(pack("data/a.fits --catalog list.csv --where 'object_id == " + id + "'"), 0)
        << error_;
    EXPECT_EQ(packed().at("lamost").z, 0.2);
    EXPECT_EQ(PackedSet(folder_ / "set").spectrum(0).object_id, 9007199254740993);
}

TEST_F(PackCatalogue, Fault32And33SkipWhatIsNoFileOfTheDataRoot) {
    folder_.write("outside.fits", SdssFile().bytes());
    fs::create_symlink(folder_ / "outside.fits", folder_ / "data/link.fits");
    fs::create_directory(folder_ / "data/folder.fits");
    ASSERT_EQ(std::system(("mkfifo '" + (folder_ / "data/fifo.fits") + "'").c_str()), 0);
    folder_.write("list.csv",
                  "file\n../outside.fits\nlink.fits\nfolder.fits\nfifo.fits\ngone.fits\n"
                  "spec-0314-51641-0211.fits\n");
    EXPECT_EQ(pack("--catalog list.csv --root data"), 3) << error_;
    EXPECT_EQ(packed().size(), 1U);
    const std::string skipped = folder_.read("set/skipped.csv");
    for (const char* const reason : {"the path leads out of data", "symbolic link out of data",
                                     "is a directory", "is a FIFO", "no such file below data"}) {
        EXPECT_NE(skipped.find(reason), std::string::npos) << reason << "\n" << skipped;
    }
}

}  // namespace
}  // namespace balmer::data
