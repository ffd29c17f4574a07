// vit-data: the built program on good and broken files, its exit codes and messages.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "data/pack/packed_set.h"
#include "kernels/core/stream.h"
#include "tests/data/pack_test_support.h"
#include "tests/data/program_runner.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

class VitData : public ::testing::Test {
  protected:
    VitData() {
        SdssFile sdss;
        input_.write("a.fits", sdss.bytes());
        input_.write("b.fits", LamostFile().bytes());
    }

    void SetUp() override {
        if (!fs::exists(program_)) GTEST_SKIP() << program_ << " is not built";
    }

    ProgramRun run(const std::string& arguments) const {
        return run_program(work_.path(), "vit-data", arguments);
    }

    std::string input() const { return input_.path(); }
    std::string set() const { return work_ / "set"; }

    const std::string program_ = program_path("vit-data");
    TemporaryFolder input_;
    TemporaryFolder work_;
};

TEST_F(VitData, PacksDescribesAndVerifies) {
    const ProgramRun pack = run("pack --out " + set() + " " + input());
    EXPECT_EQ(pack.code, 0) << pack.error;
    EXPECT_EQ(pack.error, "");
    EXPECT_NE(pack.out.find("2 spectra of 2 objects"), std::string::npos) << pack.out;

    const ProgramRun info = run("info " + set() + " --json");
    ASSERT_EQ(info.code, 0) << info.error;
    const auto value = nlohmann::json::parse(info.out);
    EXPECT_EQ(value["count"], 2);
    EXPECT_EQ(value["skipped"], 0);
    EXPECT_EQ(value["survey"], nlohmann::json({{"lamost", 1}, {"sdss", 1}}));
    EXPECT_EQ(value["class"], nlohmann::json({{"GALAXY", 1}, {"STAR", 1}}));
    EXPECT_EQ(value["labels"]["z"]["count"], 2);
    EXPECT_EQ(value["labels"]["z"]["max"], 0.125);
    EXPECT_EQ(value["labels"]["teff"]["count"], 0);
    EXPECT_EQ(value["split"]["train"].get<int>() + value["split"]["validation"].get<int>() +
                  value["split"]["test"].get<int>(),
              2);
    const ProgramRun text = run("info " + set());
    EXPECT_NE(text.out.find("lamost 1, sdss 1"), std::string::npos) << text.out;
    EXPECT_EQ(run("verify " + set()).code, 0);
}

TEST_F(VitData, DrawsFiguresOfASet) {
    ASSERT_EQ(run("pack --out " + set() + " " + input()).code, 0);
    const ProgramRun info = run("info " + set() + " --figures " + (work_ / "a/b"));
    EXPECT_EQ(info.code, 0) << info.error;
    for (const std::string name : {"redshift", "signal_to_noise", "class", "wavelength"}) {
        EXPECT_TRUE(read_text(work_ / ("a/b/" + name + ".svg")).starts_with("<svg ")) << name;
    }
    EXPECT_EQ(run("info " + set() + " --figures " + input() + "/a.fits").code, 1);
}

TEST_F(VitData, StoresFluxAsAsked) {
    for (const std::string store : {"f16", "bf16"}) {
        const ProgramRun pack =
            run("pack --overwrite --store " + store + " --out " + set() + " " + input());
        ASSERT_EQ(pack.code, 0) << pack.error;
        EXPECT_EQ(run("verify " + set()).code, 0);
        EXPECT_EQ(name_of(PackedSet(set()).manifest().store), store);
        EXPECT_NEAR(PackedSet(set()).spectrum(0).flux[150], SdssFile().flux[150], 0.01);
    }
    EXPECT_EQ(run("pack --overwrite --store f8 --out " + set() + " " + input()).code, 2);
}

TEST_F(VitData, Fault09SkipsFilesAboveTheSizeOfTheUser) {
    input_.write("bomb.fits.gz", gzip(std::string(std::size_t{3} << 20, ' ')));
    input_.write("large.fits", std::string(std::size_t{3} << 20, ' '));
    const ProgramRun pack = run("pack --file-size 1 --out " + set() + " " + input());
    EXPECT_EQ(pack.code, 3) << pack.error;
    EXPECT_NE(pack.out.find("skipped 1 BAD_GZIP"), std::string::npos) << pack.out;
    EXPECT_NE(pack.out.find("skipped 1 BAD_STRUCTURE"), std::string::npos) << pack.out;
}

