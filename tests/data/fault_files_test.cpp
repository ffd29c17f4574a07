// vit-data on broken files: one row of skipped.csv for each with the right reason, the good file
// beside them packed. The numbers are those of the project's list of faults (1 to 24).

#include <gtest/gtest.h>

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "data/pack/packed_set.h"
#include "tests/data/broken_files.h"
#include "tests/data/pack_test_support.h"
#include "tests/data/program_runner.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;
using fits_builder::card;
using fits_builder::with_card;

std::string number_of(int fault) {
    std::ostringstream text;
    text << "Fault" << std::setw(2) << std::setfill('0') << fault;
    return text.str();
}

/// A folder to run vit-data in, with one good file.
class Workplace {
  public:
    Workplace() { write("files/good.fits", SdssFile().bytes()); }

    std::string write(const std::string& name, const std::string& bytes) const {
        return folder_.write(name, bytes);
    }
    std::string operator/(const std::string& name) const { return folder_ / name; }
    ProgramRun run(const std::string& arguments) const {
        return run_program(folder_.path(), "vit-data", arguments);
    }
    ProgramRun pack(const std::string& arguments) const {
        return run("pack --overwrite --out set " + arguments);
    }
    /// Rows of skipped.csv by file: file, row, reason, detail.
    std::multimap<std::string, std::vector<std::string>> skipped() const {
        std::multimap<std::string, std::vector<std::string>> rows;
        for (const auto& record : csv_records(*this / "set/skipped.csv")) {
            rows.emplace(record.at(0), record);
        }
        return rows;
    }
    /// The packed spectra by the names of their files.
    std::multimap<std::string, Spectrum> packed() const {
        const PackedSet set(*this / "set");
        std::multimap<std::string, Spectrum> spectra;
        for (std::int64_t row = 0; row < set.size(); ++row) {
            Spectrum spectrum = set.spectrum(row);
            spectra.emplace(fs::path(spectrum.file).filename(), std::move(spectrum));
        }
        return spectra;
    }

  private:
    TemporaryFolder folder_;
};

/// All broken files beside the good one, packed and drawn once.
struct AllAtOnce {
    AllAtOnce() {
        for (const BrokenFile& file : files) workplace.write("files/" + file.name, file.bytes);
        const std::string limit = std::to_string(broken_files_limit_mebibytes);
        pack = workplace.pack("files --file-size " + limit);
        render = workplace.run("render files --image map2d --out images");
    }

    std::vector<BrokenFile> files = broken_files();
    Workplace workplace;
    ProgramRun pack;
    ProgramRun render;
};

const AllAtOnce& all_at_once() {
    static const AllAtOnce all;
    return all;
}

bool is_built() {
    return fs::exists(program_path("vit-data"));
}

class BrokenFiles : public ::testing::TestWithParam<int> {
  protected:
    void SetUp() override {
        if (!is_built()) GTEST_SKIP() << "vit-data is not built";
    }
};

TEST_P(BrokenFiles, AreOneRowOfTheSetAndOneLineOfTheRenderer) {
    const AllAtOnce& all = all_at_once();
    const auto rows = all.workplace.skipped();
    for (const BrokenFile& file : all.files) {
        if (file.fault != GetParam()) continue;
        SCOPED_TRACE(number_of(file.fault) + " " + file.name);
        ASSERT_EQ(rows.count("files/" + file.name), 1U) << all.pack.error;
        const auto& row = rows.find("files/" + file.name)->second;
        ASSERT_EQ(row.size(), 4U);
        EXPECT_EQ(row[1], "0");
        EXPECT_EQ(row[2], file.reason) << row[3];
        EXPECT_NE(row[3].find(file.words), std::string::npos) << row[3];

        if (file.name == "bomb.fits.gz") continue;  // small enough to be drawn without a limit
        const std::string start = "vit-data: files/" + file.name + "[0]: " + file.reason + ": ";
        const std::size_t line = all.render.error.find(start);
        ASSERT_NE(line, std::string::npos) << all.render.error;
        EXPECT_NE(all.render.error.substr(line, all.render.error.find('\n', line) - line)
                      .find(file.words),
                  std::string::npos);
        EXPECT_EQ(all.render.error.find(start, line + 1), std::string::npos);
    }
}

