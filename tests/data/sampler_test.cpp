// data/pack: permutations, sampling, and the rows of every batch.

#include "data/pack/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "data/pack/loader.h"
#include "data/pack/permutation.h"
#include "data/pack/sampling.h"
#include "kernels/core/error.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

const std::vector<Split> every_split = {Split::train, Split::validation, Split::test};

std::vector<std::int64_t> permuted(std::int64_t size, std::uint64_t seed, std::uint64_t stream) {
    const Permutation permutation(size, seed, stream);
    std::vector<std::int64_t> values;
    for (std::int64_t i = 0; i < size; ++i) values.push_back(permutation(i));
    return values;
}

/// How many deviations chi-square is away from what evenly filled cells give.
double chi_square_deviations(const std::vector<double>& counts, double expected,
                             double degrees_of_freedom) {
    double sum = 0.0;
    for (const double count : counts) sum += (count - expected) * (count - expected) / expected;
    return (sum - degrees_of_freedom) / std::sqrt(2.0 * degrees_of_freedom);
}

TEST(Permutation, HasEveryNumberOnce) {
    for (const std::int64_t size : {1, 2, 3, 4, 5, 7, 8, 16, 53, 100, 4096, 65537, 1000000}) {
        std::vector<bool> is_seen(static_cast<std::size_t>(size));
        for (const std::int64_t value : permuted(size, 42, 3)) {
            ASSERT_GE(value, 0);
            ASSERT_LT(value, size);
            ASSERT_FALSE(is_seen[static_cast<std::size_t>(value)]) << size;
            is_seen[static_cast<std::size_t>(value)] = true;
        }
    }
    EXPECT_THROW(Permutation(0, 1, 1), UsageError);
}

TEST(Permutation, OfAKnownSeedStaysTheSame) {
    EXPECT_EQ(permuted(8, 42, 0), (std::vector<std::int64_t>{0, 7, 2, 5, 1, 4, 3, 6}));
    EXPECT_EQ(Permutation(1000000000000, 42, 7)(123456789012), 574153191559);
}

TEST(Permutation, PutsEveryNumberAnywhereEquallyOften) {
    for (const std::int64_t size : {5, 8, 53, 64}) {
        const std::int64_t streams = 30 * size;
        const auto n = static_cast<std::size_t>(size);
        std::vector<double> counts(n * n);
        for (std::int64_t stream = 0; stream < streams; ++stream) {
            const auto values = permuted(size, 11, static_cast<std::uint64_t>(stream));
            for (std::size_t i = 0; i < n; ++i) {
                ++counts[i * n + static_cast<std::size_t>(values[i])];
            }
        }
        const auto cells = static_cast<double>((size - 1) * (size - 1));
        EXPECT_LT(std::abs(chi_square_deviations(counts, 30.0, cells)), 4.0) << size;
    }
}

TEST(Permutation, PutsEveryNumberBehindAnyOtherEquallyOften) {
    for (const std::int64_t size : {5, 8, 53, 64}) {
        const std::int64_t streams = 30 * size;
        const auto n = static_cast<std::size_t>(size);
        std::vector<double> counts(n * n);
        for (std::int64_t stream = 0; stream < streams; ++stream) {
            const auto values = permuted(size, 12, static_cast<std::uint64_t>(stream));
            for (std::size_t i = 0; i + 1 < n; ++i) {
                const auto from = static_cast<std::size_t>(values[i]);
                ++counts[from * n + static_cast<std::size_t>(values[i + 1])];
            }
        }
        // (n - 1) pairs an order in n (n - 1) cells: 30 in each; a number has no pair with itself.
        for (std::size_t i = 0; i < n; ++i) {
            ASSERT_EQ(counts[i * n + i], 0.0);
            counts[i * n + i] = 30.0;
        }
        const auto cells = static_cast<double>(size * (size - 1) - 1);
        EXPECT_LT(std::abs(chi_square_deviations(counts, 30.0, cells)), 4.0) << size;
    }
}

TEST(Permutation, OfAMillionLooksLikeNoOrderAndLikeNoOtherStream) {
    constexpr std::int64_t size = 1000000;
    const auto values = permuted(size, 42, 0);
    const auto others = permuted(size, 42, 1);
    // Blocks of positions against blocks of values, and steps from one value to the next.
    std::vector<double> blocks(100 * 100);
    std::vector<double> steps(100);
    double fixed = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        ++blocks[i / 10000 * 100 + static_cast<std::size_t>(values[i] / 10000)];
        const std::int64_t next = values[(i + 1) % values.size()];
        ++steps[static_cast<std::size_t>((next - values[i] + size) % size / 10000)];
        fixed += values[i] == others[i] ? 1.0 : 0.0;
    }
    EXPECT_LT(std::abs(chi_square_deviations(blocks, 100.0, 99.0 * 99.0)), 4.0);
    EXPECT_LT(std::abs(chi_square_deviations(steps, 10000.0, 99.0)), 4.0);
    EXPECT_LT(fixed, 10.0);  // one is expected
}

