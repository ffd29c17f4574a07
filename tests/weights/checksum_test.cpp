#include "weights/checksum.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/core/error.h"
#include "tests/weights/file_testing.h"
#include "weights/file.h"

namespace balmer::weights {
namespace {

using ChecksumTest = FileTest;

// Expected values: python-xxhash, xxhash.xxh3_64_hexdigest.
TEST_F(ChecksumTest, IsXxh3AsOthersComputeIt) {
    EXPECT_EQ(checksum_of("", 0), "2d06800538d394c2");
    EXPECT_EQ(checksum_of("balmer", 6), "0a7a07b1481ed23a");
}

TEST_F(ChecksumTest, IsTheSameInPiecesAndFromFiles) {
    std::string bytes(3'000'001, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
    const std::string whole = checksum_of(bytes.data(), bytes.size());
    Checksum pieces;
    pieces.update(bytes.data(), 17);
    pieces.update(bytes.data() + 17, bytes.size() - 17);
    EXPECT_EQ(pieces.hex(), whole);
    EXPECT_EQ(checksum_of_file(write("f", bytes)), whole);
    EXPECT_EQ(checksum_of(File(path("f")), 5, 2'000'000), checksum_of(&bytes[5], 1'999'995));
    EXPECT_EQ(checksum_of(File(path("f")), 5, 5), checksum_of("", 0));
}

TEST_F(ChecksumTest, Fault48ChangesWithEveryBit) {
    std::string bytes(100, 'x');
    const std::string before = checksum_of(bytes.data(), bytes.size());
    for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
        bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << i % 8));
        EXPECT_NE(checksum_of(bytes.data(), bytes.size()), before) << "bit " << i;
        bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << i % 8));
    }
}

TEST_F(ChecksumTest, NamesAFileThatIsTooShort) {
    write("f", "12345");
    EXPECT_EQ(message_of<IoError>([&] { checksum_of(File(path("f")), 2, 9); }),
              path("f") +
                  ": file was cut while being read: its checksum needs bytes 2 to 9, the "
                  "file ends at 5");
    EXPECT_EQ(message_of<IoError>([&] { checksum_of_file(path("none")); }),
              path("none") + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace balmer::weights
