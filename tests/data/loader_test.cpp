// data/pack: the loader's order, position, padding and thread.

#include "data/pack/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <thread>

#include "kernels/core/error.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

const std::vector<Split> every_split = {Split::train, Split::validation, Split::test};

class LoaderTest : public ::testing::Test {
  protected:
    LoaderTest() {
        pack_samples(folder_.path(), 53);
        set_ = std::make_shared<PackedSet>(folder_.path());
    }

    static std::vector<std::int64_t> epoch_rows(Loader& loader) {
        std::vector<std::int64_t> rows;
        for (std::int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
            const Batch batch = loader.next();
            EXPECT_EQ(batch.index, i);
            rows.insert(rows.end(), batch.rows.begin(), batch.rows.end());
        }
        return rows;
    }

    TemporaryFolder folder_;
    std::shared_ptr<const PackedSet> set_;
};

TEST_F(LoaderTest, VisitsEachRowOnceAnEpoch) {
    Loader loader(set_, {.splits = every_split, .batch_size = 8, .shuffle = true});
    EXPECT_EQ(loader.batches_per_epoch(), 7);
    for (int epoch = 0; epoch < 3; ++epoch) {
        EXPECT_EQ(loader.epoch(), epoch);
        auto rows = epoch_rows(loader);
        std::sort(rows.begin(), rows.end());
        EXPECT_EQ(rows, loader.rows());
        EXPECT_EQ(rows.size(), 53U);
    }
}

TEST_F(LoaderTest, OrderIsAFunctionOfSeedAndEpoch) {
    LoaderOptions options{.splits = every_split, .batch_size = 8, .shuffle = true, .seed = 5};
    Loader loader(set_, options);
    const auto first = epoch_rows(loader);
    const auto second = epoch_rows(loader);
    EXPECT_NE(first, second);
    Loader again(set_, options);
    EXPECT_EQ(epoch_rows(again), first);
    EXPECT_EQ(epoch_rows(again), second);

    options.seed = 6;
    Loader other(set_, options);
    EXPECT_NE(epoch_rows(other), first);
    options.shuffle = false;
    Loader plain(set_, options);
    EXPECT_EQ(epoch_rows(plain), plain.rows());
}

TEST_F(LoaderTest, SeekContinuesWhereAnotherLoaderStopped) {
    const LoaderOptions options{.splits = every_split, .batch_size = 5, .shuffle = true};
    Loader whole(set_, options);
    for (int i = 0; i < 14; ++i) whole.next();
    Loader resumed(set_, options);
    resumed.next();
    resumed.seek(whole.epoch(), whole.batch());
    EXPECT_EQ(resumed.epoch(), 1);
    EXPECT_EQ(resumed.batch(), 3);
    for (int i = 0; i < 20; ++i) {
        const Batch a = whole.next();
        const Batch b = resumed.next();
        EXPECT_EQ(a.rows, b.rows);
        EXPECT_EQ(a.flux, b.flux);
        EXPECT_EQ(a.epoch, b.epoch);
        EXPECT_EQ(a.index, b.index);
    }
    EXPECT_THROW(resumed.seek(0, 11), UsageError);
    EXPECT_THROW(resumed.seek(-1, 0), UsageError);
    EXPECT_EQ(whole.next().rows, resumed.next().rows);
}

TEST_F(LoaderTest, GivesOnlyTheSplitsAndRowsAskedFor) {
    Loader loader(set_, {.splits = {Split::test, Split::validation},
                         .batch_size = 4,
                         .keep = [](const PackedSet& set, std::int64_t row) {
                             return set.label(row, "z").has_value();
                         }});
    EXPECT_FALSE(loader.rows().empty());
    for (const auto row : epoch_rows(loader)) {
        EXPECT_NE(set_->split(row), Split::train);
        EXPECT_TRUE(set_->labels(row).z);
    }
}