TEST_F(VitData, SkipsFilesThatTakeMoreTimeOrMemoryThanTheyMay) {
    // Inflates to 500 MB.
    const std::string member = gzip(std::string(std::size_t{4} << 20, ' '));
    std::string bomb;
    for (int i = 0; i < 120; ++i) bomb += member;
    input_.write("bomb.fits.gz", bomb);
    const ProgramRun memory = run("pack --file-memory 32 --out " + set() + " " + input());
    EXPECT_EQ(memory.code, 3) << memory.error;
#if defined(__SANITIZE_ADDRESS__)  // it ends a process out of memory
    const char* const reason = "skipped 1 DECODER_FAILED";
#else
    const char* const reason = "skipped 1 OUT_OF_MEMORY";
#endif
    EXPECT_NE(memory.out.find(reason), std::string::npos) << memory.out;
    const ProgramRun time =
        run("pack --overwrite --file-seconds 0.2 --out " + set() + " " + input());
    EXPECT_EQ(time.code, 3) << time.error;
    EXPECT_NE(time.out.find(" TIMEOUT"), std::string::npos) << time.out;
}

TEST_F(VitData, SplitsByTheSharesOfTheUser) {
    ASSERT_EQ(run("pack --out " + set() + " --split 1,0,99 " + input()).code, 0);
    const auto manifest = nlohmann::json::parse(run("info " + set() + " --json").out);
    EXPECT_EQ(manifest["split"]["test"], 2);
    for (const std::string shares : {"60,20", "60,20,30", "0,50,50", "120,-40,20", "a,b,c"}) {
        const ProgramRun wrong =
            run("pack --overwrite --out " + set() + " --split " + shares + " " + input());
        EXPECT_EQ(wrong.code, 2) << shares;
        EXPECT_NE(wrong.error.find("--split"), std::string::npos) << wrong.error;
    }
    EXPECT_EQ(run("verify " + set()).code, 0);
}

TEST_F(VitData, ExitsWithThreeWhenSomethingWasSkipped) {
    input_.write("broken.fits", "<html>");
    const ProgramRun pack =
        run("pack --out " + set() + " " + input() + " " + input() + "/gone.fits");
    EXPECT_EQ(pack.code, 3) << pack.error;
    EXPECT_NE(pack.out.find("skipped 1 NOT_FITS"), std::string::npos) << pack.out;
    EXPECT_NE(pack.out.find("skipped 1 NOT_A_FILE"), std::string::npos) << pack.out;
    EXPECT_EQ(PackedSet(set()).size(), 2);
    EXPECT_EQ(nlohmann::json::parse(run("info --json " + set()).out)["skipped"], 2);
}

TEST_F(VitData, ExitsWithOneAndOneLineWhenItFails) {
    const ProgramRun nothing = run("pack --out " + set() + " /nonexistent");
    EXPECT_EQ(nothing.code, 1);
    EXPECT_EQ(nothing.error,
              "vit-data: /nonexistent: none of 1 files gives a spectrum (1 NOT_A_FILE)\n");
    EXPECT_FALSE(fs::exists(set()));
    const ProgramRun info = run("info " + input());
    EXPECT_EQ(info.code, 1);
    EXPECT_EQ(info.error, "vit-data: " + input() + ": is not a packed set (no manifest.json)\n");
}

TEST_F(VitData, Fault53KeepsAnExistingSetWithoutOverwrite) {
    ASSERT_EQ(run("pack --out " + set() + " " + input()).code, 0);
    const ProgramRun again = run("pack --out " + set() + " " + input() + "/a.fits");
    EXPECT_EQ(again.code, 1);
    EXPECT_NE(again.error.find("--overwrite"), std::string::npos);
    EXPECT_EQ(PackedSet(set()).size(), 2);
    EXPECT_EQ(run("pack --overwrite --out " + set() + " " + input() + "/a.fits").code, 0);
    EXPECT_EQ(PackedSet(set()).size(), 1);
}

TEST_F(VitData, Fault43RefusesToRewriteASetThatIsInUse) {
    ASSERT_EQ(run("pack --out " + set() + " " + input()).code, 0);
    const PackedSet reader(set());
    const ProgramRun pack = run("pack --overwrite --out " + set() + " " + input());
    EXPECT_EQ(pack.code, 1);
    EXPECT_EQ(pack.error, "vit-data: " + set() + ": is in use by another program\n");
}

