// The simt device itself: bugs planted on purpose are found, right kernels pass, and what a GPU
// would leave undefined is an error that names kernel, block and thread.

#include <array>
#include <memory>
#include <set>

#include "kernels/simt/executor.h"
#include "tests/kernels/kernel_testing.h"
#include "tests/kernels/planted_bugs.h"

namespace balmer::kernels {
namespace {

using namespace testing;

constexpr std::uint64_t seeds = 8;

const simt::Schedule natural = simt::Schedule::of_seed(0);

/// 1, 2, 3, ... in aligned memory that ends where they do.
Operand numbers() {
    std::vector<double> values;
    for (int i = 0; i < planted_numbers; ++i) values.push_back(i + 1);
    return Operand(DType::f32, {planted_numbers}).set(values);
}

/// Operands are misaligned on purpose; the kernels' own copies take 16 bytes at a time.
struct alignas(16) Numbers {
    std::array<float, planted_numbers> values;
};

/// What the kernel writes under a seed.
std::vector<float> outcome(const PlantedKernel& kernel, bool has_bug, std::uint64_t seed) {
    const auto from = std::make_unique<Numbers>();
    for (int i = 0; i < planted_numbers; ++i) from->values[i] = static_cast<float>(i + 1);
    std::vector<float> to(planted_numbers, -1.0F);
    kernel.run(simt_context(seed), has_bug, to.data(), from->values.data());
    return to;
}

std::vector<float> right_outcome(const PlantedKernel& kernel) {
    std::vector<float> right;
    for (int i = 0; i < planted_numbers; ++i) {
        right.push_back(static_cast<float>(kernel.source(i) + 1));
    }
    return right;
}

/// The message of the DeviceError under the first seed that gives one, else "".
std::string error_of_bug(const char* name) {
    const PlantedKernel& kernel = planted_kernel(name);
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        try {
            outcome(kernel, true, seed);
        } catch (const DeviceError& error) {
            return error.what();
        }
    }
    return "";
}

void expect_message(const char* name, const std::string& part, bool names_thread = true) {
    const std::string message = error_of_bug(name);
    EXPECT_NE(message.find("simt: kernel planted, block ("), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << name << ": " << message;
    EXPECT_TRUE(!names_thread || message.find("thread ") != std::string::npos) << message;
}

/// The results of the seeds differ, or all are wrong where `are_alike`.
void expect_wrong_results(const char* name, bool are_alike = false) {
    const PlantedKernel& kernel = planted_kernel(name);
    std::set<std::vector<std::uint32_t>> bits;
    int right = 0;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        const auto result = outcome(kernel, true, seed);
        std::vector<std::uint32_t> words(result.size());
        std::memcpy(words.data(), result.data(), result.size() * sizeof(float));
        bits.insert(words);
        right += result == right_outcome(kernel) ? 1 : 0;
    }
    if (are_alike) {
        EXPECT_EQ(right, 0) << name;
    } else {
        EXPECT_GT(bits.size(), 1U) << name << ": every seed gives the same bits";
    }
}

/// A bug in the synchronisation: the seeds show it, and the race check names it.
void expect_caught(const char* name, const std::string& race) {
    if (planted_build() == PlantedBuild::race) {
        expect_message(name, "race: " + race);
    } else {
        expect_wrong_results(name);
    }
}

/// A bug in an address: the sanitizer ends the program with this message.
void expect_death(const char* name, const std::string& message) {
    if (planted_build() != PlantedBuild::address) {
        GTEST_SKIP() << "only the address sanitizer's build sees this";
    }
    EXPECT_DEATH(outcome(planted_kernel(name), true, 0), message);
}

TEST(PlantedBugs, TheSameKernelsWithoutThemPassUnderEverySchedule) {
    for (const auto& kernel : planted_kernels()) {
        for (std::uint64_t seed = 0; seed < seeds; ++seed) {
            EXPECT_EQ(outcome(kernel, false, seed), right_outcome(kernel))
                << kernel.name << ", seed " << seed;
        }
    }
}

TEST(PlantedBugs, AMissingBarrierIsCaught) {
    expect_caught("missing barrier", "read ");
}

TEST(PlantedBugs, ABufferRefilledWhileItIsReadIsCaught) {
    expect_caught("refilled buffer", "");
}

TEST(PlantedBugs, AWriteBeyondASharedArrayIsCaught) {
    if (planted_build() == PlantedBuild::address) {
        expect_death("write out of bounds", "AddressSanitizer: use-after-poison");
    } else {
        expect_message("write out of bounds", "0 bytes after the end of shared array 0", false);
    }
}

TEST(PlantedBugs, ADivergentBarrierIsCaught) {
    expect_message("divergent barrier", "barrier divergence");
    expect_message("divergent barrier", "64 threads have ended (thread 64)");
}

TEST(PlantedBugs, AMissingWaitForAnAsynchronousCopyIsCaught) {
    expect_caught("missing copy wait", "read under an unfinished asynchronous copy");
}

TEST(PlantedBugs, AMissingSyncwarpIsCaught) {
    expect_caught("missing syncwarp", "");
}

TEST(PlantedBugs, AReadOfTheLastBlocksSharedMemoryIsCaught) {
    if (planted_build() == PlantedBuild::race) {
        expect_message("stale shared read", "race: read before any write");
    } else {
        expect_wrong_results("stale shared read", true);
    }
}

TEST(PlantedBugs, AMisalignedVectorAccessIsCaught) {
    expect_death("misaligned vector", "misaligned address");
}

TEST(PlantedBugs, AReadBeyondGlobalMemoryIsCaught) {
    expect_death("read beyond the operand", "AddressSanitizer: heap-buffer-overflow");
}

TEST(PlantedBugs, UnmatchedWarpOperationsAreCaught) {
    expect_message("unmatched warp operations", "unmatched warp operations");
    expect_message("unmatched warp operations", "planted_bugs.cu:");
    expect_message("partial mask", "full_warp only");
}

TEST(PlantedBugs, WrongSharedSizesAreCaught) {
    expect_message("array larger than the launch",
                   "shared arrays take 4096 bytes, the launch asked for 512");
    expect_message("arrays of several sizes", "another thread took");
}

TEST(PlantedBugs, CopiesAndMatricesThatAGpuWouldRefuseAreCaught) {
    expect_message("misaligned copy", "an asynchronous copy of 16 bytes is misaligned");
    expect_message("unfinished copy", "ended with unfinished asynchronous copies");
    expect_message("misaligned matrix row", "thread 9: ldmatrix: a row is misaligned");
}

TEST(Simt, SharedAtomicsCountAndOnlyPlainAccessesRaceWithThem) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        std::vector<int> counts(8, 0);
        run_histogram(simt_context(seed), false, counts.data());
        EXPECT_EQ(counts, std::vector<int>(8, planted_numbers / 8)) << seed;
    }
    if (planted_build() != PlantedBuild::race) return;
    std::vector<int> counts(8, 0);
    EXPECT_THROW(run_histogram(simt_context(1), true, counts.data()), DeviceError);
}

