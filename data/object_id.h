#pragma once
// Object ids as surveys print them. A Spectrum keeps the 64 bits of an id in a signed number;
// SDSS's SPECOBJID is unsigned, and above 2^63 from plate 8192 on
// (https://www.sdss.org/dr17/help/glossary/#specobjid).

#include <cstdint>
#include <string>
#include <string_view>

namespace balmer::data {

/// Whether ids of the survey ("sdss", "lamost", ...) are unsigned numbers.
inline bool has_unsigned_ids(std::string_view survey) {
    return survey == "sdss";
}

/// The id in decimal digits, as the survey prints it.
inline std::string id_text(std::string_view survey, std::int64_t id) {
    return has_unsigned_ids(survey) ? std::to_string(static_cast<std::uint64_t>(id))
                                    : std::to_string(id);
}

}  // namespace balmer::data