TEST_F(VitData, VerifyFindsABrokenShard) {
    ASSERT_EQ(run("pack --out " + set() + " " + input()).code, 0);
    const std::string shard = set() + "/shard-00000.safetensors";
    std::string bytes = read_text(shard);
    bytes[bytes.size() - 100] ^= 1;
    write_text(shard, bytes);
    const ProgramRun verify = run("verify " + set());
    EXPECT_EQ(verify.code, 1);
    EXPECT_NE(verify.error.find(shard + ": checksum is"), std::string::npos) << verify.error;
}

TEST_F(VitData, Fault42SuggestsTheNearestNameOfUnknownOptionsAndKeys) {
    const ProgramRun command = run("pakc");
    EXPECT_EQ(command.code, 2);
    EXPECT_NE(command.error.find("did you mean 'pack'?"), std::string::npos);
    const ProgramRun option = run("pack --shardsize 3 --out x y");
    EXPECT_EQ(option.code, 2);
    EXPECT_NE(option.error.find("unknown option '--shardsize', did you mean '--shard-size'?"),
              std::string::npos)
        << option.error;
    write_text(work_ / "run.toml", "stict = true\n");
    const ProgramRun key = run("pack --out x y --config " + (work_ / "run.toml"));
    EXPECT_EQ(key.code, 2);
    EXPECT_NE(key.error.find("unknown key 'stict', did you mean 'strict'?"), std::string::npos)
        << key.error;
}

TEST_F(VitData, Fault42RefusesValuesOfTheWrongKind) {
    for (const std::string line :
         {"shard_size = \"many\"", "shard-size = 1.5", "shard-size = 0", "strict = \"yes\"",
          "strict = 1", "survey = \"gaia\"", "split-seed = -1",
          "shard-size = ", "shard-size = 1\nshard-size = 2", "[strict]\na = 1"}) {
        write_text(work_ / "run.toml", line + "\n");
        const ProgramRun pack =
            run("pack --out " + set() + " " + input() + " --config " + (work_ / "run.toml"));
        EXPECT_EQ(pack.code, 2) << line << "\n" << pack.error;
        EXPECT_EQ(std::count(pack.error.begin(), pack.error.end(), '\n'), 1) << pack.error;
        EXPECT_FALSE(fs::exists(set())) << line;
    }
    write_text(work_ / "run.toml", "out = [\"a\", \"b\"]\n");
    EXPECT_EQ(run("pack " + input() + " --config " + (work_ / "run.toml")).code, 2);
    EXPECT_EQ(run("pack --out " + set()).code, 2);
    EXPECT_EQ(run("pack " + input()).code, 2);
    EXPECT_EQ(run("").code, 2);
}

TEST_F(VitData, ReadsOptionsFromTomlAndSavesTheResolvedOnes) {
    write_text(work_ / "run.toml", "shard_size = 7\nsplit-seed = 9\nstrict = true\npaths = [\"" +
                                       input() + "\"]\n[info]\njson = true\n");
    const std::string config = " --config " + (work_ / "run.toml");
    const ProgramRun pack = run("pack --split-seed 3 --out " + set() + config);
    ASSERT_EQ(pack.code, 0) << pack.error;
    const std::string resolved = read_text(set() + "/resolved.toml");
    EXPECT_NE(resolved.find("shard-size = 7\n"), std::string::npos) << resolved;
    EXPECT_NE(resolved.find("split-seed = 3\n"), std::string::npos) << resolved;
    EXPECT_NE(resolved.find("strict = true\n"), std::string::npos) << resolved;
    EXPECT_NE(resolved.find("min-pixels = 200\n"), std::string::npos) << resolved;
    EXPECT_EQ(PackedSet(set()).manifest().split.seed, 3U);
    const auto manifest = [&] {
        auto value = nlohmann::json::parse(read_text(set() + "/manifest.json"));
        EXPECT_NE(value["invocation"]["command"].get<std::string>().find("vit-data pack"),
                  std::string::npos);
        value.erase("invocation");
        return value;
    };
    const auto before = manifest();
    write_text(work_ / "again.toml", resolved);
    ASSERT_EQ(run("pack --overwrite --config " + (work_ / "again.toml")).code, 0);
    EXPECT_EQ(manifest(), before);
}

