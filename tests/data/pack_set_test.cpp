// data/pack: what is written comes back, and what is wrong is found.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <set>

#include "data/pack/packed_set.h"
#include "kernels/core/error.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

template <class Failure>
std::string message_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Failure& error) {
        return error.what();
    }
    return "nothing was thrown";
}

void flip_byte(const std::string& path, std::streamoff position) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(position);
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(position);
    file.put(byte);
}

void replace_in(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = read_text(path);
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    write_text(path, text);
}

void expect_same_pixels(const Spectrum& a, const Spectrum& b) {
    EXPECT_EQ(a.wavelength, b.wavelength);
    EXPECT_EQ(a.flux, b.flux);
    EXPECT_EQ(a.inverse_variance, b.inverse_variance);
    EXPECT_EQ(a.mask, b.mask);
}

void expect_same_description(const Spectrum& a, const Spectrum& b) {
    EXPECT_EQ(a.file, b.file);
    EXPECT_EQ(a.row, b.row);
    EXPECT_EQ(a.survey, b.survey);
    EXPECT_EQ(a.object_id, b.object_id);
    EXPECT_EQ(a.object_name, b.object_name);
    EXPECT_EQ(a.ra, b.ra);
    EXPECT_EQ(a.dec, b.dec);
    EXPECT_EQ(a.survey_snr, b.survey_snr);
    EXPECT_EQ(a.labels.object_class, b.labels.object_class);
    EXPECT_EQ(a.labels.subclass, b.labels.subclass);
    EXPECT_EQ(a.labels.z, b.labels.z);
    EXPECT_EQ(a.labels.z_err, b.labels.z_err);
    EXPECT_EQ(a.labels.zwarn, b.labels.zwarn);
    EXPECT_EQ(a.labels.teff, b.labels.teff);
    EXPECT_EQ(a.labels.logg, b.labels.logg);
    EXPECT_EQ(a.labels.feh, b.labels.feh);
    EXPECT_EQ(a.inverse_variance_known, b.inverse_variance_known);
    EXPECT_EQ(a.flags, b.flags);
    EXPECT_EQ(a.not_finite_flux, b.not_finite_flux);
    EXPECT_EQ(a.bad_inverse_variance, b.bad_inverse_variance);
}

TEST(PackedSet, ReturnsEverySpectrumBitForBit) {
    const TemporaryFolder folder;
    const Manifest manifest = pack_samples(folder.path(), 50);
    EXPECT_EQ(manifest.shards.size(), 4U);
    const PackedSet set(folder.path(), {.verify_checksums = true});
    ASSERT_EQ(set.size(), 50);
    for (int i = 0; i < 50; ++i) {
        SCOPED_TRACE(i);
        const Spectrum original = sample_spectrum(i);
        const Spectrum back = set.spectrum(i);
        expect_same_pixels(back, original);
        expect_same_description(back, original);
        EXPECT_TRUE(set.description(i).flux.empty());
        EXPECT_EQ(set.signal_to_noise(i), signal_to_noise(original));
        EXPECT_EQ(set.grid_start(i), kernels::grid_start(original.wavelength));
        EXPECT_EQ(set.label(i, "z"), original.labels.z);
        EXPECT_EQ(set.label(i, "feh"), original.labels.feh);
    }
    EXPECT_THROW(set.split(50), UsageError);
    EXPECT_THROW(set.label(0, "age"), UsageError);
}

TEST(PackedSet, KeepsRepeatsInOneGroupAndOneSplit) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 100);
    const PackedSet set(folder.path());
    for (int i = 4; i < 100; i += 5) {
        const bool has_own_identity = !set.description(i).ra && i % 4 == 0;  // no name either
        if (has_own_identity) continue;
        EXPECT_EQ(set.split(i), set.split(i - 1)) << i;
    }
    std::set<std::int64_t> groups;
    for (int i = 0; i < 100; ++i) groups.insert(set.group(i));
    EXPECT_EQ(static_cast<std::int64_t>(groups.size()), set.manifest().objects);
    EXPECT_LT(groups.size(), 90U);
}

TEST(PackedSet, StatisticsOfTheTrainingSplitComeFromItAlone) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 80);
    const PackedSet set(folder.path());
    double sum = 0.0;
    std::int64_t count = 0;
    for (int i = 0; i < 80; ++i) {
        if (set.split(i) != Split::train || !set.label(i, "z")) continue;
        sum += *set.label(i, "z");
        ++count;
    }
    const auto& summary = set.manifest().summary;
    const auto& z = summary.labels[0].at("z");
    EXPECT_EQ(z.count, count);
    EXPECT_NEAR(z.mean, sum / static_cast<double>(count), 1e-12);
    EXPECT_EQ(summary.split_counts[0] + summary.split_counts[1] + summary.split_counts[2], 80);
    EXPECT_EQ(summary.survey_counts.at("sdss"), 40);
    EXPECT_EQ(summary.class_counts.at("QSO"), 20);
    EXPECT_EQ(summary.class_counts.count(""), 0U);
}

