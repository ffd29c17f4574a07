#include "data/catalogue/delimited_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_set>

#include "data/fits/fits_card.h"
#include "kernels/core/error.h"

namespace balmer::data {
namespace {

constexpr std::size_t longest_row = std::size_t{1} << 20;
constexpr std::size_t buffer_bytes = std::size_t{1} << 18;

bool is_continuation(unsigned char byte) {
    return (byte & 0xC0U) == 0x80U;
}

/// Bytes of the UTF-8 character that begins at `text`; 0 where none does (RFC 3629: no overlong
/// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first < 0xE0) return is_continuation(byte(1)) ? 2 : 0;
    if (first >= 0xE0 && first < 0xF0) {
        const unsigned lowest = first == 0xE0 ? 0xA0 : 0x80;
        const unsigned highest = first == 0xED ? 0x9F : 0xBF;
        const bool fits = byte(1) >= lowest && byte(1) <= highest && is_continuation(byte(2));
        return fits ? 3 : 0;
    }
    if (first >= 0xF0 && first < 0xF5) {
        const unsigned lowest = first == 0xF0 ? 0x90 : 0x80;
        const unsigned highest = first == 0xF4 ? 0x8F : 0xBF;
        const bool fits = byte(1) >= lowest && byte(1) <= highest && is_continuation(byte(2)) &&
                          is_continuation(byte(3));
        return fits ? 4 : 0;
    }
    return 0;
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = utf8_length(text.substr(i));
        if (length == 0) return false;
        i += length;
    }
    return true;
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

DelimitedText::DelimitedText(std::string name, ByteStream bytes)
    : name_(std::move(name)), bytes_(std::move(bytes)), buffer_(buffer_bytes) {
    if (!read_row_line()) throw FormatError(name_, "is empty: there is no header line");
    find_separator();
    split_row();
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = 0; i < ends_.size(); ++i) columns_.emplace_back(cell(i));
    for (const std::string& column : columns_) {
        if (!column.empty() && !seen.insert(column).second) {
            fail(fmt::format("column '{}' stands twice", printable(column)));
        }
    }
}

bool DelimitedText::next() {
    if (!read_row_line()) return false;
    split_row();
    if (ends_.size() != columns_.size()) {
        fail(fmt::format("{} cells where the header has {}", ends_.size(), columns_.size()));
    }
    return true;
}

std::string_view DelimitedText::cell(std::size_t column) const {
    const auto [begin, end] = ends_[column];
    return std::string_view(cells_).substr(begin, end - begin);
}

void DelimitedText::fail(const std::string& reason) const {
    throw FormatError(name_, fmt::format("line {}: {}", row_line_, reason));
}

/// Appends the next line, without its end, to text_.
bool DelimitedText::read_line() {
    const std::size_t start = text_.size();
    bool found_any = false;
    for (;;) {
        if (buffer_begin_ == buffer_end_) {
            buffer_begin_ = 0;
            buffer_end_ = bytes_(buffer_.data(), buffer_.size());
            if (buffer_end_ == 0) break;
        }
        found_any = true;
        const char* const begin = buffer_.data() + buffer_begin_;
        const std::size_t available = buffer_end_ - buffer_begin_;
        const auto* const end = static_cast<const char*>(std::memchr(begin, '\n', available));
        const std::size_t length =
            end == nullptr ? available : static_cast<std::size_t>(end - begin);
        if (text_.size() + length > longest_row) {
            fail(fmt::format("longer than {} bytes (a quote that never closes, or no text)",
                             longest_row));
        }
        text_.append(begin, length);
        buffer_begin_ += length + (end == nullptr ? 0 : 1);
        if (end != nullptr) break;
    }
    if (!found_any) return false;
    ++line_;
    if (text_.size() > start && text_.back() == '\r') text_.pop_back();
    return true;
}

/// Puts the next line that is neither empty nor a comment into text_.
bool DelimitedText::read_row_line() {
    do {
        text_.clear();
        row_line_ = line_ + 1;
        if (!read_line()) return false;
        if (row_line_ == 1 && text_.starts_with("\xEF\xBB\xBF")) text_.erase(0, 3);
    } while (text_.starts_with('#') || text_.find_first_not_of(" \t") == std::string::npos);
    check_line();
    return true;
}

void DelimitedText::check_line() const {
    if (text_.find('\0') != std::string::npos) fail("a NUL byte: no text, or not UTF-8");
    if (text_.find('\r') != std::string::npos) fail("a carriage return without a line feed");
    if (!is_ascii(text_) && !is_utf8(text_)) fail("bytes that are not UTF-8");
}

void DelimitedText::find_separator() {
    std::array<std::pair<char, int>, 4> counts = {{{',', 0}, {';', 0}, {'|', 0}, {'\t', 0}}};
    bool quoted = false;
    for (const char c : text_) {
        if (c == '"') quoted = !quoted;
        for (auto& [separator, count] : counts) count += !quoted && c == separator ? 1 : 0;
    }
    separator_ = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
                     return a.second < b.second;
                 })->first;
}

/// Cuts text_ into cells_; reads further lines where a quoted cell goes on.
void DelimitedText::split_row() {
    cells_.clear();
    ends_.clear();
    const auto is_blank = [&](char c) { return c == ' ' || (c == '\t' && separator_ != '\t'); };
    for (std::size_t position = 0;; ++position) {
        while (position < text_.size() && is_blank(text_[position])) ++position;
        const std::size_t begin = cells_.size();
        if (position < text_.size() && text_[position] == '"') {
            position = take_quoted(position + 1);
            while (position < text_.size() && is_blank(text_[position])) ++position;
            if (position < text_.size() && text_[position] != separator_) {
                fail("text behind a closing quote");
            }
            ends_.emplace_back(begin, cells_.size());
        } else {
            const std::size_t end = std::min(text_.find(separator_, position), text_.size());
            cells_.append(text_, position, end - position);
            std::size_t last = cells_.size();
            while (last > begin && is_blank(cells_[last - 1])) --last;
            ends_.emplace_back(begin, last);
            position = end;
        }
        if (position >= text_.size()) return;
    }
}

/// Appends the quoted cell whose text begins at `position` to cells_; returns the position behind
/// the closing quote.
std::size_t DelimitedText::take_quoted(std::size_t position) {
    for (;; ++position) {
        const std::size_t quote = text_.find('"', position);
        if (quote == std::string::npos) {
            cells_.append(text_, position);
            cells_ += '\n';
            // What was cut stays away: a row of many lines is as long as its cells.
            text_.clear();
            if (cells_.size() > longest_row || !read_line()) fail("a quote that never closes");
            check_line();
            position = std::size_t(-1);
            continue;
        }
        cells_.append(text_, position, quote - position);
        if (quote + 1 >= text_.size() || text_[quote + 1] != '"') return quote + 1;
        cells_ += '"';
        position = quote + 1;
    }
}

}  // namespace balmer::data
