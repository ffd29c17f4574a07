// vit-infer and vit-train on spectra and sets that are broken. The numbers are those of the
// project's list of faults (1 to 33).

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "tests/data/broken_files.h"
#include "tests/data/program_runner.h"
#include "tests/train/train_test_support.h"
#include "vit/model_directory.h"

namespace balmer::train {
namespace {

namespace fs = std::filesystem;

/// A folder with a model of a few thousand weights that tells classes and redshifts, untrained.
class FaultPrograms : public ::testing::Test {
  protected:
    void SetUp() override {
        for (const char* name : {"vit-data", "vit-train", "vit-infer"}) {
            if (!fs::exists(program_path(name))) GTEST_SKIP() << name << " is not built";
        }
        vit::ModelConfig config = small_configuration();
        config.heads = {{.target = "class", .labels = {"STAR", "GALAXY", "QSO"}},
                        {.target = "z", .labels = {}, .transform = "log1p"}};
        vit::save_model(*vit::make_model(config, 3), path("model"));
        work_.write("files/good.fits", data::SdssFile().bytes());
    }

    std::string path(const std::string& name) const { return work_ / name; }
    ProgramRun run(const std::string& program, const std::string& arguments) const {
        return run_program(work_.path(), program, arguments);
    }
    ProgramRun infer(const std::string& arguments) const {
        return run("vit-infer", "--model model --threads 1 --overwrite --out p.csv " + arguments);
    }
    ProgramRun train(const std::string& arguments) const {
        return run(
            "vit-train",
            "--pretrained model --new-heads --batch 8 --max-steps 1 --threads 1 " + arguments);
    }
    /// Rows of p.csv by file: id, survey, file, row, status, reason, ...
    std::multimap<std::string, std::vector<std::string>> predictions() const {
        std::multimap<std::string, std::vector<std::string>> rows;
        for (const auto& record : csv_records(path("p.csv"))) rows.emplace(record.at(2), record);
        return rows;
    }
    /// Packs forty learnable spectra, each as `change` leaves it.
    void make_changed_set(
        const std::string& name,
        const std::function<void(int index, data::Spectrum& spectrum)>& change) const {
        data::PackWriter writer(path(name), {});
        for (int i = 0; i < 40; ++i) {
            data::Spectrum spectrum = learnable_spectrum(i);
            change(i, spectrum);
            writer.append(spectrum);
        }
        writer.finish({"set"}, {});
    }
    /// One line, and the run that was there untouched.
    void expect_run_kept(const std::string& arguments, int code, const std::string& words) const {
        const auto before = content_of(path("run"));
        const ProgramRun outcome = train("--out run --overwrite " + arguments);
        EXPECT_EQ(outcome.code, code) << outcome.error;
        EXPECT_NE(outcome.error.find(words), std::string::npos) << outcome.error;
        EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
        EXPECT_TRUE(content_of(path("run")) == before);
    }

