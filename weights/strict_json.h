#pragma once
// What JSON parsers let pass and configurations must not: repeated keys, bad UTF-8, deep nesting.

#include <string>
#include <string_view>

namespace balmer::weights {

/// FormatError naming `path` and `what` ("header", "configuration") unless `text` is UTF-8 and one
/// JSON value (RFC 8259) that repeats no key in any object and nests at most 64 deep.
void expect_strict_json(const std::string& path, std::string_view what, std::string_view text);

/// A name from a file in single quotes, fit for a one-line message: control characters escaped,
/// long names shortened.
std::string in_quotes(std::string_view name);

}  // namespace balmer::weights
