// vit-train and vit-infer as users run them: exit codes, messages, what is written.

#include <csignal>
#include <cstdlib>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <nlohmann/json.hpp>

#include "tests/train/train_test_support.h"
#include "vit/model_directory.h"
#include "weights/safetensors.h"

namespace balmer::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Outcome {
    int code = -1;
    std::string out;
    std::string error;
};

class Programs : public ::testing::Test {
  protected:
    void SetUp() override {
        for (const char* name : {"vit-train", "vit-infer"}) {
            const std::string path = std::string(BALMER_BINARY_DIR) + "/bin/" + name;
            if (!fs::exists(path)) GTEST_SKIP() << path << " is not built";
        }
        make_set(path("set"), 40);
        // A model of a few thousand weights, as a directory to start from.
        vit::save_model(*vit::make_model(small_configuration(), 3), path("tiny"));
    }

    std::string path(const std::string& name) const { return work_ / name; }

    /// Runs a program; `arguments` is a piece of a shell command line inside the work folder.
    Outcome run(const std::string& program, const std::string& arguments) const {
        const std::string command = "cd '" + work_.path() + "' || exit 99; '" + BALMER_BINARY_DIR +
                                    "/bin/" + program + "' " + arguments + " >out.txt 2>error.txt";
        const int status = std::system(command.c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, data::read_text(path("out.txt")),
                data::read_text(path("error.txt"))};
    }
    Outcome train(const std::string& arguments) const {
        return run("vit-train",
                   "--data set --pretrained tiny --task class,z --batch 8 --lr 3e-3 --threads 1 " +
                       arguments);
    }
    Outcome infer(const std::string& arguments) const {
        return run("vit-infer", "--threads 1 " + arguments);
    }
    std::vector<std::string> csv_lines(const std::string& name) const {
        std::vector<std::string> lines;
        std::istringstream text(data::read_text(path(name)));
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }
    /// The weights of the newest checkpoint, as stored.
    std::string newest_checkpoint(const std::string& run_name) const {
        std::set<std::string> files;
        for (const auto& entry : fs::directory_iterator(path(run_name) + "/checkpoints")) {
            files.insert(entry.path().string());
        }
        return *files.rbegin();
    }
    std::map<std::string, std::vector<std::uint8_t>> checkpoint_bytes(
        const std::string& run) const {
        const weights::SafetensorsFile file(newest_checkpoint(run));
        std::map<std::string, std::vector<std::uint8_t>> tensors;
        for (const auto& info : file.tensors()) {
            tensors[info.name].resize(info.bytes());
            file.read_into(info.name, tensors[info.name].data(), info.bytes());
        }
        return tensors;
    }

    TemporaryFolder work_;
};

TEST_F(Programs, TrainThenInferGivesPredictionsAndFigures) {
    const Outcome trained = train("--out run --epochs 40 --warmup 0.1 --schedule cosine");
    ASSERT_EQ(trained.code, 0) << trained.error;
    EXPECT_NE(trained.out.find("new, with random values: heads.class.0.weight"), std::string::npos)
        << trained.out;
    EXPECT_NE(trained.out.find("z missing left out"), std::string::npos) << trained.out;
    // 32 x 32 places for 4691 pixels.
    EXPECT_NE(trained.out.find("warning: 40 of 40 spectra have more pixels"), std::string::npos);
    EXPECT_NE(data::read_text(path("run/resolved.toml")).find("schedule = \"cosine\""),
              std::string::npos);

    const Outcome inferred = infer("--model run --input set --evaluate --out p.csv");
    ASSERT_EQ(inferred.code, 0) << inferred.error;
    const json figures = json::parse(data::read_text(path("report/metrics.json")));
    const auto set = data::PackedSet(path("set"));
    EXPECT_EQ(figures["count"], rows_in(set, data::Split::test).size());
    EXPECT_GT(figures["accuracy"], 0.5);
    EXPECT_EQ(csv_lines("p.csv").size(), 1 + rows_in(set, data::Split::test).size());

    const Outcome all = infer("--model run --input set --out all.csv");
    ASSERT_EQ(all.code, 0) << all.error;
    EXPECT_EQ(csv_lines("all.csv").size(), 41U);
    // z_err is the validation set's NMAD: a number in every row.
    EXPECT_EQ(csv_lines("all.csv")[1].find(",,0"), std::string::npos) << csv_lines("all.csv")[1];
}