TEST_F(LoaderTest, CommonGridBatchesEqualResampledSpectra) {
    Loader loader(set_, {.splits = every_split, .batch_size = 10});
    const Batch batch = loader.next();
    ASSERT_EQ(batch.size, 10);
    ASSERT_EQ(batch.length, kernels::common_grid_pixels);
    EXPECT_TRUE(batch.wavelength.empty());
    for (std::int64_t b = 0; b < batch.size; ++b) {
        EXPECT_EQ(batch.inverse_variance_known[b] != 0,
                  sample_spectrum(static_cast<int>(batch.rows[b])).inverse_variance_known);
    }
    EXPECT_EQ(batch.lengths, std::vector<std::int64_t>(10, kernels::common_grid_pixels));
    for (std::int64_t b = 0; b < batch.size; ++b) {
        std::vector<float> flux(batch.length);
        std::vector<float> inverse_variance(batch.length);
        std::vector<std::uint8_t> mask(batch.length);
        PixelScratch scratch;
        kernels::resample_to_common_grid(set_->pixels(batch.rows[b], scratch),
                                         {flux, inverse_variance, mask});
        EXPECT_TRUE(std::equal(flux.begin(), flux.end(), batch.flux.begin() + b * batch.length));
        EXPECT_TRUE(std::equal(inverse_variance.begin(), inverse_variance.end(),
                               batch.inverse_variance.begin() + b * batch.length));
        EXPECT_TRUE(std::equal(mask.begin(), mask.end(), batch.mask.begin() + b * batch.length));
        EXPECT_GT(std::count(mask.begin(), mask.end(), 0), 200);
    }
}

TEST_F(LoaderTest, NativeBatchesArePaddedToTheLongest) {
    Loader loader(set_, {.splits = every_split, .batch_size = 10, .grid = Grid::native});
    Batch batch;
    loader.next(batch);
    EXPECT_EQ(batch.length, 300 + 13 * 9);
    for (std::int64_t b = 0; b < batch.size; ++b) {
        const Spectrum spectrum = set_->spectrum(batch.rows[b]);
        ASSERT_EQ(batch.lengths[b], spectrum.pixels());
        for (std::int64_t i = 0; i < batch.length; ++i) {
            const std::int64_t at = b * batch.length + i;
            const bool is_padding = i >= spectrum.pixels();
            ASSERT_EQ(batch.flux[at], is_padding ? 0.0F : spectrum.flux[i]);
            ASSERT_EQ(batch.inverse_variance[at], is_padding ? 0.0F : spectrum.inverse_variance[i]);
            ASSERT_EQ(batch.mask[at], is_padding ? 1 : spectrum.mask[i]);
            ASSERT_EQ(batch.wavelength[at], is_padding ? 0.0 : spectrum.wavelength[i]);
        }
    }
}

TEST_F(LoaderTest, CarriesErrorsOfItsThreadToTheConsumer) {
    auto failures = std::make_shared<std::atomic<int>>(1);
    Loader loader(set_,
                  {.splits = every_split, .batch_size = 8, .prepare = [failures](Batch& batch) {
                       if (batch.index == 2 && (*failures)-- > 0) {
                           throw FormatError("shard", "broken");
                       }
                   }});
    EXPECT_EQ(loader.next().index, 0);
    EXPECT_EQ(loader.next().index, 1);
    EXPECT_THROW(loader.next(), FormatError);
    EXPECT_EQ(loader.batch(), 2);
    EXPECT_EQ(loader.next().index, 2);
}

TEST_F(LoaderTest, StopsWhileItsQueueIsFull) {
    for (int i = 0; i < 50; ++i) {
        Loader loader(set_, {.splits = every_split, .batch_size = 4, .batches_ahead = 1});
        if (i % 2 == 0) loader.next();
    }
}

TEST_F(LoaderTest, ReadsAheadNoFurtherThanAsked) {
    auto prepared = std::make_shared<std::atomic<int>>(0);
    Loader loader(set_, {.splits = every_split,
                         .batch_size = 4,
                         .prepare = [prepared](Batch&) { ++*prepared; },
                         .batches_ahead = 2});
    loader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_LE(prepared->load(), 4);  // one taken, two waiting, one in the thread's hands
}

