// Contact sheets: where images and their text stand.

#include "render/contact_sheet.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "kernels/core/error.h"
#include "tests/temporary_folder.h"

namespace balmer::render {
namespace {

std::vector<std::uint8_t> plain_image(int side, std::uint8_t level) {
    return std::vector<std::uint8_t>(static_cast<std::size_t>(side) * side * 3, level);
}

/// Width and height from a PNG's header.
std::pair<int, int> size_of_png(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    const auto number = [&](std::size_t at) {
        int value = 0;
        for (std::size_t i = at; i < at + 4; ++i) {
            value = value * 256 + static_cast<unsigned char>(bytes[i]);
        }
        return value;
    };
    return {number(16), number(20)};
}

TEST(ContactSheet, HasRoomForItsImagesAndTheirText) {
    const TemporaryFolder folder;
    ContactSheet sheet(40, 3, 2);
    EXPECT_TRUE(sheet.empty());
    for (int i = 0; i < 5; ++i) sheet.add({plain_image(40, 90), {"QSO", "z 2.1"}});
    EXPECT_EQ(sheet.size(), 5);
    sheet.write(folder / "sheet.png");
    // 3 images and 4 margins of 6; 2 rows of an image, two lines of 13 and a margin.
    EXPECT_EQ(size_of_png(folder / "sheet.png"), std::pair(3 * 46 + 6, 2 * (40 + 26 + 6) + 6));
    sheet.clear();
    EXPECT_THROW(sheet.write(folder / "none.png"), Error);
}

TEST(ContactSheet, TextChangesThePageAndIsCutToItsImage) {
    const TemporaryFolder folder;
    const auto bytes_with = [&](const std::string& text, const std::string& name) {
        ContactSheet sheet(40, 1, 1);
        sheet.add({plain_image(40, 90), {text}});
        sheet.write(folder / name);
        std::ifstream file(folder / name, std::ios::binary);
        return std::string((std::istreambuf_iterator<char>(file)), {});
    };
    EXPECT_NE(bytes_with("QSO", "a.png"), bytes_with("", "b.png"));
    EXPECT_EQ(bytes_with("GALAXY GALAXY GALAXY", "c.png"),
              bytes_with("GALAXY GALAXY GALAXY GALAXY", "d.png"));
}

TEST(ContactSheet, WhatDoesNotFitIsRefused) {
    ContactSheet sheet(40, 1, 1);
    EXPECT_THROW(sheet.add({plain_image(41, 0), {}}), ShapeError);
    EXPECT_THROW(ContactSheet(40, 0, 1), UsageError);
    EXPECT_THROW(ContactSheet(0, 1, 1), UsageError);
}

}  // namespace
}  // namespace balmer::render