TEST_F(Programs, Fault53ExistingOutputsAreRefusedAndKept) {
    ASSERT_EQ(train("--out run --max-steps 1").code, 0);
    const Outcome again = train("--out run --max-steps 1");
    EXPECT_EQ(again.code, 2);
    EXPECT_NE(again.error.find("--overwrite"), std::string::npos);
    EXPECT_EQ(train("--out run --max-steps 1 --overwrite").code, 0);

    ASSERT_EQ(infer("--model run --input set --out p.csv").code, 0);
    const std::string before = data::read_text(path("p.csv"));
    EXPECT_EQ(infer("--model run --input set --split test --out p.csv").code, 2);
    EXPECT_EQ(data::read_text(path("p.csv")), before);
    EXPECT_EQ(infer("--model run --input set --split test --out p.csv --overwrite").code, 0);
    EXPECT_NE(data::read_text(path("p.csv")), before);
}

TEST_F(Programs, OneGoodAndTenBrokenFilesGiveElevenRowsAndExitCode3) {
    ASSERT_EQ(train("--out run --max-steps 1").code, 0);
    data::SdssFile sdss;
    const std::string good = sdss.bytes();
    fs::create_directory(path("files"));
    data::write_text(path("files/good.fits"), good);
    for (int i = 0; i < 10; ++i) {
        const std::string broken = i == 0   ? ""
                                   : i == 1 ? "<html>not found</html>"
                                            : good.substr(0, i * 700);
        data::write_text(path("files/broken" + std::to_string(i) + ".fits"), broken);
    }
    const Outcome outcome = infer("--model run --input files --out p.csv");
    EXPECT_EQ(outcome.code, 3) << outcome.error;
    const auto lines = csv_lines("p.csv");
    ASSERT_EQ(lines.size(), 12U);
    int predicted = 0;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const bool is_good = lines[i].find("good.fits") != std::string::npos;
        EXPECT_EQ(lines[i].find(",OK,,") != std::string::npos, is_good) << lines[i];
        predicted += is_good ? 1 : 0;
    }
    EXPECT_EQ(predicted, 1);
    EXPECT_EQ(infer("--model run --input files --out p.fits").code, 3);
    EXPECT_TRUE(data::read_text(path("p.fits")).starts_with("SIMPLE"));
}

TEST_F(Programs, Fault61TerminatedRunResumesToTheSameBits) {
    const std::string options = "--epochs 200 --checkpoint-every 100000 --out ";
    ASSERT_EQ(train(options + "whole").code, 0);
    // The signal comes at an arbitrary moment: whatever step that is, the end must be the same.
    const Outcome stopped =
        train(options +
              "parts >/dev/null 2>&1 & pid=$!; for i in $(seq 500); do [ -s parts/metrics.jsonl ] "
              "&& break; sleep 0.02; done; kill -TERM $pid; wait $pid; exit $?");
    ASSERT_EQ(stopped.code, 143) << stopped.error;
    ASSERT_FALSE(checkpoint_bytes("parts") == checkpoint_bytes("whole"));
    ASSERT_EQ(train(options + "parts --resume").code, 0);
    EXPECT_TRUE(checkpoint_bytes("parts") == checkpoint_bytes("whole"));
}

TEST_F(Programs, Fault42WrongOptionsAreUsageErrorsThatHelp) {
    const auto expect_usage = [&](const std::string& arguments, const std::string& message) {
        const Outcome outcome =
            run("vit-train", "--data set --pretrained tiny --out run " + arguments);
        EXPECT_EQ(outcome.code, 2) << arguments;
        EXPECT_NE(outcome.error.find(message), std::string::npos) << outcome.error;
        EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
    };
    expect_usage("--epocs 3", "--epochs");
    expect_usage("--task klass", "did you mean 'class'");
    expect_usage("--lr nan", "--lr");
    expect_usage("--batch 0", "--batch");
    expect_usage("--image map2d-nrom", "map2d-norm");
    expect_usage("--schedule step", "linear, cosine");
    expect_usage("--precision f16", "bf16");
    expect_usage("--device gpu", "Known: auto, cpu, cuda, simt");
    if (!is_built_for(DeviceType::cuda)) {
        expect_usage("--device cuda", "not part of this build, which has cpu");
    }
    expect_usage("--task class,z --loss-weights 1", "2 targets");
    expect_usage("--sampling balanced", "uniform, class-balanced");
    expect_usage("--max-per-class -1", "--max-per-class");
    EXPECT_FALSE(fs::exists(path("run/config.json")));
    EXPECT_EQ(infer("--model tiny --input set --out p.csv").code, 2);  // no head
    EXPECT_EQ(infer("--model tiny --input set --out p.txt").code, 2);  // neither csv nor fits
    EXPECT_EQ(infer("--model nowhere --input set --out p.csv").code, 1);
    EXPECT_EQ(run("vit-train", "--data nowhere --out run --model vit-ti16").code, 1);
    EXPECT_EQ(run("vit-train", "--help").code, 0);
}

