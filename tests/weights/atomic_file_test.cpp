#include "weights/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "kernels/core/error.h"
#include "tests/weights/file_testing.h"

namespace balmer::weights {
namespace {

using AtomicFileTest = FileTest;
using Names = std::vector<std::string>;

TEST_F(AtomicFileTest, ShowsNothingBeforeCommitAndEverythingAfter) {
    write("out", "old");
    {
        AtomicFile file(path("out"));
        file.write("new ");
        file.write(std::string(3 << 20, 'x'));
        file.write(" end");
        EXPECT_EQ(read("out"), "old");
        EXPECT_EQ(file.bytes_written(), (3U << 20) + 8U);
        file.commit();
    }
    EXPECT_EQ(read("out"), "new " + std::string(3 << 20, 'x') + " end");
    EXPECT_EQ(folder_.names(), Names{"out"});
}

TEST_F(AtomicFileTest, LeavesNothingWithoutCommit) {
    {
        AtomicFile file(path("out"));
        file.write("half");
        EXPECT_EQ(folder_.names().size(), 1U);
        EXPECT_TRUE(is_temporary_name(folder_.names().front()));
    }
    EXPECT_EQ(folder_.names(), Names{});
}

TEST_F(AtomicFileTest, RefusesWritesAfterCommit) {
    AtomicFile file(path("out"));
    file.commit();
    EXPECT_EQ(message_of<IoError>([&] { file.write("late"); }),
              path("out") + ": written to after commit or failure");
    EXPECT_EQ(read("out"), "");
}

TEST_F(AtomicFileTest, LetsManyThreadsWriteOneTarget) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back(
            [&, i] { write_file_atomically(path("out"), std::string(1000, 'a' + i)); });
    }
    for (auto& thread : threads) thread.join();
    const std::string content = read("out");
    EXPECT_EQ(content, std::string(1000, content.at(0)));
    EXPECT_EQ(folder_.names(), Names{"out"});
}

TEST_F(AtomicFileTest, Fault44KilledWriterLeavesTheOldFileAndAStaleTemporary) {
    write("out", "old");
    const pid_t child = ::fork();
    if (child == 0) {
        AtomicFile file(path("out"));
        file.write(std::string(2 << 20, 'x'));
        ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(read("out"), "old");
    EXPECT_EQ(folder_.names().size(), 2U);

    const auto removed = remove_stale_temporaries(folder_.path());
    ASSERT_EQ(removed.size(), 1U);
    EXPECT_TRUE(is_temporary_name(std::filesystem::path(removed[0]).filename().string()));
    EXPECT_EQ(folder_.names(), Names{"out"});
}

TEST_F(AtomicFileTest, Fault46FileSizeLimitKeepsTheOldFile) {
    write("out", "old");
    struct rlimit before {};
    ::getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit limited = before;
    limited.rlim_cur = 1 << 20;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
    const std::string message =
        message_of<IoError>([&] { write_file_atomically(path("out"), std::string(4 << 20, 'x')); });
    ::setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(message, path("out") + ": cannot write: File too large");
    EXPECT_EQ(read("out"), "old");
    EXPECT_EQ(folder_.names(), Names{"out"});
}

TEST_F(AtomicFileTest, Fault47ReadOnlyFolderIsAnErrorAtTheStart) {
    write("out", "old");
    ::chmod(folder_.path().c_str(), 0555);
    const bool is_root = ::geteuid() == 0;  // whom permissions do not stop
    ASSERT_EQ(is_root ? ::seteuid(65534) : 0, 0);
    const std::string opening = message_of<IoError>([&] { AtomicFile file(path("out")); });
    const std::string asking = message_of<IoError>([&] { expect_writable_folder(folder_.path()); });
    ASSERT_EQ(is_root ? ::seteuid(0) : 0, 0);
    ::chmod(folder_.path().c_str(), 0755);
    EXPECT_EQ(opening,
              path("out") + ": cannot create a temporary file in its folder: Permission denied");
    EXPECT_EQ(asking, folder_.path() +
                          "/write-test: cannot create a temporary file in its folder: "
                          "Permission denied");
    EXPECT_EQ(read("out"), "old");
}

TEST_F(AtomicFileTest, Fault47MissingFolderIsAnError) {
    EXPECT_EQ(message_of<IoError>([&] { AtomicFile file(path("no/out")); }),
              path("no/out") +
                  ": cannot create a temporary file in its folder: No such file or directory");
}

TEST_F(AtomicFileTest, DoesNotReplaceAFolder) {
    std::filesystem::create_directory(path("out"));
    EXPECT_EQ(message_of<IoError>([&] { write_file_atomically(path("out"), "x"); }),
              path("out") + ": cannot rename into place: Is a directory");
    EXPECT_EQ(folder_.names(), Names{"out"});
}

TEST_F(AtomicFileTest, WritableFolderIsLeftAsItWas) {
    expect_writable_folder(folder_.path());
    EXPECT_EQ(folder_.names(), Names{});
}

TEST_F(AtomicFileTest, Fault49LivingWritersAndOtherFilesAreNotStale) {
    write(".out.tmp-123-4", "left behind");
    write(".hidden", "kept");
    write("out.tmp-1", "kept");
    AtomicFile living(path("out"));
    living.write("alive");
    EXPECT_EQ(remove_stale_temporaries(folder_.path()), Names{path(".out.tmp-123-4")});
    living.commit();
    EXPECT_EQ(folder_.names(), (Names{".hidden", "out", "out.tmp-1"}));
    EXPECT_EQ(read("out"), "alive");
}

TEST_F(AtomicFileTest, Fault49RecognisesTemporaryNames) {
    EXPECT_TRUE(is_temporary_name(".model.safetensors.tmp-17-0"));
    EXPECT_FALSE(is_temporary_name("model.safetensors"));
    EXPECT_FALSE(is_temporary_name(".model.tmp-"));
    EXPECT_FALSE(is_temporary_name(".model.tmp-x"));
    EXPECT_FALSE(is_temporary_name("model.tmp-17-0"));
    EXPECT_FALSE(is_temporary_name(".tmp-17-0"));
}

TEST_F(AtomicFileTest, CleaningAMissingFolderIsAnError) {
    EXPECT_EQ(message_of<IoError>([&] { remove_stale_temporaries(path("no")); }),
              path("no") + ": cannot list the folder: No such file or directory");
}

}  // namespace
}  // namespace balmer::weights