TEST_F(VitData, EveryCommandExplainsItself) {
    EXPECT_EQ(run("--version").out, "vit-data (Balmer) 0.1.0\n");
    for (const std::string command : {"", "pack", "info", "verify", "render"}) {
        const ProgramRun help = run(command + " --help");
        EXPECT_EQ(help.code, 0);
        EXPECT_NE(help.out.find("Usage: vit-data"), std::string::npos);
    }
    EXPECT_NE(run("pack --help").out.find("--shard-size INT:INT in [1 - 1000000]=4096"),
              std::string::npos)
        << run("pack --help").out;
}

TEST_F(VitData, RendersFilesAndPackedSetsAlike) {
    ASSERT_EQ(run("pack --out " + set() + " " + input()).code, 0);
    const std::string files = work_ / "files";
    const std::string packed = work_ / "packed";
    const ProgramRun render = run("render " + input() + " --image map2d --out " + files);
    ASSERT_EQ(render.code, 0) << render.error;
    ASSERT_EQ(run("render " + set() + " --image map2d --out " + packed).code, 0);
    for (const std::string name : {"/a.png", "/b.png"}) {
        EXPECT_EQ(read_text(files + name).substr(1, 3), "PNG");
        EXPECT_EQ(read_text(files + name), read_text(packed + name));
    }
    const ProgramRun again = run("render " + set() + " --limit 1 --out " + packed);
    EXPECT_EQ(again.code, 1);
    EXPECT_NE(again.error.find("a.png: exists already; --overwrite replaces it"),
              std::string::npos);
    EXPECT_EQ(run("render " + set() + " --image map3d --out " + files).code, 2);
    input_.write("broken.fits", "x");
    EXPECT_EQ(run("render --overwrite " + input() + " --out " + files).code, 3);
}

/// The ones' complement sum of 32-bit words that DATASUM holds.
std::uint32_t data_sum(const std::string& data) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i + 3 < data.size(); i += 4) {
        std::uint64_t word = 0;
        for (std::size_t k = i; k < i + 4; ++k) {
            word = word << 8 | static_cast<unsigned char>(data[k]);
        }
        sum += word;
        sum = (sum & 0xFFFFFFFFU) + (sum >> 32);
    }
    return static_cast<std::uint32_t>(sum);
}

TEST_F(VitData, Fault23ChecksumsAreToldAndObeyedOnRequest) {
    const std::string plain = LamostFile().bytes();
    const std::size_t data_begin = (plain.find("END     ") / 2880 + 1) * 2880;
    LamostFile checked;
    const std::string sum = std::to_string(data_sum(plain.substr(data_begin)));
    checked.snr.push_back(fits_builder::text_card("DATASUM", sum));
    const std::string right = checked.bytes();
    ASSERT_EQ(right.size(), plain.size());
    std::string wrong = right;
    wrong[data_begin + 3] = static_cast<char>(wrong[data_begin + 3] ^ 1);

    input_.write("b.fits", right);
    const ProgramRun sound = run("pack --strict --out " + set() + " " + input());
    EXPECT_EQ(sound.code, 0) << sound.error;
    EXPECT_EQ(sound.error, "");

    input_.write("b.fits", wrong);
    const ProgramRun told = run("pack --overwrite --out " + set() + " " + input());
    EXPECT_EQ(told.code, 0);
    EXPECT_NE(told.error.find("1 spectra are of files whose checksums disagree"), std::string::npos)
        << told.error;
    EXPECT_EQ(run("pack --overwrite --strict --out " + set() + " " + input()).code, 3);
    const std::string skipped = read_text(set() + "/skipped.csv");
    EXPECT_NE(skipped.find("BAD_CHECKSUM,HDU 0: DATASUM disagrees with the data"),
              std::string::npos)
        << skipped;
}

TEST_F(VitData, RendersContactSheetsAndComparisons) {
    const std::string sheets = work_ / "sheets";
    const ProgramRun outcome =
        run("render " + input() + " --sheet 1x1 --image map2d --out " + sheets);
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_TRUE(fs::exists(sheets + "/sheet-00001.png"));
    EXPECT_TRUE(fs::exists(sheets + "/sheet-00002.png"));
    EXPECT_FALSE(fs::exists(sheets + "/a.png"));
    const std::string compared = work_ / "compared";
    ASSERT_EQ(run("render " + input() + " --compare --grid native --out " + compared).code, 0);
    EXPECT_GT(fs::file_size(compared + "/a.png"), 1000U);
    for (const char* wrong : {"5x", "0x3", "x", "3x3x3", "3X3"}) {
        EXPECT_EQ(run("render " + input() + " --sheet " + wrong + " --out " + sheets).code, 2);
    }
    EXPECT_EQ(run("render " + input() + " --sheet 1x1 --compare --out " + sheets).code, 2);
}

