// data/pack: files read by processes of their own; a decoder that fails costs one file.

#include "data/pack/worker_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "data/pack/spectrum_message.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool has_address_sanitizer = true;
#else
constexpr bool has_address_sanitizer = false;
#endif

/// What a pool gave: "3:12" for spectrum 12 of file 3, "3!" with the reason for a failure.
struct Given {
    std::vector<std::string> events;
    std::map<std::string, SkippedRow> failures;
    bool is_whole = false;
};

Given read_numbers(int files, const ReadFile& read, const WorkerOptions& options) {
    Given given;
    int begun = 0;
    std::string file;
    FileSink sink;
    sink.read.spectrum = [&](Spectrum&& spectrum) {
        given.events.push_back(spectrum.file + ":" + std::to_string(spectrum.row));
    };
    sink.read.skipped = [&](SkippedRow&& row) {
        given.events.push_back("skipped " + std::to_string(row.row));
    };
    sink.end = [&](const std::string& name, const std::optional<SkippedRow>& failure) {
        given.events.push_back("end " + name);
        if (failure) given.failures[name] = *failure;
    };
    const auto next = [&]() -> std::optional<std::string> {
        if (begun == files) return std::nullopt;
        return std::to_string(begun++);
    };
    given.is_whole = read_files(next, read, options, sink);
    return given;
}

/// Spectra of file n: (n * 7) % 5 of them, some large, and a skipped row.
void give_numbered(const std::string& file, const ReadSink& sink) {
    const int number = std::stoi(file);
    for (int i = 0; i < number * 7 % 5; ++i) {
        Spectrum spectrum = sample_spectrum(number);
        spectrum.file = file;
        spectrum.row = i;
        if (number % 4 == 0) spectrum.flux.resize(20000);
        sink.spectrum(std::move(spectrum));
    }
    if (number % 3 == 0) sink.skipped({number, Status::no_data, "dark"});
}

/// As give_numbered, but `fail` instead for file 5.
ReadFile failing(const std::function<void()>& fail) {
    return [fail](const std::string& file, const ReadSink& sink) {
        if (file == "5") fail();
        give_numbered(file, sink);
    };
}

/// Expects that all files but 5 gave what they hold; returns why 5 did not.
SkippedRow failure_of_five(const std::function<void()>& fail, WorkerOptions options = {}) {
    options.workers = 2;
    const Given given = read_numbers(12, failing(fail), options);
    auto expected = read_numbers(12, give_numbered, {.workers = 1}).events;
    EXPECT_TRUE(given.is_whole);
    const auto of_five = std::remove_if(expected.begin(), expected.end(),
                                        [](const auto& event) { return event.starts_with("5:"); });
    expected.erase(of_five, expected.end());
    EXPECT_EQ(given.events, expected);
    EXPECT_EQ(given.failures.size(), 1U);
    return given.failures.contains("5") ? given.failures.at("5") : SkippedRow{};
}

TEST(SpectrumMessage, CarriesEverySpectrumBitForBit) {
    for (int i = 0; i < 20; ++i) {
        const Spectrum original = sample_spectrum(i);
        std::string stream;
        append_message(original, stream);
        append_message(SkippedRow{3, Status::truncated, "short"}, stream);
        const auto content = first_message(stream);
        ASSERT_TRUE(content);
        const auto back = std::get<Spectrum>(parse_message(*content));
        std::string again;
        append_message(back, again);
        EXPECT_EQ(again, stream.substr(0, again.size()));
        EXPECT_EQ(back.flux, original.flux);
        EXPECT_EQ(back.labels.zwarn, original.labels.zwarn);
        EXPECT_EQ(back.ra, original.ra);
        const auto row = std::get<SkippedRow>(
            parse_message(*first_message(std::string_view(stream).substr(again.size()))));
        EXPECT_EQ(row.detail, "short");
        EXPECT_EQ(row.status, Status::truncated);
    }
}

TEST(SpectrumMessage, RefusesWhatIsNone) {
    std::string stream;
    append_message(sample_spectrum(1), stream);
    const std::string content = stream.substr(message_head_bytes);
    EXPECT_FALSE(first_message(stream.substr(0, stream.size() - 1)));
    EXPECT_FALSE(first_message("abc"));
    for (std::size_t size = 0; size < content.size(); size += size < 300 ? 1 : 997) {
        EXPECT_THROW(parse_message(content.substr(0, size)), FormatError) << size;
    }
    EXPECT_THROW(parse_message(content + "x"), FormatError);
    EXPECT_THROW(parse_message("\x09"), FormatError);
    EXPECT_THROW(parse_message("\x01" + std::string(200, '\xff')), FormatError);
}

TEST(WorkerPool, GivesTheFilesInOrderWhateverTheNumberOfProcesses) {
    const auto expected = read_numbers(60, give_numbered, {.workers = 1}).events;
    EXPECT_EQ(std::count(expected.begin(), expected.end(), "end 59"), 1);
    EXPECT_EQ(read_numbers(60, give_numbered, {.workers = 5}).events, expected);
    // With hardly any room whoever is ahead has to wait.
    EXPECT_EQ(read_numbers(60, give_numbered, {.workers = 5, .waiting_bytes = 1}).events, expected);
}

TEST(WorkerPool, GivesTheFilesInOrderWhenSomeAreSlow) {
    const auto slow = [](const std::string& file, const ReadSink& sink) {
        if (std::stoi(file) % 8 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));
        give_numbered(file, sink);
    };
    EXPECT_EQ(read_numbers(40, slow, {.workers = 4}).events,
              read_numbers(40, give_numbered, {.workers = 1}).events);
}

