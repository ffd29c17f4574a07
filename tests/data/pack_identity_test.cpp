// data/pack: object identity and the split by object.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

#include "data/pack/object_identity.h"
#include "data/pack/split.h"
#include "kernels/core/error.h"
#include "kernels/core/random.h"

namespace balmer::data {
namespace {

constexpr double arcsec = 1.0 / 3600.0;

ObjectKey at(double ra, double dec) {
    return {ra, dec, "", "file"};
}
ObjectKey named(const std::string& name) {
    return {std::nullopt, std::nullopt, name, "file"};
}

std::vector<ObjectKey> random_sky(int count, std::uint64_t seed) {
    Random random(seed);
    std::vector<ObjectKey> keys;
    for (int i = 0; i < count; ++i) {
        const double dec = std::asin(random.uniform(-1.0, 1.0)) * 180.0 / std::numbers::pi;
        keys.push_back(at(random.uniform(0.0, 360.0), dec));
    }
    return keys;
}

TEST(ObjectIdentity, NormalisesNames) {
    EXPECT_EQ(normalised_object_name("HD 002857"), "HD2857");
    EXPECT_EQ(normalised_object_name("hd2857"), "HD2857");
    EXPECT_EQ(normalised_object_name(" HD_2857 "), "HD2857");
    EXPECT_EQ(normalised_object_name("BD+01 0123"), "BD+1 123");
    EXPECT_NE(normalised_object_name("BD+11 23"), normalised_object_name("BD+1 123"));
    EXPECT_EQ(normalised_object_name("J0012.05+01.007"), "J12.05+1.007");
    EXPECT_EQ(normalised_object_name("0"), "0");
    EXPECT_EQ(normalised_object_name("HD 000"), "HD0");
    EXPECT_EQ(normalised_object_name(""), "");
}

TEST(ObjectIdentity, LinksFriendsOfFriendsWithinThreeArcsec) {
    const std::vector<ObjectKey> keys = {at(10.0, 20.0), at(10.0, 20.0 + 2.9 * arcsec),  // friends
                                         at(10.0, 20.0 + 5.8 * arcsec),  // friend of a friend
                                         at(10.0, 20.0 + 9.0 * arcsec),  // 3.2 arcsec further
                                         at(10.0, 20.0)};
    EXPECT_EQ(group_objects(keys).group, (std::vector<std::int64_t>{0, 0, 0, 1, 0}));
}

TEST(ObjectIdentity, WorksAcrossZeroHoursAndAtThePoles) {
    const std::vector<ObjectKey> keys = {
        at(359.9999, 0.0),
        at(0.0001, 0.0),  // 0.72 arcsec apart
        at(10.0, 89.9999),
        at(190.0, 89.9999),
        at(10.0, -89.0),
        at(10.0 + 2.9 * arcsec / std::cos(89.0 * std::numbers::pi / 180), -89.0)};
    EXPECT_EQ(group_objects(keys).group, (std::vector<std::int64_t>{0, 0, 1, 1, 2, 2}));
}

TEST(ObjectIdentity, AgreesWithAllPairsOnACrowdedField) {
    Random random(3);
    std::vector<ObjectKey> keys;
    for (int i = 0; i < 600; ++i) {
        keys.push_back(at(150.0 + random.uniform(0.0, 100.0 * arcsec),
                          2.0 + random.uniform(0.0, 100.0 * arcsec)));
    }
    const auto groups = group_objects(keys);
    std::vector<int> label(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) label[i] = static_cast<int>(i);
    bool changed = true;
    while (changed) {
        changed = false;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                const double x =
                    (*keys[i].ra - *keys[j].ra) * std::cos(*keys[i].dec * std::numbers::pi / 180.0);
                const double y = *keys[i].dec - *keys[j].dec;
                if (std::hypot(x, y) > 3.0 * arcsec || label[i] == label[j]) continue;
                label[i] = label[j] = std::min(label[i], label[j]);
                changed = true;
            }
        }
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            ASSERT_EQ(groups.group[i] == groups.group[j], label[i] == label[j]) << i << " " << j;
        }
    }
    EXPECT_GT(groups.identity.size(), 50U);
}