    TemporaryFolder work_;
};

/// Good pixels, all beyond 1.2 um.
std::string infrared_file() {
    data::SdssFile file;
    for (float& value : file.loglam) value += 0.5F;
    return file.bytes();
}

TEST_F(FaultPrograms, Faults01To24AreOneRowOfPredictionsEach) {
    const auto files = data::broken_files();
    for (const data::BrokenFile& file : files) work_.write("files/" + file.name, file.bytes);
    const ProgramRun outcome = infer("--input files files/gone.fits");
    EXPECT_EQ(outcome.code, 3) << outcome.error;
    const auto rows = predictions();
    EXPECT_EQ(rows.size(), files.size() + 2);
    for (const data::BrokenFile& file : files) {
        SCOPED_TRACE("FAULTS " + std::to_string(file.fault) + ": " + file.name);
        ASSERT_EQ(rows.count("files/" + file.name), 1U);
        if (file.name == "bomb.fits.gz") continue;  // small enough without a limit
        const auto& row = rows.find("files/" + file.name)->second;
        EXPECT_EQ(row[4], file.reason) << row[5];
        EXPECT_NE(row[5].find(file.words), std::string::npos) << row[5];
    }
    EXPECT_EQ(rows.find("files/gone.fits")->second[4], "NOT_A_FILE");
    EXPECT_EQ(rows.find("files/good.fits")->second[4], "OK");
    EXPECT_EQ(std::count_if(rows.begin(), rows.end(),
                            [](const auto& row) { return row.second[4] == "OK"; }),
              1);
}

TEST_F(FaultPrograms, Fault10TakesInputNamesLiterally) {
    work_.write("[a,b]", data::SdssFile().bytes());
    work_.write("-x.fits", data::SdssFile().bytes());
    const ProgramRun outcome = infer("--input '[a,b]' ./-x.fits");
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_EQ(predictions().count("./[a,b]"), 1U);
    EXPECT_EQ(predictions().count("./-x.fits"), 1U);
    EXPECT_EQ(infer("'--input=[a,b]'").code, 0);
    EXPECT_EQ(predictions().count("./[a,b]"), 1U);
}

TEST_F(FaultPrograms, Fault20SkipsSpectraOutsideOfTheModelsRange) {
    work_.write("files/infrared.fits", infrared_file());
    // Packed as it is, since a set is of no model.
    const ProgramRun pack = run("vit-data", "pack --out set files");
    ASSERT_EQ(pack.code, 0) << pack.error;
    ASSERT_EQ(data::PackedSet(path("set")).size(), 2);
    for (const std::string input : {"files", "set"}) {
        SCOPED_TRACE(input);
        const ProgramRun outcome = infer("--input " + input);
        EXPECT_EQ(outcome.code, 3) << outcome.error;
        const auto rows = predictions();
        ASSERT_EQ(rows.size(), 2U);
        EXPECT_EQ(rows.find("files/good.fits")->second[4], "OK");
        const auto& row = rows.find("files/infrared.fits")->second;
        EXPECT_EQ(row[4], "NO_OVERLAP");
        EXPECT_NE(row[5].find("has no good pixel within 3536"), std::string::npos) << row[5];
        EXPECT_EQ(row[7], "");
    }
}

TEST_F(FaultPrograms, Fault20LearnsNothingFromSpectraOutsideOfTheModelsRange) {
    make_changed_set("set", [](int index, data::Spectrum& spectrum) {
        spectrum.labels.object_class = index % 2 == 0 ? "STAR" : "GALAXY";
        if (index % 4 != 0) return;
        spectrum.labels.object_class = "QSO";
        for (double& value : spectrum.wavelength) value *= 4.0;
    });
    const ProgramRun outcome = train("--data set --task class --out run");
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_NE(outcome.out.find("10 of 40 spectra have no pixel within 3537 to 10414 A and are left "
                               "out"),
              std::string::npos)
        << outcome.out;
    EXPECT_EQ(vit::load_model(path("run"))->config().heads.at(0).labels,
              (std::vector<std::string>{"STAR", "GALAXY"}));
}

TEST_F(FaultPrograms, Fault22KeepsTheRowsOfARepeatedTarget) {
    data::DesiFile file(3);
    file.targets[2] = file.targets[0];
    file.arms.erase("R");
    work_.write("desi.fits", file.bytes());
    const ProgramRun outcome = infer("--input desi.fits");
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    const auto records = csv_records(path("p.csv"));
    ASSERT_EQ(records.size(), 3U);
    for (std::size_t row = 0; row < 3; ++row) {
        EXPECT_EQ(records[row][0], std::to_string(file.targets[row]));
        EXPECT_EQ(records[row][3], std::to_string(row));
        EXPECT_EQ(records[row][4], "OK");
    }
}

TEST_F(FaultPrograms, Fault28LeavesOutMissingLabelsAndCountsThem) {
    make_set(path("set"), 40);
    const data::PackedSet set(path("set"));
    const auto rows = rows_in(set, data::Split::train);
    const auto missing = std::count_if(rows.begin(), rows.end(), [&](std::int64_t row) {
        return !set.label(row, "z").has_value();
    });
    ASSERT_GT(missing, 0);
    const ProgramRun outcome = train("--data set --task z --out run");
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_NE(outcome.out.find("train: " + std::to_string(rows.size()) + " spectra"),
              std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find("; " + std::to_string(missing) + " z missing left out"),
              std::string::npos)
        << outcome.out;
}

TEST_F(FaultPrograms, Fault29NeedsTwoClassesAndTellsOfThoseItCannotLearn) {
    make_set(path("set"), 40);
    ASSERT_EQ(train("--data set --out run").code, 0);
    make_changed_set("stars",
                     [](int, data::Spectrum& spectrum) { spectrum.labels.object_class = "STAR"; });
    expect_run_kept("--data stars --task class", 2, "the training split has only 'STAR'");
    make_changed_set("bare", [](int, data::Spectrum& spectrum) { spectrum.labels = {}; });
    expect_run_kept("--data bare --task class", 2, "the training split has no label");
    expect_run_kept("--data bare --task z", 2, "no spectrum of the training split");

    // A class that the validation split alone has.
    const data::PackedSet set(path("set"));
    const auto foreign = rows_in(set, data::Split::validation);
    make_changed_set("novae", [&](int index, data::Spectrum& spectrum) {
        if (index == foreign.at(0)) spectrum.labels.object_class = "NOVA";
    });
    const ProgramRun told = train("--data novae --task class --out novae-run");
    EXPECT_EQ(told.code, 0) << told.error;
    EXPECT_NE(told.out.find("1 class not a class of the model left out"), std::string::npos)
        << told.out;
    EXPECT_EQ(vit::load_model(path("novae-run"))->config().heads.at(0).labels,
              (std::vector<std::string>{"STAR", "GALAXY", "QSO"}));
}

TEST_F(FaultPrograms, Fault30WritesIdsToTheLastDigit) {
    const std::string id = "9007199254740993";  // 2^53 + 1
    work_.write("files/lamost.fits",
                data::fits_builder::with_card(data::LamostFile().bytes(), "OBSID",
                                              data::fits_builder::card("OBSID", id)));
    for (const std::string output : {"p.csv", "p.fits"}) {
        EXPECT_EQ(
            run("vit-infer", "--model model --threads 1 --input files/lamost.fits --out " + output)
                .code,
            0);
    }
    EXPECT_EQ(predictions().find("files/lamost.fits")->second[0], id);
    const std::string table = work_.read("p.fits");
    const std::string stored = data::fits_builder::big_endian<std::int64_t>({9007199254740993});
    EXPECT_NE(table.find(stored), std::string::npos);
}

TEST_F(FaultPrograms, Fault31RefusesASetWithOneObjectInTwoSplits) {
    make_set(path("set"), 40);
    ASSERT_EQ(train("--data set --out run").code, 0);
    ASSERT_EQ(infer("--input set").code, 0);
    std::vector<std::int64_t> groups(40, 0);
    std::vector<std::uint8_t> splits(40, 0);
    splits[39] = 2;
    data::rewrite_groups_and_splits(path("set/shard-00000.safetensors"), groups, splits);
    expect_run_kept("--data set", 1, "object 0 is in two splits, train and test");
    const std::string before = work_.read("p.csv");
    const ProgramRun outcome = infer("--input set");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.error.find("object 0 is in two splits"), std::string::npos) << outcome.error;
    EXPECT_EQ(work_.read("p.csv"), before);
}

TEST_F(FaultPrograms, Fault33RefusesWhatIsNoFileWithoutBlocking) {
    ASSERT_EQ(mkfifo(path("files/fifo.fits").c_str(), 0600), 0);
    fs::create_directory(path("files/folder.fits"));
    const ProgramRun outcome = infer("--input files /dev/zero");
    EXPECT_EQ(outcome.code, 3) << outcome.error;
    const auto rows = predictions();
    EXPECT_EQ(rows.size(), 4U);
    const std::map<std::string, std::string> reasons = {{"files/fifo.fits", "is a FIFO"},
                                                        {"files/folder.fits", "is a directory"},
                                                        {"/dev/zero", "is a device"}};
    for (const auto& [name, words] : reasons) {
        ASSERT_EQ(rows.count(name), 1U) << name;
        EXPECT_EQ(rows.find(name)->second[4], "NOT_A_FILE");
        EXPECT_EQ(rows.find(name)->second[5], words + ", not a file");
    }
    for (const std::string data : {"files/fifo.fits", "/dev/zero", "files"}) {
        const ProgramRun refused = train("--task class --out none --data " + data);
        EXPECT_EQ(refused.code, 1) << data;
        EXPECT_TRUE(refused.error.starts_with("vit-train: " + data)) << refused.error;
        EXPECT_FALSE(fs::exists(path("none"))) << data;
    }
}

}  // namespace
}  // namespace balmer::train