INSTANTIATE_TEST_SUITE_P(VitData, BrokenFiles,
                         ::testing::Values(1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 19, 21,
                                           24),
                         [](const auto& fault) { return number_of(fault.param); });

class FaultFiles : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!is_built()) GTEST_SKIP() << "vit-data is not built";
    }

    /// Nothing but the good file is packed; one row of skipped.csv says why.
    void expect_skipped(const ProgramRun& pack, const std::string& file, const std::string& reason,
                        const std::string& words) const {
        EXPECT_EQ(pack.code, 3) << pack.error;
        const auto rows = work_.skipped();
        ASSERT_EQ(rows.size(), 1U);
        const auto& row = rows.begin()->second;
        EXPECT_EQ(row[0], file);
        EXPECT_EQ(row[2], reason) << row[3];
        EXPECT_NE(row[3].find(words), std::string::npos) << row[3];
        EXPECT_EQ(work_.packed().count("good.fits"), 1U);
    }

    Workplace work_;
};

TEST_F(FaultFiles, NothingIsLostBesideBrokenFiles) {
    const AllAtOnce& all = all_at_once();
    EXPECT_EQ(all.pack.code, 3) << all.pack.error;
    EXPECT_EQ(all.pack.error, "");
    EXPECT_EQ(all.workplace.skipped().size(), all.files.size());
    ASSERT_EQ(all.workplace.packed().size(), 1U);
    EXPECT_EQ(all.workplace.packed().begin()->second.flux, SdssFile().flux);
    EXPECT_EQ(all.workplace.run("verify set").code, 0);
    const ProgramRun info = all.workplace.run("info set --json");
    EXPECT_EQ(nlohmann::json::parse(info.out)["skipped"], all.files.size());
    EXPECT_EQ(all.render.code, 3);
    EXPECT_TRUE(fs::exists(all.workplace / "images/good.png"));
    // Every number that can lie in a file is tested by number above.
    std::set<int> faults;
    for (const BrokenFile& file : all.files) faults.insert(file.fault);
    EXPECT_EQ(faults.size(), 17U);
}

TEST_F(FaultFiles, Fault01SkipsAPathThatIsNotThere) {
    expect_skipped(work_.pack("files/gone.fits files"), "files/gone.fits", "NOT_A_FILE",
                   "No such file or directory");
}

TEST_F(FaultFiles, Fault08ContainsWhatTheDecoderRefuses) {
    // The header claims a compressed image where a plain table is.
    work_.write("files/lies.fits", with_card(SdssFile().bytes(), "EXTNAME", card("ZIMAGE", "T")));
    expect_skipped(work_.pack("--allow-compressed files"), "files/lies.fits", "DECODER_FAILED",
                   "CFITSIO");
    expect_skipped(work_.pack("files"), "files/lies.fits", "COMPRESSED_IMAGE", "tile-compressed");
}

