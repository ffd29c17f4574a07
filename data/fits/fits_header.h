#pragma once
// One FITS header as the gate needs it: the cards that decide about structure, checked.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "data/spectrum.h"

namespace balmer::data {

/// Names the file and HDU in errors.
struct HduContext {
    const std::string& path;
    std::int64_t index = 0;

    /// Throws SpectrumError with "HDU <index>: <detail>".
    [[noreturn]] void fail(Status status, const std::string& detail) const;
};

/// The structural cards (mandatory keywords, column descriptions, EXTNAME, compression) of a
/// header.
class FitsHeader {
  public:
    /// Reads the header that starts at byte `offset` of `file`.
    /// Throws SpectrumError: truncated (the file ends before END), bad_structure (more than
    /// `card_limit` cards, another header begins before END, a structural keyword stands twice with
    /// different values, or the mandatory ones are out of order).
    FitsHeader(const HduContext& context, std::string_view file, std::int64_t offset,
               std::int64_t card_limit);

    /// First byte of the data: the next block after END.
    std::int64_t data_offset() const { return data_offset_; }
    bool has(std::string_view keyword) const { return cards_.contains(keyword); }
    /// A mandatory integer; throws SpectrumError (bad_structure) when absent or no 64-bit integer.
    std::int64_t integer(std::string_view keyword) const;
    /// The same, or `fallback` when the keyword is absent.
    std::int64_t integer_or(std::string_view keyword, std::int64_t fallback) const;
    /// A string value; empty when absent or of another type.
    std::string text(std::string_view keyword) const;
    /// True when the keyword is there with any value but F.
    bool is_set(std::string_view keyword) const;

  private:
    void keep(std::string_view keyword, std::string_view card);
    void require_short_or_number(std::string_view keyword, std::string_view card) const;
    void require_order(std::string_view file, std::int64_t offset) const;

    HduContext context_;
    std::map<std::string, std::string, std::less<>> cards_;
    std::int64_t card_count_ = 0;
    std::int64_t data_offset_ = 0;
};

/// `bytes` rounded up to whole blocks of 2880; empty on overflow.
std::optional<std::int64_t> round_up_to_block(std::int64_t bytes);

}  // namespace balmer::data
