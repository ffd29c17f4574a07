#pragma once
// One cell of a catalogue: missing, a number or a text.

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace balmer::data {

/// std::monostate is a missing value. Integers stay integers (FAULTS 30): object ids need all 64
/// bits, those of SDSS even the unsigned ones. A text is a view into whatever it was read from.
using Value = std::variant<std::monostate, double, std::int64_t, std::uint64_t, std::string_view>;

inline bool is_missing(const Value& value) {
    return std::holds_alternative<std::monostate>(value);
}

/// The number in `text`: an integer where it is written as one and fits into 64 bits, else a
/// double. Missing for what is_missing_text() says, for NaN, infinities and -9999. Empty where the
/// text is no number.
std::optional<Value> parse_number(std::string_view text);

/// What catalogues write where they have no value: nothing, null, none, nan, n/a, --, masked,
/// -9999, in any case.
bool is_missing_text(std::string_view text);

/// `value` unless it is NaN, infinite or -9999, which stand for a missing one (FAULTS 28).
Value known_number(const Value& value);

/// A number as double; empty for a missing value or a text.
std::optional<double> as_real(const Value& value);

/// -1, 0 or 1 as left is below, equal to or above right, exactly for integers; empty where one is
/// missing or only one is a text.
std::optional<int> compare(const Value& left, const Value& right);

}  // namespace balmer::data