TEST_F(FaultFiles, Fault10TakesNamesLiterally) {
    const std::string bytes = SdssFile().bytes();
    const std::vector<std::string> names = {
        "a[1].fits",     "a(b).fits", "!a.fits", "a+1.fits", "-x.fits",        "-",         "[a,b]",
        "a.fits[col x]", "shmem:h1",  "mem:",    "@list",    "http:/h/a.fits", "--out.fits"};
    std::string arguments;
    for (const std::string& name : names) {
        work_.write("odd/" + name, bytes);
        arguments += name == "http:/h/a.fits" ? " 'http://h/a.fits'" : " '" + name + "'";
    }
    const ProgramRun named = run_program(work_ / "odd", "vit-data",
                                         "pack --out ../set ../files/good.fits --" + arguments);
    EXPECT_EQ(named.code, 0) << named.error << named.out;
    for (const std::string& name : names) {
        EXPECT_EQ(work_.packed().count(fs::path(name).filename()), 1U) << name;
    }
    EXPECT_EQ(work_.packed().size(), names.size() + 1);
    // And so from a file of options.
    const ProgramRun configured =
        run_program(work_ / "odd", "vit-data", "pack --overwrite --config ../set/resolved.toml");
    EXPECT_EQ(configured.code, 0) << configured.error << configured.out;
    EXPECT_EQ(work_.packed().size(), names.size() + 1);

    // Folders are searched for files that are named like FITS.
    EXPECT_EQ(work_.pack("odd files").code, 0);
    EXPECT_EQ(work_.packed().size(), 8U);

    for (const std::string name : {"odd/[gone,too]", "http://h/gone.fits", "shmem://h1"}) {
        expect_skipped(work_.pack("files '" + name + "'"), name, "NOT_A_FILE", "No such file");
    }
    expect_skipped(work_.pack("'[gone,too]' files"), "./[gone,too]", "NOT_A_FILE", "No such file");
    const ProgramRun option = work_.run("pack --out other files -x.fits");
    EXPECT_EQ(option.code, 2);
    EXPECT_NE(option.error.find("-x.fits"), std::string::npos) << option.error;
    EXPECT_FALSE(fs::exists(work_ / "other"));
}

TEST_F(FaultFiles, Fault15And16MaskAndCountBadPixels) {
    constexpr float infinite = std::numeric_limits<float>::infinity();
    SdssFile flux;
    flux.flux[3] = std::nanf("");
    flux.flux[4] = infinite;
    flux.flux[5] = -infinite;
    SdssFile weight;
    weight.ivar[6] = std::nanf("");
    weight.ivar[7] = -1.0F;
    work_.write("files/flux.fits", flux.bytes());
    work_.write("files/weight.fits", weight.bytes());
    const ProgramRun pack = work_.pack("files");
    EXPECT_EQ(pack.code, 0) << pack.error;
    ASSERT_EQ(work_.packed().size(), 3U);
    const auto packed = work_.packed();

    const Spectrum& fault15 = packed.find("flux.fits")->second;
    EXPECT_EQ(fault15.not_finite_flux, 3);
    EXPECT_EQ(fault15.flags, flux_not_finite);
    const Spectrum& fault16 = packed.find("weight.fits")->second;
    EXPECT_EQ(fault16.bad_inverse_variance, 2);
    EXPECT_EQ(fault16.flags, bad_variance);
    for (std::size_t i = 3; i < 8; ++i) {
        const Spectrum& spectrum = i < 6 ? fault15 : fault16;
        EXPECT_EQ(spectrum.mask[i], 1) << i;
        EXPECT_EQ(spectrum.inverse_variance[i], 0.0F) << i;
    }
    EXPECT_EQ(fault15.flux[4], 0.0F);
    EXPECT_EQ(packed.find("good.fits")->second.flags, 0U);
    EXPECT_EQ(work_.run("verify set").code, 0);
}

TEST_F(FaultFiles, Fault14PacksAFileThatHasNoVarianceAtAll) {
    const SdssFile file;
    auto columns = file.columns();
    columns.erase(columns.begin() + 2);
    work_.write("files/bare.fits", file.with_columns(columns));
    EXPECT_EQ(work_.pack("files").code, 0);
    EXPECT_FALSE(work_.packed().find("bare.fits")->second.inverse_variance_known);
}

TEST_F(FaultFiles, Fault17DrawsAConstantFlux) {
    for (const float value : {0.0F, 2.5F}) {
        SdssFile file;
        file.flux.assign(300, value);
        work_.write(value == 0.0F ? "files/zero.fits" : "files/constant.fits", file.bytes());
    }
    EXPECT_EQ(work_.pack("files").code, 0);
    EXPECT_EQ(work_.packed().find("constant.fits")->second.flux, std::vector<float>(300, 2.5F));
    EXPECT_EQ(work_.run("verify set").code, 0);
    // All image types side by side.
    const ProgramRun render = work_.run("render set --compare --image-size 32 --out images");
    EXPECT_EQ(render.code, 0) << render.error;
    for (const std::string name : {"good", "zero", "constant"}) {
        EXPECT_EQ(read_text(work_ / ("images/" + name + ".png")).substr(1, 3), "PNG") << name;
    }
}