TEST(PackedSet, SameSpectraGiveTheSameBytes) {
    const TemporaryFolder a;
    const TemporaryFolder b;
    pack_samples(a.path(), 20);
    pack_samples(b.path(), 20);
    EXPECT_EQ(read_text(a / "shard-00000.safetensors"), read_text(b / "shard-00000.safetensors"));
    EXPECT_EQ(read_text(a / "manifest.json"), read_text(b / "manifest.json"));
}

TEST(PackedSet, VerifiesASoundSet) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 30);
    EXPECT_EQ(verify_packed_set(folder.path()), std::vector<std::string>{});
}

TEST(PackedSet, FindsAFlippedByteOfAShard) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 30);
    const std::string shard = folder / "shard-00001.safetensors";
    flip_byte(shard, static_cast<std::streamoff>(fs::file_size(shard) / 2));
    EXPECT_NE(message_of<FormatError>([&] {
                  PackedSet(folder.path(), {.verify_checksums = true});
              }).find(shard + ": checksum is "),
              std::string::npos);
    const auto problems = verify_packed_set(folder.path());
    ASSERT_FALSE(problems.empty());
    EXPECT_NE(problems[0].find(shard + ": checksum is "), std::string::npos);
}

TEST(PackedSet, Fault43RefusesShortAndMissingShards) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 30);
    const std::string shard = folder / "shard-00000.safetensors";
    fs::resize_file(shard, fs::file_size(shard) - 1);
    EXPECT_THROW(PackedSet{folder.path()}, FormatError);
    fs::remove(shard);
    EXPECT_THROW(PackedSet{folder.path()}, IoError);
}

TEST(PackedSet, Fault40RefusesShardsOutsideOfTheFolder) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 10);
    replace_in(folder / "manifest.json", "\"shard-00000", "\"../shard-00000");
    EXPECT_NE(message_of<FormatError>([&] { PackedSet{folder.path()}; }).find("outside"),
              std::string::npos);
}

TEST(PackedSet, Fault52RefusesALaterVersion) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 10);
    replace_in(folder / "manifest.json", "\"version\": 1", "\"version\": 2");
    EXPECT_EQ(message_of<FormatError>([&] { PackedSet{folder.path()}; }),
              (folder / "manifest.json") +
                  ": has format version 2, this program reads up to 1: use a newer Balmer");
}

TEST(PackedSet, RefusesManifestsThatAreNone) {
    const TemporaryFolder folder;
    EXPECT_NE(message_of<IoError>([&] { PackedSet{folder.path()}; }).find("is not a packed set"),
              std::string::npos);
    for (const std::string text :
         {"", "[]", "{}", "{\"format\": \"balmer packed set\"}", "{\"a\": 1,"}) {
        write_text(folder / "manifest.json", text);
        EXPECT_THROW(PackedSet{folder.path()}, FormatError) << text;
    }
}

TEST(PackedSet, Fault31RefusesOneObjectInTwoSplits) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 10);
    const std::vector<std::int64_t> group(10, 0);
    std::vector<std::uint8_t> split(10, 0);
    split[9] = 2;
    rewrite_groups_and_splits(folder / "shard-00000.safetensors", group, split);
    EXPECT_NE(message_of<FormatError>([&] {
                  PackedSet{folder.path()};
              }).find("object 0 is in two splits, train and test"),
              std::string::npos);
}

TEST(PackedSet, MapsAShardThatIsListedTwiceOnce) {
    const TemporaryFolder folder;
    Manifest manifest = pack_samples(folder.path(), 20);
    ASSERT_EQ(manifest.shards.size(), 2U);
    const auto listed = manifest.shards;
    for (int i = 0; i < 3; ++i) {
        manifest.shards.insert(manifest.shards.end(), listed.begin(), listed.end());
    }
    manifest.count = 80;
    write_manifest(folder.path(), manifest);
    const PackedSet set(folder.path(), {.verify_checksums = true});
    ASSERT_EQ(set.size(), 80);
    for (std::int64_t row = 20; row < 80; ++row) {
        EXPECT_EQ(set.pixels(row).flux.data(), set.pixels(row % 20).flux.data());
        EXPECT_EQ(set.group(row), set.group(row % 20));
        EXPECT_EQ(set.split(row), set.split(row % 20));
    }
    manifest.shards[4].checksum[0] ^= 1;
    write_manifest(folder.path(), manifest);
    EXPECT_NE(message_of<FormatError>([&] {
                  PackedSet{folder.path()};
              }).find("lists shard 'shard-00000.safetensors' twice, differently"),
              std::string::npos);
}

