#include "weights/strict_json.h"

#include <fmt/core.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "kernels/core/error.h"

namespace balmer::weights {
namespace {

using json = nlohmann::json;

constexpr std::size_t deepest_nesting = 64;

/// Position of the first byte that is not UTF-8 (RFC 3629), or npos.
std::size_t find_invalid_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<unsigned char>(text[i]);
        std::size_t length = 1;
        std::uint32_t smallest = 0;
        std::uint32_t code = lead;
        if (lead >= 0x80) {
            if (lead >= 0xc2 && lead <= 0xdf) {
                length = 2, smallest = 0x80, code = lead & 0x1fU;
            } else if (lead >= 0xe0 && lead <= 0xef) {
                length = 3, smallest = 0x800, code = lead & 0x0fU;
            } else if (lead >= 0xf0 && lead <= 0xf4) {
                length = 4, smallest = 0x10000, code = lead & 0x07U;
            } else {
                return i;
            }
        }
        if (text.size() - i < length) return i;
        for (std::size_t k = 1; k < length; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            if ((next & 0xc0U) != 0x80U) return i;
            code = (code << 6) | (next & 0x3fU);
        }
        if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return i;
        i += length;
    }
    return std::string_view::npos;
}

/// Follows the parser's events; throws at the first fault.
class StrictHandler : public json::json_sax_t {
  public:
    StrictHandler(const std::string& path, std::string_view what) : path_(path), what_(what) {}

    bool start_object(std::size_t) override { return enter(); }
    bool end_object() override { return leave(); }
    bool start_array(std::size_t) override { return enter(); }
    bool end_array() override { return leave(); }

    bool key(std::string& name) override {
        if (!open_.back().insert(name).second) {
            throw FormatError(path_, fmt::format("{} repeats the key {}", what_, in_quotes(name)));
        }
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
        throw FormatError(path_, fmt::format("{} is not JSON (error at byte {})", what_, position));
    }

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(std::int64_t) override { return true; }
    bool number_unsigned(std::uint64_t) override { return true; }
    bool number_float(double, const std::string&) override { return true; }
    bool string(std::string&) override { return true; }
    bool binary(json::binary_t&) override { return true; }

  private:
    bool enter() {
        if (open_.size() == deepest_nesting) {
            throw FormatError(path_,
                              fmt::format("{} is nested more than {} deep", what_, open_.size()));
        }
        open_.emplace_back();
        return true;
    }
    bool leave() {
        open_.pop_back();
        return true;
    }

    const std::string& path_;
    std::string_view what_;
    std::vector<std::unordered_set<std::string>> open_;  // the keys seen, one set a level
};

}  // namespace

void expect_strict_json(const std::string& path, std::string_view what, std::string_view text) {
    const std::size_t invalid = find_invalid_utf8(text);
    if (invalid != std::string_view::npos) {
        throw FormatError(path, fmt::format("{} is not UTF-8 (byte {})", what, invalid + 1));
    }
    // The parser takes a NUL byte for the end of its input.
    const std::size_t nul = text.find('\0');
    if (nul != std::string_view::npos) {
        throw FormatError(path, fmt::format("{} is not JSON (error at byte {})", what, nul + 1));
    }
    StrictHandler handler(path, what);
    json::sax_parse(text.begin(), text.end(), &handler);
}

std::string in_quotes(std::string_view name) {
    constexpr std::size_t longest = 200;
    std::string text = "'";
    for (const char c : name.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            text += fmt::format("\\x{:02x}", byte);
        } else {
            text += c;
        }
    }
    return text + (name.size() > longest ? "...'" : "'");
}

}  // namespace balmer::weights