TEST(Simt, ALaunchAfterAFailedOneStartsAfresh) {
    const Operand from = numbers();
    std::vector<float> expected(planted_numbers);
    std::vector<float> to(planted_numbers);
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
        const Context context = simt_context(seed);
        const float* source = from.view().as<float>();
        EXPECT_THROW(run_deep_frames(context, true, to.data(), source), DeviceError);
        run_deep_frames(context, false, to.data(), source);
        if (seed == 0) expected = to;
        EXPECT_EQ(to, expected);
        EXPECT_EQ(outcome(planted_kernel("missing syncwarp"), false, seed),
                  right_outcome(planted_kernel("missing syncwarp")));
    }
}

TEST(Simt, WhatAThreadThrowsComesOutAndLeavesNothingBehind) {
    struct Odd {};
    const LaunchShape shape{{3}, 64, 256};
    EXPECT_THROW(simt::execute("throws", shape, natural,
                               [] {
                                   simt::shared_array(0, 256);
                                   if (simt::thread_index().x == 40) throw Odd();
                                   simt::block_barrier(false, simt::Site::current());
                               }),
                 Odd);
    int threads = 0;
    simt::execute("counts", {{2}, 32, 128}, natural, [&] {
        const auto* bytes = static_cast<const std::uint8_t*>(simt::shared_array(0, 128));
        threads += bytes[simt::thread_index().x] == 0xFF ? 1 : 0;
        EXPECT_EQ(simt::block_barrier(simt::thread_index().x < 3, simt::Site::current()), 3);
    });
    EXPECT_EQ(threads, 64);
}