TEST_F(FaultFiles, Fault19PacksWhatAnOptionDecides) {
    std::string text = "wavelength,flux,ivar\n";
    for (int i = 0; i < 300; ++i) text += std::to_string(400.0 + 0.5 * i) + ",1.5,4\n";
    work_.write("files/table.csv", text);
    expect_skipped(work_.pack("files"), "files/table.csv", "UNKNOWN_WAVELENGTH_UNIT",
                   "--wavelength-unit");
    EXPECT_EQ(work_.pack("files --wavelength-unit nm --wavelength-medium vacuum").code, 0);
    ASSERT_EQ(work_.packed().count("table.csv"), 1U);
    EXPECT_DOUBLE_EQ(work_.packed().find("table.csv")->second.wavelength[1], 4005.0);
}

TEST_F(FaultFiles, Fault22UsesTheArmsThereAreAndKeepsRepeatedTargets) {
    DesiFile armless;
    armless.arms.erase("R");
    work_.write("files/armless.fits", armless.bytes());
    DesiFile repeated(3);
    repeated.targets[2] = repeated.targets[0];
    repeated.ra[2] = repeated.ra[0];
    repeated.dec[2] = repeated.dec[0];
    work_.write("files/repeated.fits", repeated.bytes());
    const ProgramRun pack = work_.pack("files");
    EXPECT_EQ(pack.code, 0) << pack.error;
    std::map<std::string, std::vector<std::int64_t>> rows;
    std::map<std::int64_t, std::set<std::int64_t>> groups;
    const PackedSet set(work_ / "set");
    for (std::int64_t row = 0; row < set.size(); ++row) {
        const Spectrum spectrum = set.spectrum(row);
        const std::string name = fs::path(spectrum.file).filename();
        rows[name].push_back(spectrum.row);
        if (name == "repeated.fits") groups[spectrum.object_id].insert(set.group(row));
        EXPECT_EQ(spectrum.flags, name == "armless.fits" ? arm_missing : 0U) << name;
    }
    EXPECT_EQ(rows["armless.fits"], (std::vector<std::int64_t>{0, 1}));
    EXPECT_EQ(rows["repeated.fits"], (std::vector<std::int64_t>{0, 1, 2}));
    ASSERT_EQ(groups.size(), 2U);
    for (const auto& [target, its_groups] : groups) EXPECT_EQ(its_groups.size(), 1U) << target;
}

TEST_F(FaultFiles, Fault23SkipsWrongChecksumsUnderStrictAlone) {
    LamostFile file;
    file.snr.push_back(fits_builder::text_card("DATASUM", "1"));
    work_.write("files/sum.fits", file.bytes());
    const ProgramRun told = work_.pack("files");
    EXPECT_EQ(told.code, 0);
    EXPECT_NE(told.error.find("1 spectra are of files whose checksums disagree"), std::string::npos)
        << told.error;
    EXPECT_EQ(work_.packed().find("sum.fits")->second.flags, checksum_mismatch);
    expect_skipped(work_.pack("--strict files"), "files/sum.fits", "BAD_CHECKSUM",
                   "HDU 0: DATASUM disagrees with the data");
}

TEST_F(FaultFiles, Fault24StopsAtTheLimitOfCards) {
    const std::string good = SdssFile().bytes();
    work_.write("files/million.fits",
                good.substr(0, 320) + std::string(80'000'000, ' ') + good.substr(320));
    expect_skipped(work_.pack("files"), "files/million.fits", "BAD_STRUCTURE",
                   "more than 36000 header cards");
}

}  // namespace
}  // namespace balmer::data