TEST_F(LoaderTest, GivesTheSameBatchesWhateverItsThreads) {
    LoaderOptions options{.splits = every_split, .batch_size = 5, .shuffle = true};
    Loader one(set_, options);
    options.reader_threads = 4;
    options.batches_ahead = 7;
    options.prepare = [](Batch& batch) {  // the first of each four is the last to be ready
        if (batch.index % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    };
    Loader four(set_, options);
    for (int i = 0; i < 40; ++i) {
        if (i == 23) {
            one.seek(5, 2);
            four.seek(5, 2);
        }
        const Batch a = one.next();
        const Batch b = four.next();
        ASSERT_EQ(a.rows, b.rows);
        ASSERT_EQ(a.flux, b.flux);
        ASSERT_EQ(a.index, b.index);
        ASSERT_EQ(a.epoch, b.epoch);
    }
}

TEST_F(LoaderTest, UsesTheMemoryOfEarlierBatchesAgain) {
    Loader loader(set_, {.splits = every_split,
                         .batch_size = 8,
                         .shuffle = true,
                         .batches_ahead = 2,
                         .reader_threads = 2});
    Batch batch;
    std::set<const float*> places;
    for (int i = 0; i < 100; ++i) {
        loader.next(batch);
        if (i > 10) places.insert(batch.flux.data());
    }
    EXPECT_LE(places.size(), 3U);  // two ahead and the consumer's
}

TEST_F(LoaderTest, Fault64SaysThatItStallsAndGivesUpWhenAsked) {
    auto is_stuck = std::make_shared<std::atomic<bool>>(true);
    std::vector<double> warnings;
    Loader loader(set_, {.splits = every_split,
                         .batch_size = 8,
                         .prepare =
                             [is_stuck](Batch& batch) {
                                 while (batch.index == 1 && *is_stuck) {
                                     std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                 }
                             },
                         .stall_seconds = 0.02,
                         .on_stall = [&](double seconds) { warnings.push_back(seconds); },
                         .stall_timeout = 0.09});
    EXPECT_EQ(loader.next().index, 0);
    warnings.clear();
    EXPECT_THROW(loader.next(), Error);
    ASSERT_GE(warnings.size(), 2U);
    EXPECT_GE(warnings[0], 0.02);
    EXPECT_GE(warnings[1], 0.04);
    EXPECT_EQ(loader.batch(), 1);
    *is_stuck = false;
    EXPECT_EQ(loader.next().index, 1);
    EXPECT_EQ(loader.next().index, 2);
}

TEST_F(LoaderTest, RanksTogetherGiveTheBatchesOfOne) {
    const LoaderOptions options{.splits = every_split, .batch_size = 12, .shuffle = true};
    Loader whole(set_, options);
    std::vector<std::unique_ptr<Loader>> ranks;
    for (std::int64_t rank = 0; rank < 3; ++rank) {
        LoaderOptions part = options;
        part.batch_size = 4;
        part.rank = rank;
        part.world_size = 3;
        ranks.push_back(std::make_unique<Loader>(set_, part));
        EXPECT_EQ(ranks.back()->batches_per_epoch(), whole.batches_per_epoch());
    }
    for (int i = 0; i < 12; ++i) {
        std::vector<std::int64_t> rows;
        for (const auto& rank : ranks) {
            const Batch batch = rank->next();
            rows.insert(rows.end(), batch.rows.begin(), batch.rows.end());
        }
        EXPECT_EQ(rows, whole.next().rows);
    }
}

TEST_F(LoaderTest, RefusesOptionsThatGiveNothing) {
    EXPECT_THROW(Loader(set_, {.batch_size = 0}), UsageError);
    EXPECT_THROW(Loader(set_, {.batches_ahead = 0}), UsageError);
    EXPECT_THROW(Loader(set_, {.reader_threads = 0}), UsageError);
    EXPECT_THROW(Loader(set_, {.keep = [](const PackedSet&, std::int64_t) { return false; }}),
                 Error);
}

}  // namespace
}  // namespace balmer::data