TEST(Simt, ManyBlocksOfDeepFramesGiveTheSameBits) {
    const Operand from = numbers();
    std::vector<float> first;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        std::vector<float> to(planted_numbers);
        for (int launch = 0; launch < 5; ++launch) {
            run_deep_frames(simt_context(seed), false, to.data(), from.view().as<float>());
        }
        if (first.empty()) first = to;
        EXPECT_EQ(to, first) << seed;
    }
}

TEST(Simt, LaunchesThatAGpuRefusesAreErrors) {
    const auto message = [](const LaunchShape& shape) -> std::string {
        try {
            simt::execute("k", shape, natural, [] {});
        } catch (const DeviceError& error) {
            return error.what();
        }
        return "";
    };
    const std::string threads = "simt: kernel k: a block must have 32, 64, ... 1024 threads, got ";
    EXPECT_EQ(message({{1}, 0}), threads + "0");
    EXPECT_EQ(message({{1}, 33}), threads + "33");
    EXPECT_EQ(message({{1}, 1056}), threads + "1056");
    EXPECT_EQ(message({{1}, 32, 300000}),
              "simt: kernel k: asks for 300000 bytes of shared memory of 232448");
    EXPECT_EQ(message({{1, 70000}, 32}),
              "simt: kernel k: a grid of 1 x 70000 x 1 blocks cannot be launched");
    EXPECT_EQ(message({{1, 1, 70000}, 32}),
              "simt: kernel k: a grid of 1 x 1 x 70000 blocks cannot be launched");
    EXPECT_EQ(message({{0}, 32}), "simt: kernel k: a grid of 0 x 1 x 1 blocks cannot be launched");
    EXPECT_EQ(message({{4294967295U, 65535, 65535}, 32}),
              "simt: kernel k: a grid of 4294967295 x 65535 x 65535 blocks cannot be launched");
    EXPECT_EQ(message({{1}, 1024, 232448}), "");
}

TEST(Simt, DeviceFunctionsOnTheHostAndLaunchesInKernelsAreErrors) {
    EXPECT_THROW(simt::thread_index(), DeviceError);
    EXPECT_THROW(simt::shared_array(0, 4), DeviceError);
    EXPECT_THROW(simt::block_barrier(false, simt::Site::current()), DeviceError);
    EXPECT_THROW(simt::copy_async_commit(), DeviceError);
    const auto nested = [] { simt::execute("inner", {}, natural, [] {}); };
    EXPECT_THROW(simt::execute("outer", {}, natural, nested), DeviceError);
    EXPECT_NO_THROW(simt::execute("inner", {}, natural, [] {}));
}

TEST(Simt, EveryThreadOfEveryBlockRunsOnce) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
        std::vector<int> runs(2 * 3 * 5 * 64, 0);
        simt::execute("grid", {{2, 3, 5}, 64}, simt::Schedule::of_seed(seed), [&] {
            const auto block = simt::block_index();
            const auto grid = simt::grid_size();
            ASSERT_EQ(simt::block_size().x, 64U);
            ++runs[((block.z * grid.y + block.y) * grid.x + block.x) * 64 + simt::thread_index().x];
        });
        EXPECT_EQ(runs, std::vector<int>(runs.size(), 1)) << seed;
    }
}

TEST(Simt, TheEnvironmentNamesASeedAndTheRaceCheck) {
    const ScopedVariable seed("BALMER_SIMT_SEED", "17");
    const ScopedVariable races("BALMER_SIMT_RACES", "1");
    const auto schedule = simt::Schedule::from_environment();
    EXPECT_EQ(schedule.seed, 17U);
    EXPECT_TRUE(schedule.is_shuffled && schedule.checks_races);
    EXPECT_EQ(schedule.order, simt::Schedule::Order::warps);
    const ScopedVariable wrong("BALMER_SIMT_SEED", "many");
    EXPECT_THROW(simt::Schedule::from_environment(), UsageError);
}

}  // namespace
}  // namespace balmer::kernels