TEST_F(VitData, RendersOnEveryDeviceTheSameBytes) {
    if (!is_built_for(DeviceType::simt)) GTEST_SKIP() << "this build has no simt";
    ASSERT_EQ(run("render " + input() + " --device cpu --out " + (work_ / "cpu")).code, 0);
    ASSERT_EQ(run("render " + input() + " --device simt --out " + (work_ / "simt")).code, 0);
    EXPECT_EQ(read_text(work_ / "cpu/a.png"), read_text(work_ / "simt/a.png"));
}

TEST_F(VitData, SimulatesFilesThatPackWithTheLabelsOfTheirCatalogue) {
    const std::string simulated = work_ / "simulated";
    const ProgramRun simulate =
        run("simulate --classes STAR --survey lamost --count 6 --seed 5 --out " + simulated);
    ASSERT_EQ(simulate.code, 0) << simulate.error;
    ASSERT_EQ(run("pack --out " + set() + " " + simulated).code, 0);
    const PackedSet packed(set());
    EXPECT_EQ(packed.size(), 6);
    EXPECT_EQ(packed.manifest().summary.class_counts.at("STAR"), 6);
    EXPECT_EQ(packed.manifest().summary.survey_counts.at("lamost"), 6);
    const std::string catalogue = read_text(simulated + "/catalog.csv");
    EXPECT_EQ(std::count(catalogue.begin(), catalogue.end(), '\n'), 7);
    EXPECT_EQ(run("simulate --count 1 --out " + simulated).code, 2);
    EXPECT_EQ(run("simulate --count 1 --classes PLANET --out " + set()).code, 2);
    EXPECT_EQ(run("simulate --count 0 --out " + set()).code, 2);
    const ProgramRun gaia = run("simulate --count 1 --survey gaia --out " + set());
    EXPECT_EQ(gaia.code, 2);
    EXPECT_EQ(gaia.error, "vit-data: --survey: gaia not in {sdss,lamost,desi}\n");
}

TEST_F(VitData, SimulatesDesiFilesThatPackWithTheLabelsOfTheirRedrockTables) {
    const std::string simulated = work_ / "desi";
    const ProgramRun simulate =
        run("simulate --classes STAR --survey desi --count 4 --seed 5 --out " + simulated);
    ASSERT_EQ(simulate.code, 0) << simulate.error;
    run("pack --out " + set() + " " + simulated);
    const PackedSet packed(set());
    ASSERT_EQ(packed.size(), 4);
    EXPECT_EQ(packed.manifest().summary.survey_counts.at("desi"), 4);
    EXPECT_EQ(packed.manifest().summary.class_counts.at("STAR"), 4);
    EXPECT_EQ(packed.manifest().skipped.at("LABEL_TABLE"), 1);
    for (std::int64_t row = 0; row < 4; ++row) {
        EXPECT_EQ(packed.spectrum(row).pixels(), 7781);
        EXPECT_TRUE(packed.label(row, "z"));
    }
}

TEST_F(VitData, Fault46KeepsTheOldSetWhenTheNewOneDoesNotFit) {
    ASSERT_EQ(run("pack --out " + set() + " " + input() + "/a.fits").code, 0);
    const std::string command = "ulimit -f 8; '" + program_ + "' pack --overwrite --out " + set() +
                                " " + input() + " >'" + (work_ / "stdout") + "' 2>'" +
                                (work_ / "stderr") + "'";
    const int status = std::system(command.c_str());
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1);
    EXPECT_NE(read_text(work_ / "stderr").find("File too large"), std::string::npos)
        << read_text(work_ / "stderr");
    EXPECT_EQ(PackedSet(set(), {.verify_checksums = true}).size(), 1);
    EXPECT_FALSE(fs::exists(set() + "/.packing"));
}

TEST_F(VitData, Fault65ACompleteSetIsLeftWhenNobodyReadsTheOutput) {
    const std::string command = "'" + program_ + "' pack --out " + set() + " " + input() + " >&-";
    std::system(command.c_str());  // NOLINT(cert-env33-c)
    EXPECT_EQ(PackedSet(set(), {.verify_checksums = true}).size(), 2);
}

}  // namespace
}  // namespace balmer::data