/// A set of sample spectra whose classes and surveys are far from balanced.
class SamplerTest : public ::testing::Test {
  protected:
    SamplerTest() : set_(packed(folder_.path())) {}

    static std::string packed(const std::string& folder) {
        PackWriter writer(folder, {.spectra_per_shard = 64});
        for (int i = 0; i < 300; ++i) {
            Spectrum spectrum = sample_spectrum(i);
            spectrum.labels.object_class = i % 20 == 0 ? "QSO" : i % 20 == 1 ? "" : "STAR";
            spectrum.survey = i % 3 == 0 ? "lamost" : "sdss";
            writer.append(spectrum);
        }
        writer.finish({"folder"}, {});
        return folder;
    }

    static std::vector<std::int64_t> epoch_rows(const Sampler& sampler, std::int64_t epoch) {
        std::vector<std::int64_t> all;
        std::vector<std::int64_t> rows;
        for (std::int64_t batch = 0; batch < sampler.batches_per_epoch(); ++batch) {
            sampler.rows_of_batch(epoch, batch, rows);
            all.insert(all.end(), rows.begin(), rows.end());
        }
        return all;
    }

    TemporaryFolder folder_;
    PackedSet set_;
};

TEST_F(SamplerTest, EveryRankHasItsOwnRowsAndAllTogetherHaveEach) {
    for (const std::int64_t world : {1, 2, 3, 7, 50, 299, 300}) {
        for (const std::int64_t batch_size : {1, 2, 3, 64}) {
            std::vector<std::int64_t> all;
            std::set<std::int64_t> batches;
            for (std::int64_t rank = 0; rank < world; ++rank) {
                const Sampler sampler(set_, {.splits = every_split,
                                             .batch_size = batch_size,
                                             .shuffle = true,
                                             .rank = rank,
                                             .world_size = world});
                batches.insert(sampler.batches_per_epoch());
                std::vector<std::int64_t> rows;
                for (std::int64_t batch = 0; batch < sampler.batches_per_epoch(); ++batch) {
                    sampler.rows_of_batch(3, batch, rows);
                    ASSERT_FALSE(rows.empty());
                    const bool may_be_two = batch + 1 == sampler.batches_per_epoch();
                    ASSERT_LE(rows.size(),
                              static_cast<std::size_t>(
                                  may_be_two ? std::max<std::int64_t>(2, batch_size) : batch_size));
                    all.insert(all.end(), rows.begin(), rows.end());
                }
            }
            EXPECT_EQ(batches.size(), 1U);
            std::sort(all.begin(), all.end());
            std::vector<std::int64_t> expected(300);
            std::iota(expected.begin(), expected.end(), 0);
            ASSERT_EQ(all, expected) << world << " ranks, batches of " << batch_size;
        }
    }
    EXPECT_THROW(Sampler(set_, {.splits = every_split, .world_size = 301}), UsageError);
    EXPECT_THROW(Sampler(set_, {.rank = 2, .world_size = 2}), UsageError);
    EXPECT_THROW(Sampler(set_, {.rank = -1}), UsageError);
}

TEST_F(SamplerTest, ClassBalancedEpochsHaveAllClassesEquallyOften) {
    for (const bool shuffle : {false, true}) {
        const Sampler sampler(set_, {.splits = every_split,
                                     .shuffle = shuffle,
                                     .sampling = {.mode = SamplingMode::class_balanced}});
        std::map<std::int32_t, double> counts;
        std::vector<double> of_row(300);
        constexpr int epochs = 200;
        for (int epoch = 0; epoch < epochs; ++epoch) {
            const auto rows = epoch_rows(sampler, epoch);
            ASSERT_EQ(rows.size(), 300U);
            std::map<std::int64_t, int> in_epoch;
            for (const std::int64_t row : rows) {
                ++counts[set_.class_index(row)];
                ++of_row[static_cast<std::size_t>(row)];
                ++in_epoch[row];
            }
            // 15 quasars share 100 draws, 270 stars 100.
            for (const auto& [row, count] : in_epoch) {
                const bool is_star = set_.labels(row).object_class == "STAR";
                ASSERT_LT(std::abs(count - (is_star ? 100.0 / 270.0 : 100.0 / 15.0)), 2.0);
            }
        }
        ASSERT_EQ(counts.size(), 3U);  // two, and the one of spectra without
        for (const auto& [index, count] : counts) {
            EXPECT_NEAR(count / epochs, 100.0, 1.0) << index;
        }
        for (std::int64_t row = 0; row < 300; ++row) {
            const bool is_star = set_.labels(row).object_class == "STAR";
            const double expected = is_star ? 100.0 / 270.0 : 100.0 / 15.0;
            EXPECT_NEAR(of_row[static_cast<std::size_t>(row)] / epochs, expected, 0.2) << row;
        }
    }
}

