#include "data/fits/fits_card.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace balmer::data {
namespace {

std::string_view trim_right(std::string_view text) {
    const auto last = text.find_last_not_of(' ');
    return last == std::string_view::npos ? std::string_view{} : text.substr(0, last + 1);
}

/// What follows "= " without leading blanks; empty when the card has no value field.
std::string_view value_field(std::string_view card) {
    if (card.size() < 10 || card.substr(8, 2) != "= ") return {};
    const auto first = card.find_first_not_of(' ', 10);
    return first == std::string_view::npos ? std::string_view{} : card.substr(first);
}

template <class T>
std::optional<T> parse_whole(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Without blanks around it and without a plus sign.
std::string_view digits_of(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    text = trim_right(text.substr(first));
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    return text;
}

bool only_comment_follows(std::string_view rest) {
    const auto first = rest.find_first_not_of(' ');
    return first == std::string_view::npos || rest[first] == '/';
}

}  // namespace

std::string_view card_keyword(std::string_view card) {
    return trim_right(card.substr(0, 8));
}

bool is_end_card(std::string_view card) {
    return card.substr(0, 8) == "END     ";
}

std::optional<std::int64_t> card_integer(std::string_view card) {
    std::string_view text = value_field(card);
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!only_comment_follows(text)) return std::nullopt;
    return value;
}

std::optional<std::string> card_text(std::string_view card) {
    const std::string_view text = value_field(card);
    if (!text.starts_with('\'')) return std::nullopt;
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] != '\'') {
            value.push_back(text[i]);
        } else if (i + 1 < text.size() && text[i + 1] == '\'') {
            value.push_back('\'');
            ++i;
        } else {
            return std::string(trim_right(value));
        }
    }
    return std::nullopt;
}

std::optional<bool> card_logical(std::string_view card) {
    const std::string_view text = value_field(card);
    if (text.empty() || (text[0] != 'T' && text[0] != 'F')) return std::nullopt;
    if (!only_comment_follows(text.substr(1))) return std::nullopt;
    return text[0] == 'T';
}

std::optional<std::string> card_value(std::string_view card) {
    const std::string_view text = value_field(card);
    if (text.starts_with('\'')) return card_text(card);
    const std::string_view value = text.substr(0, text.find_first_of(" /"));
    return value.empty() ? std::nullopt : std::optional<std::string>(value);
}

std::optional<double> parse_fits_real(std::string_view text) {
    std::string digits(digits_of(text));
    const auto exponent = digits.find_first_of("Dd");
    if (exponent != std::string::npos) digits[exponent] = 'E';
    return parse_whole<double>(digits);
}

std::optional<std::int64_t> parse_fits_integer(std::string_view text) {
    if (const auto integer = parse_whole<std::int64_t>(digits_of(text))) return integer;
    const auto real = parse_fits_real(text);
    constexpr double limit = 9223372036854775808.0;  // 2^63
    const bool is_integer = real && std::abs(*real) < limit && std::trunc(*real) == *real;
    return is_integer ? std::optional(static_cast<std::int64_t>(*real)) : std::nullopt;
}

std::optional<std::int64_t> card_index(std::string_view keyword, std::string_view prefix) {
    if (!keyword.starts_with(prefix)) return std::nullopt;
    keyword.remove_prefix(prefix.size());
    if (keyword.empty() || keyword.size() > 4 || keyword[0] == '0') return std::nullopt;
    std::int64_t index = 0;
    const auto [end, error] =
        std::from_chars(keyword.data(), keyword.data() + keyword.size(), index);
    if (error != std::errc{} || end != keyword.data() + keyword.size() || index < 1) {
        return std::nullopt;
    }
    return index;
}

std::string printable(std::string_view text, std::size_t limit) {
    std::string result(text.substr(0, limit));
    std::replace_if(
        result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return result;
}

}  // namespace balmer::data
