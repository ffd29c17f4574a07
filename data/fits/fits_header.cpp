#include "data/fits/fits_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "data/fits/fits_card.h"

namespace balmer::data {
namespace {

/// Keywords that only describe: standing twice, they change no size.
bool is_descriptive(std::string_view keyword) {
    return keyword == "EXTNAME" || card_index(keyword, "TTYPE") || card_index(keyword, "TUNIT");
}

bool is_structural(std::string_view keyword) {
    static constexpr std::array<std::string_view, 11> names = {
        "SIMPLE", "XTENSION", "BITPIX", "NAXIS",  "PCOUNT", "GCOUNT",
        "GROUPS", "TFIELDS",  "THEAP",  "ZIMAGE", "ZTABLE"};
    return std::find(names.begin(), names.end(), keyword) != names.end() ||
           card_index(keyword, "NAXIS") || card_index(keyword, "TFORM") ||
           card_index(keyword, "TBCOL") || is_descriptive(keyword);
}

/// Numbers that CFITSIO takes from the cards of a header when it opens an HDU.
bool is_scaling(std::string_view keyword) {
    return keyword == "BSCALE" || keyword == "BZERO" || keyword == "BLANK" ||
           card_index(keyword, "TSCAL") || card_index(keyword, "TZERO") ||
           card_index(keyword, "TNULL");
}

std::string_view card_at(std::string_view file, std::int64_t offset) {
    return file.substr(static_cast<std::size_t>(offset), fits_card_bytes);
}

}  // namespace

void HduContext::fail(Status status, const std::string& detail) const {
    throw SpectrumError(path, status, fmt::format("HDU {}: {}", index, detail));
}

std::optional<std::int64_t> round_up_to_block(std::int64_t bytes) {
    std::int64_t raised = 0;
    if (__builtin_add_overflow(bytes, fits_block_bytes - 1, &raised)) return std::nullopt;
    return raised / fits_block_bytes * fits_block_bytes;
}

FitsHeader::FitsHeader(const HduContext& context, std::string_view file, std::int64_t offset,
                       std::int64_t card_limit)
    : context_(context) {
    const auto size = static_cast<std::int64_t>(file.size());
    for (std::int64_t position = offset;; position += fits_card_bytes, ++card_count_) {
        if (position + fits_card_bytes > size) {
            context_.fail(
                Status::truncated,
                fmt::format("the file of {} bytes ends after {} header cards, without END", size,
                            card_count_));
        }
        if (card_count_ >= card_limit) {
            context_.fail(Status::bad_structure,
                          fmt::format("more than {} header cards without END", card_limit));
        }
        const std::string_view card = card_at(file, position);
        if (is_end_card(card)) {
            data_offset_ = offset + *round_up_to_block(position + fits_card_bytes - offset);
            if (data_offset_ > size) {
                context_.fail(Status::truncated,
                              fmt::format("the file ends at byte {}, within a header of {}", size,
                                          data_offset_ - offset));
            }
            break;
        }
        keep(card_keyword(card), card);
    }
    require_order(file, offset);
}

void FitsHeader::keep(std::string_view keyword, std::string_view card) {
    if (card_count_ > 0 && (keyword == "SIMPLE" || keyword == "XTENSION")) {
        context_.fail(
            Status::bad_structure,
            fmt::format("no END: {} begins another header at card {}", keyword, card_count_ + 1));
    }
    if (is_scaling(keyword)) require_short_or_number(keyword, card);
    if (!is_structural(keyword)) return;
    const auto [place, is_new] = cards_.emplace(keyword, card);
    if (is_new || place->second == card || is_descriptive(keyword)) return;
    context_.fail(Status::bad_structure,
                  fmt::format("{} stands twice with different values", keyword));
}

void FitsHeader::require_short_or_number(std::string_view keyword, std::string_view card) const {
    // CFITSIO 4.2.0 overruns its message for a longer one that is none; the null of an ASCII table
    // is a text.
    constexpr std::size_t longest = 20;
    const std::string value = card_value(card).value_or("");
    if (value.size() <= longest || parse_fits_real(value)) return;
    context_.fail(Status::bad_structure,
                  fmt::format("{} = '{}' is no number", keyword, printable(value)));
}

void FitsHeader::require_order(std::string_view file, std::int64_t offset) const {
    std::vector<std::string> expected = {"BITPIX", "NAXIS"};
    const std::int64_t axes = integer("NAXIS");
    if (axes < 0 || axes > 999) {
        context_.fail(Status::bad_structure, fmt::format("NAXIS = {}, not within 0..999", axes));
    }
    for (std::int64_t axis = 1; axis <= axes; ++axis) {
        expected.push_back(fmt::format("NAXIS{}", axis));
    }
    // CFITSIO takes the columns of a table from where this keyword should stand, unchecked.
    const std::string extension = text("XTENSION");
    if (extension == "BINTABLE" || extension == "TABLE") {
        expected.insert(expected.end(), {"PCOUNT", "GCOUNT", "TFIELDS"});
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const std::int64_t number = static_cast<std::int64_t>(i) + 1;
        const std::string_view keyword =
            number < card_count_ ? card_keyword(card_at(file, offset + number * fits_card_bytes))
                                 : std::string_view{};
        if (keyword != expected[i]) {
            context_.fail(Status::bad_structure,
                          fmt::format("card {} is '{}' where {} must stand", number + 1,
                                      printable(keyword), expected[i]));
        }
    }
}

std::int64_t FitsHeader::integer(std::string_view keyword) const {
    const auto card = cards_.find(keyword);
    if (card == cards_.end()) {
        context_.fail(Status::bad_structure, fmt::format("{} is missing", keyword));
    }
    const auto value = card_integer(card->second);
    if (!value) {
        context_.fail(Status::bad_structure,
                      fmt::format("'{}' holds no 64-bit integer", printable(card->second)));
    }
    return *value;
}

std::int64_t FitsHeader::integer_or(std::string_view keyword, std::int64_t fallback) const {
    return has(keyword) ? integer(keyword) : fallback;
}

std::string FitsHeader::text(std::string_view keyword) const {
    const auto card = cards_.find(keyword);
    return card == cards_.end() ? std::string{} : card_text(card->second).value_or("");
}

bool FitsHeader::is_set(std::string_view keyword) const {
    const auto card = cards_.find(keyword);
    return card != cards_.end() && card_logical(card->second).value_or(true);
}

}  // namespace balmer::data