TEST_F(Programs, SamplingIsKeptAndARunWithAnotherOneIsRefused) {
    const std::string sampling = "--sampling class-balanced --max-per-class 2 ";
    const Outcome trained = train("--out run --max-steps 1 " + sampling);
    ASSERT_EQ(trained.code, 0) << trained.error;
    // Two surveys and classes at most: fewer than the 60 % of 40 spectra.
    EXPECT_EQ(trained.out.find("train: 24 spectra"), std::string::npos) << trained.out;
    const std::string toml = data::read_text(path("run/resolved.toml"));
    EXPECT_NE(toml.find("sampling = \"class-balanced\""), std::string::npos) << toml;
    EXPECT_NE(toml.find("max-per-class = 2"), std::string::npos) << toml;
    EXPECT_EQ(train("--out run --max-steps 2 --resume " + sampling).code, 0);
    const Outcome other = train("--out run --max-steps 3 --resume --max-per-class 2");
    EXPECT_EQ(other.code, 2);
    EXPECT_NE(other.error.find("sampling was class-balanced, is uniform"), std::string::npos)
        << other.error;
}

TEST_F(Programs, ConfigurationFileGivesTheSameRun) {
    ASSERT_EQ(train("--out a --max-steps 2").code, 0);
    std::string toml = data::read_text(path("a/resolved.toml"));
    // Inherited from --pretrained, as `small_configuration` has it.
    for (const char* line : {"image = \"map2d-norm\"\n", "image-size = 32\n", "block-size = 1\n",
                             "fill-order = \"standard\"\n", "grid = \"common\"\n"}) {
        EXPECT_NE(toml.find(line), std::string::npos) << line << toml;
    }
    data::write_text(path("run.toml"), toml);
    const Outcome outcome = run("vit-train", "--config run.toml --out b");
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_TRUE(checkpoint_bytes("a") == checkpoint_bytes("b"));
}

TEST_F(Programs, ImageOptionsAreKeptInTheModelAndTheRun) {
    // map2d-roi draws from the wavelengths, which no other map needs.
    const Outcome trained = train(
        "--out run --max-steps 1 --image map2d-roi --colour-map magma --range asinh --vmin -2.5 "
        "--channels flux,continuum-normalised,none --masked colour --interpolate true");
    ASSERT_EQ(trained.code, 0) << trained.error;
    const auto image = vit::load_model(path("run"))->config().image;
    EXPECT_EQ(image.at("type"), "map2d-roi");
    EXPECT_EQ(image.at("interpolate"), "true");
    EXPECT_EQ(image.at("colour_map"), "magma");
    EXPECT_EQ(image.at("range"), "asinh");
    EXPECT_EQ(image.at("vmin"), "-2.5");
    EXPECT_EQ(image.at("channels"), "flux,continuum-normalised,none");
    EXPECT_EQ(image.at("masked"), "colour");
    // What the run says of itself starts the same one.
    data::write_text(path("run.toml"), data::read_text(path("run/resolved.toml")));
    const Outcome again = run("vit-train", "--config run.toml --out again");
    ASSERT_EQ(again.code, 0) << again.error;
    EXPECT_EQ(vit::load_model(path("again"))->config().image, image);
    const Outcome wrong = train("--out wrong --max-steps 1 --channels flux,lines,none");
    EXPECT_EQ(wrong.code, 2);
    EXPECT_NE(wrong.error.find("unknown channel 'lines'"), std::string::npos) << wrong.error;
}

TEST_F(Programs, PretrainedHeadsThatFitAreKept) {
    ASSERT_EQ(train("--out first --max-steps 3").code, 0);
    const std::string again =
        "--data set --pretrained first --batch 8 --max-steps 1 --lr 1e-9 --threads 1 ";
    const Outcome kept = run("vit-train", again + "--out kept --task class,z");
    ASSERT_EQ(kept.code, 0) << kept.error;
    EXPECT_NE(kept.out.find("pretrained heads kept, with their labels and statistics: class, z"),
              std::string::npos)
        << kept.out;
    const auto first = vit::load_model(path("first"));
    const auto second = vit::load_model(path("kept"));
    EXPECT_EQ(first->config().heads, second->config().heads);
    const auto before = first->parameter("heads.z.0.weight").to_vector<float>();
    const auto after = second->parameter("heads.z.0.weight").to_vector<float>();
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-6F);

    const Outcome fresh = run("vit-train", again + "--out fresh --task class,z --new-heads");
    ASSERT_EQ(fresh.code, 0) << fresh.error;
    EXPECT_NE(fresh.out.find("pretrained head 'z' is replaced by a new one"), std::string::npos);
}

