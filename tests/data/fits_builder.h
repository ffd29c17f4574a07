#pragma once
// FITS files made in memory, well-formed or broken on purpose, so that no binary file is committed.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace balmer::data::fits_builder {

inline std::string padded(std::string text, std::size_t length, char fill = ' ') {
    text.resize(length, fill);
    return text;
}

/// Whole blocks of 2880 bytes.
inline std::string blocks(std::string bytes, char fill = '\0') {
    const std::size_t whole = (bytes.size() + 2879) / 2880 * 2880;
    return padded(std::move(bytes), whole, fill);
}

/// A card whose value stands as given: card("NAXIS2", "99") or card("EXTNAME", "'COADD   '").
inline std::string card(std::string_view keyword, std::string_view value) {
    return padded(padded(std::string(keyword), 8) + "= " + std::string(value), 80);
}

inline std::string card(std::string_view keyword, std::int64_t value) {
    return card(keyword, std::to_string(value));
}

inline std::string text_card(std::string_view keyword, std::string_view value) {
    return card(keyword,
                "'" + padded(std::string(value), std::max<std::size_t>(8, value.size())) + "'");
}

inline std::string header(const std::vector<std::string>& cards) {
    std::string text;
    for (const std::string& one : cards) text += padded(one, 80);
    return blocks(text + padded("END", 80), ' ');
}

template <class T>
std::string big_endian(const std::vector<T>& values) {
    static_assert(std::endian::native == std::endian::little);
    std::string bytes;
    for (const T value : values) {
        char raw[sizeof(T)];
        std::memcpy(raw, &value, sizeof(T));
        bytes.append(std::reverse_iterator(raw + sizeof(T)), std::reverse_iterator(raw));
    }
    return bytes;
}

/// A column of a binary table; `cells` holds its big-endian bytes, `width` of them a row.
struct Column {
    std::string name;
    std::string format;
    std::size_t width = 0;
    std::string cells;
    std::string unit;
};

/// A column of numbers: float E, double D, int16 I, int32 J, int64 K; `repeat` of them a row.
template <class T>
Column numbers(std::string name, const std::vector<T>& values, std::size_t repeat = 1) {
    char type = 'B';
    if constexpr (std::is_same_v<T, float>) type = 'E';
    if constexpr (std::is_same_v<T, double>) type = 'D';
    if constexpr (std::is_same_v<T, std::int16_t>) type = 'I';
    if constexpr (std::is_same_v<T, std::int32_t>) type = 'J';
    if constexpr (std::is_same_v<T, std::int64_t>) type = 'K';
    const std::string format = (repeat == 1 ? "" : std::to_string(repeat)) + type;
    return {std::move(name), format, repeat * sizeof(T), big_endian(values), ""};
}

/// A column of strings of one width.
inline Column strings(std::string name, const std::vector<std::string>& values, std::size_t width) {
    std::string cells;
    for (const std::string& value : values) cells += padded(value, width);
    return {std::move(name), std::to_string(width) + "A", width, cells, ""};
}

inline std::string primary(const std::vector<std::string>& extra = {}) {
    std::vector<std::string> cards = {card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 0),
                                      card("EXTEND", "T")};
    cards.insert(cards.end(), extra.begin(), extra.end());
    return header(cards);
}

/// The cards of a binary table, for tests that change one of them before building the header.
inline std::vector<std::string> table_cards(const std::vector<Column>& columns, std::int64_t rows,
                                            std::string_view name = "") {
    std::size_t width = 0;
    for (const Column& column : columns) width += column.width;
    std::vector<std::string> cards = {text_card("XTENSION", "BINTABLE"),
                                      card("BITPIX", 8),
                                      card("NAXIS", 2),
                                      card("NAXIS1", static_cast<std::int64_t>(width)),
                                      card("NAXIS2", rows),
                                      card("PCOUNT", 0),
                                      card("GCOUNT", 1),
                                      card("TFIELDS", static_cast<std::int64_t>(columns.size()))};
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const std::string number = std::to_string(i + 1);
        cards.push_back(text_card("TTYPE" + number, columns[i].name));
        cards.push_back(text_card("TFORM" + number, columns[i].format));
        if (!columns[i].unit.empty()) cards.push_back(text_card("TUNIT" + number, columns[i].unit));
    }
    if (!name.empty()) cards.push_back(text_card("EXTNAME", name));
    return cards;
}

/// The rows of a binary table, padded.
inline std::string table_data(const std::vector<Column>& columns, std::int64_t rows) {
    std::string bytes;
    for (std::int64_t row = 0; row < rows; ++row) {
        for (const Column& column : columns) {
            bytes +=
                column.cells.substr(static_cast<std::size_t>(row) * column.width, column.width);
        }
    }
    return blocks(bytes);
}

inline std::string binary_table(const std::vector<Column>& columns, std::int64_t rows,
                                std::string_view name = "") {
    return header(table_cards(columns, rows, name)) + table_data(columns, rows);
}

/// A primary image of equally long float or double rows.
template <class T>
std::string primary_image(const std::vector<std::vector<T>>& rows,
                          const std::vector<std::string>& extra = {}) {
    std::vector<std::string> cards = {
        card("SIMPLE", "T"), card("BITPIX", sizeof(T) == 4 ? -32 : -64), card("NAXIS", 2),
        card("NAXIS1", static_cast<std::int64_t>(rows.empty() ? 0 : rows[0].size())),
        card("NAXIS2", static_cast<std::int64_t>(rows.size()))};
    cards.insert(cards.end(), extra.begin(), extra.end());
    std::string bytes;
    for (const auto& row : rows) bytes += big_endian(row);
    return header(cards) + blocks(bytes);
}

/// An image extension of equally long rows, float, double or int32; a single row has one axis if
/// `flat`.
template <class T>
std::string image(std::string_view name, const std::vector<std::vector<T>>& rows,
                  const std::vector<std::string>& extra = {}, bool flat = false) {
    const int bits = 8 * static_cast<int>(sizeof(T));
    std::vector<std::string> cards = {
        text_card("XTENSION", "IMAGE"), card("BITPIX", std::is_integral_v<T> ? bits : -bits),
        card("NAXIS", flat ? 1 : 2),
        card("NAXIS1", static_cast<std::int64_t>(rows.empty() ? 0 : rows[0].size()))};
    if (!flat) cards.push_back(card("NAXIS2", static_cast<std::int64_t>(rows.size())));
    cards.insert(cards.end(), {card("PCOUNT", 0), card("GCOUNT", 1), text_card("EXTNAME", name)});
    cards.insert(cards.end(), extra.begin(), extra.end());
    std::string bytes;
    for (const auto& row : rows) bytes += big_endian(row);
    return header(cards) + blocks(bytes);
}

/// `bytes` with the card of `keyword` (its first appearance from `from` on) replaced.
inline std::string with_card(std::string bytes, std::string_view keyword, const std::string& card,
                             std::size_t from = 0) {
    const std::string start = padded(std::string(keyword), 8);
    for (std::size_t i = from; i + 80 <= bytes.size(); i += 80) {
        if (bytes.compare(i, 8, start) == 0) return bytes.replace(i, 80, padded(card, 80));
    }
    return bytes;
}

}  // namespace balmer::data::fits_builder
