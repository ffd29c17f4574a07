// vit-data pack: killed, stopped or out of disk, it goes on to the set of an undisturbed run.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "data/pack/pack_journal.h"
#include "data/pack/pack_spectra.h"
#include "data/pack/packed_set.h"
#include "kernels/core/random.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

/// What is in a set: every file's bytes, of the manifest all but the invocation.
std::map<std::string, std::string> content_of(const std::string& folder) {
    std::map<std::string, std::string> content;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        if (name == ".lock" || name == "resolved.toml") continue;
        content[name] = entry.is_directory() ? "a folder" : read_text(entry.path());
    }
    auto manifest = nlohmann::json::parse(content["manifest.json"]);
    manifest.erase("invocation");
    content["manifest.json"] = manifest.dump(1);
    return content;
}

class PackResume : public ::testing::Test {
  protected:
    static constexpr int files = 60;

    /// Good files of both surveys, every seventh one broken.
    static void SetUpTestSuite() {
        input_ = std::make_unique<TemporaryFolder>();
        for (int i = 0; i < files; ++i) {
            const std::string name = "spec-" + std::to_string(1000 + i) + ".fits";
            SdssFile sdss(300 + i);
            sdss.flux[0] = static_cast<float>(i);
            if (i % 7 == 3) {
                input_->write(name, "<html>");
            } else {
                input_->write(name, i % 2 == 0 ? sdss.bytes() : LamostFile(300 + i).bytes());
            }
        }
        reference_ = std::make_unique<TemporaryFolder>();
        pack_spectra({input_->path()}, *reference_ / "set", options());
        content_ = content_of(*reference_ / "set");
        EXPECT_EQ(content_.size(), 9U);  // 51 spectra in shards of 8
    }
    static void TearDownTestSuite() {
        input_.reset();
        reference_.reset();
        content_.clear();
    }

    static PackOptions options(bool resume = false) {
        PackOptions options;
        options.write.spectra_per_shard = 8;
        options.write.resume = resume;
        options.workers.workers = 2;
        return options;
    }
    static PackOptions resuming() { return options(true); }

    /// Stops a packing when that many spectra are packed.
    static std::string stop_after(const std::string& set, std::int64_t spectra,
                                  const PackOptions& options) {
        std::int64_t packed = 0;
        PackOptions counting = options;
        counting.select = [&](Spectrum&) -> std::optional<LeftOut> {
            ++packed;
            return std::nullopt;
        };
        try {
            pack_spectra({input_->path()}, set, counting,
                         [&](const PackStatus& status) { return status.spectra < spectra; });
        } catch (const PackStopped& stopped) {
            return stopped.what();
        }
        return "was not stopped";
    }

