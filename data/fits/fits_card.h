#pragma once
// Header cards of FITS: 80 characters, `KEYWORD = value / comment` (FITS standard 4.0, section 4).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace balmer::data {

constexpr std::int64_t fits_card_bytes = 80;
constexpr std::int64_t fits_block_bytes = 2880;

/// The keyword in columns 1-8 without trailing blanks.
std::string_view card_keyword(std::string_view card);

/// True for the card that closes a header.
bool is_end_card(std::string_view card);

/// The value of a card as the type asked for; empty when the card has no value, or one of another
/// type, or an integer outside 64 bits.
std::optional<std::int64_t> card_integer(std::string_view card);
std::optional<std::string> card_text(std::string_view card);
std::optional<bool> card_logical(std::string_view card);

/// The value of any card as text: the content of a string, else what stands before a blank or the
/// comment. Empty when the card has none.
std::optional<std::string> card_value(std::string_view card);

/// A number as FITS writes them ('-1.5', '+3', '1.5D-3'), alone in its text but for blanks around
/// it. An integer may have a point ('3.'); empty when it is none or lies outside 64 bits.
std::optional<double> parse_fits_real(std::string_view text);
std::optional<std::int64_t> parse_fits_integer(std::string_view text);

/// The number n of an indexed keyword such as TFORM12; empty unless `keyword` is `prefix` + n, n >=
/// 1 without leading zeros.
std::optional<std::int64_t> card_index(std::string_view keyword, std::string_view prefix);

/// At most `limit` characters of untrusted text on one line: what is not printable becomes '?'.
std::string printable(std::string_view text, std::size_t limit = 40);

}  // namespace balmer::data
