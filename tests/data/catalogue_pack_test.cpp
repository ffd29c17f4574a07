// Packing with catalogues through the built vit-data; broken ones: fault_catalogues_test.cpp.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "data/pack/packed_set.h"
#include "tests/data/pack_test_support.h"
#include "tests/data/program_runner.h"

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
        const ProgramRun outcome =
            run_program(folder_.path(), "vit-data", "pack --out set --overwrite " + arguments);
        out_ = outcome.out;
        error_ = outcome.error;
        return outcome.code;
    }
    std::map<std::string, Labels> packed() const {
        const PackedSet set(folder_ / "set");
        std::map<std::string, Labels> labels;
        for (std::int64_t row = 0; row < set.size(); ++row) {
            labels[set.spectrum(row).survey] = set.labels(row);
        }
        return labels;
    }

    const std::string program_ = program_path("vit-data");
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

}  // namespace
}  // namespace balmer::data
