#pragma once
// Builds a FITS file in memory with CFITSIO.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace balmer::data::simulation {

/// One column of a binary table: exactly one of the value lists is filled, with rows * width
/// values (strings: one a row).
struct FitsColumn {
    std::string name;
    std::string format;  ///< TFORM: "E", "J", "K", "D", "21A", "5E"
    std::string unit;
    std::vector<float> floats;
    std::vector<double> doubles;
    std::vector<std::int64_t> integers;
    std::vector<std::string> strings;
};

/// A FITS file under construction, HDU by HDU. Not thread-safe (CFITSIO's error stack). Every
/// method throws Error with CFITSIO's message when it fails.
class FitsBuilder {
  public:
    FitsBuilder();
    ~FitsBuilder();
    FitsBuilder(const FitsBuilder&) = delete;
    FitsBuilder& operator=(const FitsBuilder&) = delete;

    /// Primary HDU without data.
    void empty_primary();
    /// Float image, axis 1 fastest.
    void image(std::int64_t columns, std::int64_t rows, const std::vector<float>& pixels);
    /// The same of unsigned integers, stored as FITS does: signed, with BZERO = 2^31.
    void image(std::int64_t columns, std::int64_t rows, const std::vector<std::uint32_t>& pixels);
    /// One axis of doubles.
    void image(const std::vector<double>& pixels);
    void table(const std::string& name, std::int64_t rows, const std::vector<FitsColumn>& columns);

    // Header cards of the HDU made last.
    void card(const char* key, const std::string& value, const char* comment);
    void card(const char* key, std::int64_t value, const char* comment);
    void card(const char* key, double value, int decimals, const char* comment);
    void card(const char* key, bool value, const char* comment);

    /// Closes the file and returns its bytes. Call once.
    std::vector<std::uint8_t> finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace balmer::data::simulation
