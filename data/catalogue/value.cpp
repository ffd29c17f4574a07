#include "data/catalogue/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>
#include <utility>

namespace balmer::data {
namespace {

constexpr double missing_number = -9999.0;

template <class T>
bool parse_whole(std::string_view text, T& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

bool same_text(std::string_view text, std::string_view lower) {
    return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
    });
}

template <class T>
int sign_of(T left, T right) {
    return left < right ? -1 : (right < left ? 1 : 0);
}

/// Both are integers or doubles.
struct CompareNumbers {
    template <class Left, class Right>
    std::optional<int> operator()(Left left, Right right) const {
        if constexpr (std::is_integral_v<Left> && std::is_integral_v<Right>) {
            if (std::cmp_less(left, right)) return -1;
            return std::cmp_less(right, left) ? 1 : 0;
        } else if constexpr (std::is_arithmetic_v<Left> && std::is_arithmetic_v<Right>) {
            return sign_of(static_cast<double>(left), static_cast<double>(right));
        } else if constexpr (std::is_same_v<Left, std::string_view> &&
                             std::is_same_v<Right, std::string_view>) {
            return sign_of(left, right);
        } else {
            return std::nullopt;
        }
    }
};

}  // namespace

bool is_missing_text(std::string_view text) {
    static constexpr std::array<std::string_view, 10> names = {
        "", "null", "none", "nan", "n/a", "--", "masked", "-9999", "-9999.0", "<na>"};
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return same_text(text, name); });
}

Value known_number(const Value& value) {
    const auto real = as_real(value);
    if (!real || !std::isfinite(*real) || *real == missing_number) return {};
    return value;
}

std::optional<Value> parse_number(std::string_view text) {
    if (is_missing_text(text)) return Value{};
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t integer = 0;
    std::uint64_t natural = 0;
    double real = 0;
    if (parse_whole(text, integer)) return known_number(integer);
    if (parse_whole(text, natural)) return Value{natural};
    if (parse_whole(text, real)) return known_number(real);
    return std::nullopt;
}

std::optional<double> as_real(const Value& value) {
    return std::visit(
        [](auto number) -> std::optional<double> {
            if constexpr (std::is_arithmetic_v<decltype(number)>) {
                return static_cast<double>(number);
            }
            return std::nullopt;
        },
        value);
}

std::optional<int> compare(const Value& left, const Value& right) {
    return std::visit(CompareNumbers{}, left, right);
}

}  // namespace balmer::data