TEST_F(SamplerTest, WeightsAreExpectedCounts) {
    const Sampler sampler(set_, {.splits = every_split,
                                 .shuffle = true,
                                 .sampling = {.mode = SamplingMode::weighted,
                                              .weight = [](const PackedSet&, std::int64_t row) {
                                                  return row % 3 == 0 ? 0.0
                                                                      : static_cast<double>(row);
                                              }}});
    double sum = 0.0;
    for (int row = 0; row < 300; ++row) sum += row % 3 == 0 ? 0.0 : row;
    std::vector<double> counts(300);
    constexpr int epochs = 400;
    for (int epoch = 0; epoch < epochs; ++epoch) {
        for (const std::int64_t row : epoch_rows(sampler, epoch)) ++counts[row];
    }
    for (int row = 0; row < 300; ++row) {
        const double expected = row % 3 == 0 ? 0.0 : 300.0 * row / sum;
        // A row's count an epoch has a variance below 1/2: both its ends are drawn or not.
        EXPECT_NEAR(counts[row] / epochs, expected, 5.0 * std::sqrt(0.5 / epochs)) << row;
        if (row % 3 == 0) {
            EXPECT_EQ(counts[row], 0.0);
        }
    }
}

TEST_F(SamplerTest, RefusesWeightsThatCannotBeDrawnFrom) {
    const auto with_weight = [&](double weight) {
        return Sampler(set_, {.sampling = {.mode = SamplingMode::weighted,
                                           .weight = [weight](const PackedSet&, std::int64_t row) {
                                               return row % 2 == 0 ? weight : 0.0;
                                           }}});
    };
    EXPECT_NO_THROW(with_weight(0.1));
    EXPECT_THROW(with_weight(0.0), UsageError);
    EXPECT_THROW(with_weight(-1.0), UsageError);
    EXPECT_THROW(with_weight(std::nan("")), UsageError);
    EXPECT_THROW(with_weight(std::numeric_limits<double>::infinity()), UsageError);
    EXPECT_THROW(Sampler(set_, {.sampling = {.mode = SamplingMode::weighted}}), UsageError);
    EXPECT_THROW(Sampler(set_, {.sampling = {.max_per_class = -1}}), UsageError);
    EXPECT_EQ(sampling_mode_named("class-balanced"), SamplingMode::class_balanced);
    EXPECT_THROW(sampling_mode_named("balanced"), UsageError);
}

TEST_F(SamplerTest, LimitsObjectsOfEveryClassAndSurveyInEverySplit) {
    using Cell = std::tuple<Split, std::int32_t, std::int32_t>;
    constexpr std::int64_t limit = 12;
    const Sampling sampling{.max_per_class = limit};
    const auto rows = rows_of(set_, every_split, sampling, 42);
    std::map<Cell, std::set<std::int64_t>> all;
    std::map<Cell, std::set<std::int64_t>> used;
    const auto cell_of = [&](std::int64_t row) {
        return Cell{set_.split(row), set_.survey_index(row), set_.class_index(row)};
    };
    for (std::int64_t row = 0; row < set_.size(); ++row) {
        all[cell_of(row)].insert(set_.group(row));
    }
    for (const std::int64_t row : rows) used[cell_of(row)].insert(set_.group(row));
    std::size_t limited = 0;
    for (const auto& [cell, objects] : all) {
        EXPECT_EQ(used[cell].size(), std::min<std::size_t>(limit, objects.size()));
        limited += objects.size() > limit ? 1 : 0;
    }
    EXPECT_GE(limited, 4U);
    // Every spectrum of a used object is used.
    std::size_t expected = 0;
    for (std::int64_t row = 0; row < set_.size(); ++row) {
        expected += used[cell_of(row)].count(set_.group(row));
    }
    EXPECT_EQ(rows.size(), expected);
    EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));

    EXPECT_EQ(rows_of(set_, every_split, sampling, 42), rows);
    EXPECT_NE(rows_of(set_, every_split, sampling, 43), rows);
    std::vector<std::int64_t> by_split;
    for (const Split split : every_split) {
        const auto own = rows_of(set_, std::array{split}, sampling, 42);
        by_split.insert(by_split.end(), own.begin(), own.end());
    }
    std::sort(by_split.begin(), by_split.end());
    EXPECT_EQ(by_split, rows);
    EXPECT_EQ(rows_of(set_, every_split, {.max_per_class = 1000}, 42).size(), 300U);
    const Sampler sampler(set_, {.splits = every_split, .sampling = sampling});
    EXPECT_EQ(sampler.rows(), rows);
}

}  // namespace
}  // namespace balmer::data
