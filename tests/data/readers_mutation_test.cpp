// data/readers: whatever bytes of a file are changed, it gives spectra that keep the contract of
// data/spectrum.h or a SpectrumError, never a crash or another exception.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/core/random.h"
#include "tests/data/desi_files.h"
#include "tests/data/plate_files.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

std::string lamost_table() {
    const LamostFile source;
    std::vector<Column> columns;
    for (const auto& [name, row] : {std::pair("FLUX", 0), {"IVAR", 1}, {"WAVELENGTH", 2}}) {
        columns.push_back(numbers(name, source.rows[static_cast<std::size_t>(row)], 300));
    }
    return primary(source.cards()) + binary_table(columns, 1);
}

/// A character of a header, a number in its place, or bytes anywhere: what a disk, a transfer or an
/// editor does.
std::string mutated(std::string bytes, Random& random) {
    const auto at = [&](std::size_t size) { return static_cast<std::size_t>(random.below(size)); };
    const std::uint64_t changes = 1 + random.below(4);
    for (std::uint64_t change = 0; change < changes; ++change) {
        switch (random.below(5)) {
            case 0:
                bytes[at(bytes.size())] = static_cast<char>(random.below(256));
                break;
            case 1: {  // a digit or letter of a card
                const std::size_t card = at(bytes.size() / 80) * 80;
                bytes[card + at(31)] = "0123456789-TEJKAP' ="[at(20)];
                break;
            }
            case 2: {  // two cards change places
                const std::size_t first = at(bytes.size() / 80) * 80;
                const std::size_t second = at(bytes.size() / 80) * 80;
                const std::string kept = bytes.substr(first, 80);
                bytes.replace(first, 80, bytes.substr(second, 80));
                bytes.replace(second, 80, kept);
                break;
            }
            case 3: {  // a run of ones: NaN, huge numbers
                const std::size_t begin = at(bytes.size());
                const std::size_t length = std::min<std::size_t>(16, bytes.size() - begin);
                std::memset(bytes.data() + begin, 0xff, length);
                break;
            }
            default:
                bytes.resize(bytes.size() - at(bytes.size() / 4));
        }
    }
    return bytes;
}

void expect_contract(const Spectrum& spectrum) {
    const auto pixels = static_cast<std::size_t>(spectrum.pixels());
    ASSERT_EQ(spectrum.wavelength.size(), pixels);
    ASSERT_EQ(spectrum.inverse_variance.size(), pixels);
    ASSERT_EQ(spectrum.mask.size(), pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
        ASSERT_TRUE(std::isfinite(spectrum.wavelength[i]) && std::isfinite(spectrum.flux[i]));
        ASSERT_TRUE(i == 0 || spectrum.wavelength[i] > spectrum.wavelength[i - 1]);
        ASSERT_TRUE(std::isfinite(spectrum.inverse_variance[i]));
        ASSERT_EQ(spectrum.inverse_variance[i] > 0.0F, spectrum.mask[i] == 0);
    }
}

TEST(Readers, KeepTheContractWhateverBytesChange) {
    const std::vector<std::pair<const char*, std::string>> files = {
        {"sdss", SdssFile().bytes()},
        {"plate", PlateFileBytes().bytes()},
        {"lamost", LamostFile().bytes()},
        {"lamost table", lamost_table()},
        {"desi", DesiFile().bytes()},
        {"desi columns", DesiColumnsFile().bytes()},
        {"redrock", RedrockFile({1, 2, 3}).bytes()}};
    constexpr int trials = 1500;
    for (const auto& [name, bytes] : files) {
        int read = 0;
        int refused = 0;
        for (int trial = 0; trial < trials; ++trial) {
            SCOPED_TRACE(std::string(name) + ", trial " + std::to_string(trial));
            Random random(18, static_cast<std::uint64_t>(trial));
            try {
                const ReadResult result = read_bytes(mutated(bytes, random));
                for (const Spectrum& spectrum : result.spectra) expect_contract(spectrum);
                ++read;
            } catch (const SpectrumError&) {
                ++refused;
            }
            if (HasFatalFailure()) return;
        }
        EXPECT_EQ(read + refused, trials);
        EXPECT_GT(refused, trials / 10) << name;
        const bool has_spectra = std::string(name) != "redrock";
        EXPECT_GE(read, has_spectra ? trials / 10 : 0) << name;
    }
}

}  // namespace
}  // namespace balmer::data