TEST_F(Programs, PixelsGiveEmbeddingsWithoutAHead) {
    const std::vector<float> pixels(3 * 3 * 32 * 32, 0.25F);
    const Tensor images = Tensor::from(pixels, {3, 3, 32, 32});
    weights::write_safetensors(path("pixels.safetensors"), {{"pixel_values", images.view()}});
    const Outcome outcome =
        infer("--model tiny --pixels pixels.safetensors --batch 2 --embeddings e.safetensors");
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    const weights::SafetensorsFile file(path("e.safetensors"));
    EXPECT_EQ(file.info("last_hidden_state").shape, (Shape{3, 17, 24}));
    EXPECT_EQ(file.info("cls").shape, (Shape{3, 24}));
    const auto model = vit::load_model(path("tiny"));
    vit::ModelInput input;
    input.pixels = images;
    const auto expected = model->tokens(input).to_vector<float>();
    const auto got = file.read<float>("last_hidden_state");
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-5F);
    EXPECT_EQ(file.read<float>("cls")[24], got[17 * 24]);  // row 1's first token

    const Tensor wrong = Tensor::zeros({1, 3, 15, 16});
    weights::write_safetensors(path("wrong.safetensors"), {{"pixel_values", wrong.view()}});
    const Outcome refused =
        infer("--model tiny --pixels wrong.safetensors --embeddings w.safetensors");
    EXPECT_EQ(refused.code, 2);
    EXPECT_NE(refused.error.find("wrong.safetensors: "), std::string::npos) << refused.error;
    EXPECT_NE(refused.error.find("[1, 3, 15, 16]"), std::string::npos) << refused.error;
    EXPECT_FALSE(fs::exists(path("w.safetensors")));
}

TEST_F(Programs, PixelsOfAnotherSizeThanTheModelsGiveEmbeddings) {
    const Tensor images = Tensor::full({2, 3, 16, 48}, 0.5);
    weights::write_safetensors(path("wide.safetensors"), {{"pixel_values", images.view()}});
    const Outcome outcome =
        infer("--model tiny --pixels wide.safetensors --embeddings e.safetensors");
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    const weights::SafetensorsFile file(path("e.safetensors"));
    EXPECT_EQ(file.info("last_hidden_state").shape, (Shape{2, 1 + 2 * 6, 24}));
    vit::ModelInput input;
    input.pixels = images;
    const auto expected = vit::load_model(path("tiny"))->tokens(input).to_vector<float>();
    const auto got = file.read<float>("last_hidden_state");
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-5F);
}

TEST_F(Programs, OneDimensionalTransformerTrainsAndInfers) {
    vit::ModelConfig config = vit::preset("transformer-1d");
    config.width = 16;
    config.layers = 1;
    config.attention_heads = 2;
    config.mlp_width = 32;
    config.patch_pixels = 50;
    vit::save_model(*vit::make_model(config, 3), path("tiny1d"));
    for (const char* grid : {"common", "native"}) {
        const std::string name = std::string("run-") + grid;
        const Outcome trained =
            run("vit-train",
                "--data set --pretrained tiny1d --task class --batch 8 --max-steps 2 "
                "--threads 1 --grid " +
                    std::string(grid) + " --out " + name);
        ASSERT_EQ(trained.code, 0) << trained.error;
        const Outcome inferred = infer("--model " + name + " --input set --out " + name + ".csv");
        ASSERT_EQ(inferred.code, 0) << inferred.error;
        EXPECT_EQ(csv_lines(name + ".csv").size(), 41U);
    }
}

TEST_F(Programs, SimtPredictsWhatTheCpuDoes) {
    if (!is_built_for(DeviceType::simt)) GTEST_SKIP() << "this build has no simt";
    ASSERT_EQ(train("--out run --max-steps 3").code, 0);
    for (const std::string device : {"cpu", "simt"}) {
        const Outcome outcome = infer("--model run --input set --split test --device " + device +
                                      " --out " + device + ".csv");
        ASSERT_EQ(outcome.code, 0) << outcome.error;
    }
    const auto expected = csv_lines("cpu.csv");
    const auto actual = csv_lines("simt.csv");
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t line = 0; line < expected.size(); ++line) {
        std::istringstream cells(expected[line]);
        std::istringstream other_cells(actual[line]);
        std::string cell;
        std::string other;
        while (std::getline(cells, cell, ',') && std::getline(other_cells, other, ',')) {
            char* end = nullptr;
            const double value = std::strtod(cell.c_str(), &end);
            if (end != cell.c_str() && *end == '\0') {
                EXPECT_NEAR(std::stod(other), value, 1e-5 * std::max(1.0, std::abs(value)));
            } else {
                EXPECT_EQ(other, cell);
            }
        }
    }
}

TEST_F(Programs, Fault65ClosedStdoutLeavesOutputsComplete) {
    const Outcome outcome = train("--out run --max-steps 2 >&-");
    EXPECT_TRUE(fs::exists(path("run/model.safetensors"))) << outcome.error;
    EXPECT_TRUE(fs::exists(path("run/validation.json")));
}

}  // namespace
}  // namespace balmer::train