TEST(ObjectIdentity, UsesNamesThenFilesWithoutCoordinates) {
    const std::vector<ObjectKey> keys = {named("HD 002857"),
                                         named("HD2857"),
                                         named(""),
                                         {std::nullopt, std::nullopt, "", "other"},
                                         {std::nan(""), 0.0, "hd 2857", "x"}};
    EXPECT_EQ(group_objects(keys).group, (std::vector<std::int64_t>{0, 0, 1, 2, 0}));
}

TEST(ObjectIdentity, ManySpectraAtOnePositionAreQuick) {
    const std::vector<ObjectKey> keys(200000, at(1.0, 2.0));
    EXPECT_EQ(group_objects(keys).identity.size(), 1U);
}

TEST(Split, IsSixtyTwentyTwentyByObject) {
    const auto keys = random_sky(30000, 1);
    const auto groups = group_objects(keys);
    std::array<double, split_count> share{};
    for (const auto split : split_by_object(groups)) share[split] += 1.0 / 30000;
    EXPECT_NEAR(share[0], 0.6, 0.012);
    EXPECT_NEAR(share[1], 0.2, 0.010);
    EXPECT_NEAR(share[2], 0.2, 0.010);
}

TEST(Split, KeepsRepeatsTogetherInAnyProportionOfRepeats) {
    auto keys = random_sky(3000, 2);
    Random random(5);
    for (int i = 0; i < 9000; ++i) {
        const auto& original = keys[random.below(3000)];
        keys.push_back(at(*original.ra, std::min(90.0, *original.dec + 0.5 * arcsec)));
    }
    const auto groups = group_objects(keys);
    const auto splits = split_by_object(groups);
    EXPECT_LE(groups.identity.size(), 3000U);
    EXPECT_NO_THROW(check_one_object_one_split("set", groups.group, splits));
    double train = 0.0;
    for (const auto identity : groups.identity) {
        train += split_of(identity) == Split::train ? 1.0 / 3000 : 0.0;
    }
    EXPECT_NEAR(train, 0.6, 0.04);
}

TEST(Split, DependsOnNeitherOrderNorOtherObjects) {
    const auto keys = random_sky(500, 7);
    const auto splits = split_by_object(group_objects(keys));
    auto reversed = std::vector<ObjectKey>(keys.rbegin(), keys.rend());
    const auto more = random_sky(500, 8);
    reversed.insert(reversed.begin(), more.begin(), more.end());
    const auto other = split_by_object(group_objects(reversed));
    for (std::size_t i = 0; i < keys.size(); ++i) {
        EXPECT_EQ(splits[i], other[other.size() - 1 - i]);
    }
    EXPECT_NE(splits, split_by_object(group_objects(keys), {.seed = 43}));
}

TEST(Split, Fault31RefusesOneObjectInTwoSplits) {
    const std::vector<std::int64_t> group = {0, 1, 0};
    try {
        check_one_object_one_split("set", group, std::vector<std::uint8_t>{0, 1, 2});
        FAIL();
    } catch (const FormatError& error) {
        EXPECT_STREQ(error.what(), "set: object 0 is in two splits, train and test (spectrum 2)");
    }
    EXPECT_THROW(check_one_object_one_split("set", group, std::vector<std::uint8_t>{0, 3, 0}),
                 FormatError);
    for (const std::int64_t wrong : {-1, 3}) {
        const std::vector<std::int64_t> groups = {0, 1, wrong};
        EXPECT_THROW(check_one_object_one_split("set", groups, std::vector<std::uint8_t>(3)),
                     FormatError);
    }
}

}  // namespace
}  // namespace balmer::data