TEST(WorkerPool, Fault08ContainsACrash) {
    const auto crash = failure_of_five([] { std::raise(SIGSEGV); });
    EXPECT_EQ(crash.status, Status::decoder_failed);
    EXPECT_EQ(crash.detail, "reading it crashed with SIGSEGV (Segmentation fault)");
    const auto abort = failure_of_five([] { std::abort(); });
    EXPECT_EQ(abort.status, Status::decoder_failed);
    EXPECT_NE(abort.detail.find("SIGABRT"), std::string::npos) << abort.detail;
    const auto exit = failure_of_five([] { ::_exit(0); });
    EXPECT_EQ(exit.status, Status::decoder_failed);
    EXPECT_NE(exit.detail.find("exit code 0"), std::string::npos) << exit.detail;
}

TEST(WorkerPool, Fault08ContainsAnEndlessLoop) {
    const auto failure = failure_of_five(
        [] {
            volatile bool forever = true;
            while (forever) continue;
        },
        {.file_seconds = 0.3});
    EXPECT_EQ(failure.status, Status::timeout);
    EXPECT_EQ(failure.detail, "not read within 0.3 s");
}

TEST(WorkerPool, Fault57ContainsAFileThatWantsAllMemory) {
    if (has_address_sanitizer) GTEST_SKIP() << "the address sanitizer ends a process out of memory";
    const auto failure = failure_of_five(
        [] {
            std::vector<std::string> all;
            for (;;) all.emplace_back(std::size_t{1} << 20, 'x');
        },
        {.file_memory = std::int64_t{64} << 20});
    EXPECT_EQ(failure.status, Status::out_of_memory);
}

TEST(WorkerPool, AProcessKilledFromOutsideCountsAsOutOfMemory) {
    const auto failure = failure_of_five([] { ::kill(::getpid(), SIGKILL); });
    EXPECT_EQ(failure.status, Status::out_of_memory);
}

TEST(WorkerPool, TurnsExceptionsOfReadersIntoReasons) {
    const auto refused =
        failure_of_five([] { throw SpectrumError("5", Status::truncated, "cut"); });
    EXPECT_EQ(refused.status, Status::truncated);
    EXPECT_EQ(refused.detail, "cut");
    EXPECT_EQ(failure_of_five([] { throw std::runtime_error("odd"); }).status,
              Status::decoder_failed);
    EXPECT_EQ(failure_of_five([] { throw std::bad_alloc(); }).status, Status::out_of_memory);
    EXPECT_THROW(read_numbers(12, failing([] { throw UsageError("no survey"); }), {.workers = 2}),
                 UsageError);
}

TEST(WorkerPool, KeepsWhatCameBeforeAFailure) {
    const auto read = [](const std::string& file, const ReadSink& sink) {
        for (int i = 0; i < 3; ++i) {
            Spectrum spectrum = sample_spectrum(i);
            spectrum.file = file;
            spectrum.row = i;
            sink.spectrum(std::move(spectrum));
        }
        if (file == "1") std::raise(SIGFPE);
    };
    const Given given = read_numbers(3, read, {.workers = 2});
    EXPECT_EQ(given.events,
              (std::vector<std::string>{"0:0", "0:1", "0:2", "end 0", "1:0", "1:1", "1:2", "end 1",
                                        "2:0", "2:1", "2:2", "end 2"}));
    EXPECT_NE(given.failures.at("1").detail.find("after 3 spectra, which are kept"),
              std::string::npos);
}

TEST(WorkerPool, SurvivesADecoderThatCrashesOnEveryFile) {
    const auto crash = [](const std::string&, const ReadSink&) { std::raise(SIGBUS); };
    EXPECT_EQ(read_numbers(20, crash, {.workers = 3}).failures.size(), 20U);
}

TEST(WorkerPool, StopsWhenAsked) {
    FileSink sink;
    int calls = 0;
    sink.read.spectrum = [](Spectrum&&) {};
    sink.read.skipped = [](SkippedRow&&) {};
    sink.end = [](const std::string&, const std::optional<SkippedRow>&) {};
    sink.keep_going = [&] { return ++calls < 3; };
    const auto endless = []() -> std::optional<std::string> { return "1"; };
    EXPECT_FALSE(read_files(endless, give_numbered, {.workers = 2}, sink));
    EXPECT_EQ(calls, 3);
}

/// True until the process has ended (and perhaps waits for init to take note).
bool is_alive(const std::string& process) {
    std::ifstream file("/proc/" + process + "/stat");
    std::string id;
    std::string name;
    std::string state;
    return bool(file >> id >> name >> state) && state != "Z";
}

TEST(WorkerPool, ProcessesEndWithTheirParent) {
    const TemporaryFolder folder;
    const auto read = [](const std::string& file, const ReadSink&) {
        write_text(file + ".part", std::to_string(::getpid()));
        std::filesystem::rename(file + ".part", file);
        volatile bool forever = file.ends_with("looping");
        while (forever) continue;
    };
    const pid_t parent = ::fork();
    if (parent == 0) {
        WorkerProcess looping(read, 0);
        WorkerProcess idle(read, 0);
        looping.ask(folder / "looping");
        idle.ask(folder / "idle");
        for (;;) ::pause();
    }
    const auto wait_until = [](const std::function<bool()>& is_so) {
        for (int i = 0; i < 2000 && !is_so(); ++i) ::usleep(5000);
        return is_so();
    };
    for (const char* name : {"looping", "idle"}) {
        EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(folder / name); }));
        EXPECT_TRUE(is_alive(folder.read(name)));
    }
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    for (const char* name : {"looping", "idle"}) {
        EXPECT_TRUE(wait_until([&] { return !is_alive(folder.read(name)); })) << name;
    }
}

}  // namespace
}  // namespace balmer::data