    pid_t start(const std::vector<std::string>& arguments) const {
        const pid_t process = ::fork();
        if (process != 0) return process;
        std::vector<char*> argv = {const_cast<char*>(program_.c_str())};
        for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        const int log = ::open((work_ / "log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(log, STDOUT_FILENO);
        ::dup2(log, STDERR_FILENO);
        ::execv(program_.c_str(), argv.data());
        ::_exit(127);
    }
    static int wait_for(pid_t process) {
        int status = 0;
        ::waitpid(process, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    std::vector<std::string> arguments(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all = {"pack", "--out",     set(), "--shard-size",
                                        "8",    "--workers", "2",   input_->path()};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    std::string set() const { return work_ / "set"; }

    const std::string program_ = std::string(BALMER_BINARY_DIR) + "/bin/vit-data";
    static inline std::unique_ptr<TemporaryFolder> input_;
    static inline std::unique_ptr<TemporaryFolder> reference_;
    static inline std::map<std::string, std::string> content_;
    TemporaryFolder work_;
};

TEST_F(PackResume, TheSetDoesNotDependOnTheNumberOfWorkers) {
    for (const int workers : {1, 5}) {
        PackOptions other = options();
        other.workers.workers = workers;
        other.write.overwrite = true;
        pack_spectra({input_->path()}, set(), other);
        EXPECT_EQ(content_of(set()), content_) << workers;
    }
}

TEST_F(PackResume, GoesOnFromWhereItWasStopped) {
    for (const std::int64_t spectra : {1, 9, 24, 50}) {
        SCOPED_TRACE(spectra);
        fs::remove_all(set());
        const std::string message = stop_after(set(), spectra, options());
        const bool has_shard = fs::exists(set() + "/.packing/shard-00000.safetensors");
        EXPECT_EQ(has_shard, message.find("--resume goes on after spectrum") != std::string::npos)
            << message;
        EXPECT_EQ(fs::exists(set()), has_shard);
        pack_spectra({input_->path()}, set(), resuming());
        EXPECT_EQ(content_of(set()), content_);
    }
}

TEST_F(PackResume, GoesOnAgainAndAgain) {
    for (const std::int64_t spectra : {9, 20, 31, 42}) {
        stop_after(set(), spectra, options(spectra > 9));
    }
    std::int64_t seen = 0;
    PackOptions last = resuming();
    last.select = [&](Spectrum&) -> std::optional<LeftOut> {
        ++seen;
        return std::nullopt;
    };
    last.ignore_free_space = true;
    pack_spectra({input_->path()}, set(), last);
    EXPECT_EQ(content_of(set()), content_);
    EXPECT_LT(seen, 51 + 24);  // the estimate sees at most 24 files
}

TEST_F(PackResume, GoesOnWithinAFileOfManySpectra) {
    PackOptions many = options();
    many.write.spectra_per_shard = 32;
    many.read_file = [](const std::string& file, const ReadSink& sink) {
        const int number = std::stoi(file.substr(file.size() - 7, 2));
        for (int i = 0; i < 8; ++i) {
            Spectrum spectrum = sample_spectrum(100 * number + i);
            spectrum.file = file;
            spectrum.row = i;
            if (i % 4 == 1) {
                sink.skipped({i, Status::no_data, "dark"});
            } else {
                sink.spectrum(std::move(spectrum));
            }
        }
        if (number % 3 == 0) throw SpectrumError(file, Status::truncated, "cut");
    };
    pack_spectra({input_->path()}, work_ / "whole", many);
    for (const std::int64_t spectra : {10, 330}) {
        fs::remove_all(set());
        stop_after(set(), spectra, many);
        PackOptions resume = many;
        resume.write.resume = true;
        pack_spectra({input_->path()}, set(), resume);
        EXPECT_EQ(content_of(set()), content_of(work_ / "whole")) << spectra;
    }
}

TEST_F(PackResume, GoesOnWithShardsThatWereOnTheirWayToTheirPlaces) {
    for (const int moved : {0, 1, 3, 6}) {
        SCOPED_TRACE(moved);
        fs::remove_all(set());
        stop_after(set(), 51, options());
        const std::string packing = set() + "/.packing";
        auto journal = *read_journal(packing);
        ASSERT_EQ(journal.shards.size(), 6U);
        journal.is_publishing = true;
        write_journal(packing, journal);
        for (int i = 0; i < moved; ++i) {
            const std::string name = "/shard-0000" + std::to_string(i) + ".safetensors";
            const std::vector<std::int64_t> group(8, 5);
            const std::vector<std::uint8_t> split(8, 1);
            rewrite_groups_and_splits(packing + name, group, split);
            fs::rename(packing + name, set() + name);
        }
        if (moved == 6) fs::rename(packing + "/skipped.csv", set() + "/skipped.csv");
        pack_spectra({input_->path()}, set(), resuming());
        EXPECT_EQ(content_of(set()), content_);
    }
}

TEST_F(PackResume, ListsRefusedPathsOnce) {
    const TemporaryFolder linked;
    fs::create_symlink("/etc/hostname", linked / "a.fits");
    fs::create_symlink("/etc/hostname", linked / "b.fits");
    for (int i = 0; i < 30; ++i) {
        linked.write("spec-" + std::to_string(10 + i) + ".fits", SdssFile(300 + i).bytes());
    }
    pack_spectra({linked.path()}, work_ / "whole", options());
    EXPECT_EQ(read_manifest(work_ / "whole").skipped.at("NOT_A_FILE"), 2);
    for (const std::int64_t spectra : {9, 20}) {
        fs::remove_all(set());
        try {
            pack_spectra({linked.path()}, set(), options(),
                         [&](const PackStatus& status) { return status.spectra < spectra; });
            FAIL() << "was not stopped";
        } catch (const PackStopped&) {
            pack_spectra({linked.path()}, set(), resuming());
        }
        EXPECT_EQ(content_of(set()), content_of(work_ / "whole"));
    }
}

TEST_F(PackResume, FindsASetThatIsReadyAlready) {
    pack_spectra({input_->path()}, set(), options());
    const auto written = fs::last_write_time(set() + "/manifest.json");
    PackOptions forbidding = resuming();
    forbidding.read_file = [](const std::string&, const ReadSink&) { throw UsageError("read"); };
    EXPECT_EQ(pack_spectra({input_->path()}, set(), forbidding).count, 51);
    EXPECT_EQ(fs::last_write_time(set() + "/manifest.json"), written);
    EXPECT_FALSE(fs::exists(set() + "/.packing"));
    PackOptions other = resuming();
    other.write.split.seed = 7;
    EXPECT_THROW(pack_spectra({input_->path()}, set(), other), IoError);
    EXPECT_EQ(content_of(set()), content_);
}

TEST_F(PackResume, Fault51RefusesOtherOptionsAndInputs) {
    stop_after(set(), 20, options());
    const auto refusal = [&](const PackOptions& changed, const std::vector<std::string>& paths) {
        try {
            pack_spectra(paths, set(), changed);
        } catch (const UsageError& error) {
            return std::string(error.what());
        }
        return std::string("was not refused");
    };
    PackOptions changed = resuming();
    changed.read.strict = true;
    EXPECT_NE(refusal(changed, {input_->path()}).find("strict was false, now it is true"),
              std::string::npos)
        << refusal(changed, {input_->path()});
    changed = resuming();
    changed.write.store = PixelStore::f16;
    EXPECT_NE(refusal(changed, {input_->path()}).find("store was f32, now it is f16"),
              std::string::npos);
    EXPECT_NE(refusal(resuming(), {*input_ / "spec-1000.fits"}).find("60 input files, now there"),
              std::string::npos);
    // Whatever is refused, the packing can still go on.
    EXPECT_THROW(pack_spectra({work_ / "set"}, set(), resuming()), Error);
    pack_spectra({input_->path()}, set(), resuming());
    EXPECT_EQ(content_of(set()), content_);
}

TEST_F(PackResume, RefusesDamagedShards) {
    stop_after(set(), 20, options());
    const std::string shard = set() + "/.packing/shard-00001.safetensors";
    std::string bytes = read_text(shard);
    bytes[bytes.size() / 2] ^= 1;
    write_text(shard, bytes);
    EXPECT_THROW(pack_spectra({input_->path()}, set(), resuming()), FormatError);
    EXPECT_TRUE(fs::exists(shard));
    pack_spectra({input_->path()}, set(), options());
    EXPECT_EQ(content_of(set()), content_);
}

TEST_F(PackResume, AnOldSetStaysUntilTheNewOneIsThere) {
    pack_spectra({*input_ / "spec-1000.fits"}, set(), options());
    PackOptions over = options();
    over.write.overwrite = true;
    stop_after(set(), 20, over);
    EXPECT_THROW(PackedSet(work_ / "nothing"), IoError);
    EXPECT_EQ(PackedSet(set(), {.verify_checksums = true}).size(), 1);
    EXPECT_THROW(pack_spectra({input_->path()}, set(), resuming()), IoError);
    over.write.resume = true;
    pack_spectra({input_->path()}, set(), over);
    EXPECT_EQ(content_of(set()), content_);
}

TEST_F(PackResume, SurvivesBeingKilledAtAnyMoment) {
    if (!fs::exists(program_)) GTEST_SKIP() << program_ << " is not built";
    Random random(20);
    int kills = 0;
    for (int round = 0; round < 4; ++round) {
        fs::remove_all(set());
        int code = -SIGKILL;
        for (int attempt = 0; code == -SIGKILL && attempt < 40; ++attempt) {
            const pid_t process = start(arguments({"--resume"}));
            // Sooner or later one attempt is given the time to finish.
            ::usleep(static_cast<useconds_t>(random.uniform(5e3, 2e4 * (attempt + 2))));
            ::kill(process, SIGKILL);
            code = wait_for(process);
            kills += code == -SIGKILL ? 1 : 0;
        }
        ASSERT_EQ(code, 3) << read_text(work_ / "log");
        EXPECT_EQ(content_of(set()), content_);
    }
    EXPECT_GT(kills, 4);
}

TEST_F(PackResume, Fault61KeepsWhatIsPackedOnASignal) {
    if (!fs::exists(program_)) GTEST_SKIP() << program_ << " is not built";
    const TemporaryFolder many;
    for (int i = 0; i < 120; ++i) {
        many.write("spec-" + std::to_string(1000 + i) + ".fits", SdssFile(4000).bytes());
    }
    std::vector<std::string> command = {"pack", "--out",     set(), "--shard-size",
                                        "2",    "--workers", "1",   many.path()};
    const pid_t process = start(command);
    for (int i = 0; i < 5000 && !fs::exists(set() + "/.packing/shard-00003.safetensors"); ++i) {
        ::usleep(1000);
    }
    ::kill(process, SIGTERM);
    EXPECT_EQ(wait_for(process), 143);
    const std::string log = read_text(work_ / "log");
    EXPECT_NE(log.find("the same command with --resume goes on after spectrum"), std::string::npos)
        << log;
    command.emplace_back("--resume");
    EXPECT_EQ(wait_for(start(command)), 0) << read_text(work_ / "log");
    EXPECT_EQ(PackedSet(set()).size(), 120);
}

/// A small file system in memory, where this is permitted.
class SmallDisk {
  public:
    explicit SmallDisk(const std::string& folder) : folder_(folder) {
        fs::create_directories(folder);
        is_there_ = ::mount("none", folder.c_str(), "tmpfs", 0, "size=200k") == 0;
    }
    ~SmallDisk() {
        if (is_there_) ::umount2(folder_.c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    bool is_there() const { return is_there_; }
    void enlarge() const {
        EXPECT_EQ(::mount("none", folder_.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
    }

  private:
    std::string folder_;
    bool is_there_ = false;
};

TEST_F(PackResume, Fault46RefusesWhatWillNotFitAndGoesOnAfterTheDiskWasFull) {
    const SmallDisk disk(work_ / "disk");
    if (!disk.is_there()) GTEST_SKIP() << "mounting a file system is not permitted";
    const std::string set = work_ / "disk/set";
    const auto failure = [&](const PackOptions& tried) -> std::string {
        try {
            pack_spectra({input_->path()}, set, tried);
        } catch (const IoError& error) {
            return error.what();
        }
        return "nothing failed";
    };
    EXPECT_NE(failure(options()).find("--ignore-free-space"), std::string::npos)
        << failure(options());
    EXPECT_FALSE(fs::exists(set));
    PackOptions careless = options();
    careless.ignore_free_space = true;
    const std::string full = failure(careless);
    EXPECT_NE(full.find("No space left on device; the same command with --resume goes on after"),
              std::string::npos)
        << full;
    careless.write.resume = true;
    EXPECT_NE(failure(careless).find("No space left on device"), std::string::npos);
    disk.enlarge();
    pack_spectra({input_->path()}, set, resuming());
    EXPECT_EQ(content_of(set), content_);
}

TEST(SizeEstimate, SamplesEvenly) {
    EXPECT_EQ(sample_of_files(3), (std::vector<std::int64_t>{0, 1, 2}));
    EXPECT_EQ(sample_of_files(0), std::vector<std::int64_t>{});
    const auto sample = sample_of_files(2400);
    EXPECT_EQ(sample.size(), 24U);
    EXPECT_EQ(sample[23], 2300);
    EXPECT_EQ(bytes_text(999), "999 bytes");
    EXPECT_EQ(bytes_text(12'345'000'000), "12.3 GB");
}

TEST_F(PackResume, EstimatesTheSizeToAFewPercent) {
    PackOptions estimating = options();
    std::optional<SizeEstimate> estimate;
    estimating.estimated = [&](const SizeEstimate& size) { estimate = size; };
    const Manifest manifest = pack_spectra({input_->path()}, set(), estimating);
    double bytes = 0.0;
    for (const auto& shard : manifest.shards) bytes += static_cast<double>(shard.bytes);
    ASSERT_TRUE(estimate);
    EXPECT_EQ(estimate->files, 60);
    EXPECT_EQ(estimate->sampled_files, 24);
    // Small shards have large headers.
    EXPECT_NEAR(static_cast<double>(estimate->bytes) / bytes, 0.9, 0.15);
}

}  // namespace
}  // namespace balmer::data