TEST(PackedSet, VerifyComparesTheManifestWithTheShards) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 10);
    replace_in(folder / "manifest.json", "\"sdss\": 5", "\"sdss\": 6");
    const auto problems = verify_packed_set(folder.path());
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_NE(problems[0].find("counts or label statistics differ"), std::string::npos);
}

TEST(PackWriter, Fault53LeavesAnExistingSetAlone) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 10);
    const std::string manifest = read_text(folder / "manifest.json");
    EXPECT_NE(message_of<IoError>([&] { pack_samples(folder.path(), 5); }).find("--overwrite"),
              std::string::npos);
    EXPECT_EQ(read_text(folder / "manifest.json"), manifest);
    pack_samples(folder.path(), 40, {.spectra_per_shard = 16, .overwrite = true});
    EXPECT_EQ(PackedSet(folder.path()).size(), 40);
    pack_samples(folder.path(), 5, {.spectra_per_shard = 16, .overwrite = true});
    EXPECT_EQ(PackedSet(folder.path()).size(), 5);
    EXPECT_FALSE(fs::exists(folder / "shard-00001.safetensors"));
}

TEST(PackWriter, LeavesNothingWithoutFinish) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 10);
    const std::string manifest = read_text(folder / "manifest.json");
    {
        PackWriter writer(folder.path(), {.spectra_per_shard = 2, .overwrite = true});
        for (int i = 0; i < 5; ++i) writer.append(sample_spectrum(i));
        EXPECT_THROW(PackedSet{folder.path()}, IoError);
    }
    EXPECT_FALSE(fs::exists(folder / ".packing"));
    EXPECT_EQ(read_text(folder / "manifest.json"), manifest);
    EXPECT_EQ(PackedSet(folder.path(), {.verify_checksums = true}).size(), 10);
}

TEST(PackWriter, Fault43RefusesASetThatIsInUse) {
    const TemporaryFolder folder;
    pack_samples(folder.path(), 10);
    const PackedSet set(folder.path());
    const PackedSet second_reader(folder.path());
    EXPECT_EQ(message_of<IoError>([&] {
                  pack_samples(folder.path(), 5, {.spectra_per_shard = 16, .overwrite = true});
              }),
              folder.path() + ": is in use by another program");
    EXPECT_EQ(set.spectrum(9).flux, sample_spectrum(9).flux);
}

TEST(PackWriter, Fault50RefusesASecondWriter) {
    const TemporaryFolder folder;
    PackWriter writer(folder.path(), {});
    EXPECT_THROW(PackWriter(folder.path(), {}), IoError);
}

TEST(PackWriter, Fault47RefusesAFolderThatCannotBeWritten) {
    const TemporaryFolder folder;
    write_text(folder / "file", "");
    EXPECT_THROW(PackWriter(folder / "file", {}), IoError);
    if (::geteuid() == 0) GTEST_SKIP() << "the superuser can write everywhere";
    ::chmod(folder.path().c_str(), 0555);
    EXPECT_THROW(PackWriter(folder.path(), {}), IoError);
    ::chmod(folder.path().c_str(), 0755);
}

TEST(PackWriter, ListsWhatWasSkipped) {
    const TemporaryFolder folder;
    {
        PackWriter writer(folder.path(), {});
        writer.append(sample_spectrum(0));
        writer.skip("a,b.fits", 3, "TRUNCATED", "expected 2880 bytes, \"found\" 12");
        writer.skip("c.fits", 0, "NOT_FITS", "empty");
        writer.finish({"x"}, {{"strict", "false"}});
    }
    EXPECT_EQ(read_text(folder / "skipped.csv"),
              "file,row,reason,detail\n"
              "\"a,b.fits\",3,TRUNCATED,\"expected 2880 bytes, \"\"found\"\" 12\"\n"
              "c.fits,0,NOT_FITS,empty\n");
    const Manifest manifest = read_manifest(folder.path());
    EXPECT_EQ(manifest.skipped_count(), 2);
    EXPECT_EQ(manifest.skipped.at("TRUNCATED"), 1);
    EXPECT_EQ(manifest.options.at("strict"), "false");
}

TEST(PackWriter, RefusesToMakeAnEmptySet) {
    const TemporaryFolder folder;
    PackWriter writer(folder.path(), {});
    EXPECT_THROW(writer.finish({}, {}), Error);
    EXPECT_FALSE(fs::exists(folder / "manifest.json"));
}

}  // namespace
}  // namespace balmer::data
