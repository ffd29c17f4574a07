#pragma once
// What a worker process sends about the file that it reads: messages in a compact binary form, from
// one process to another of the same program on the same machine.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "data/readers/reader.h"
#include "data/spectrum.h"

namespace balmer::data {

/// The last message about a file. `failure` says why reading it ended early.
struct EndOfFile {
    std::optional<SkippedRow> failure;
    std::string usage_error;  ///< what a UsageError said: the options are wrong, not the file
};

using Message = std::variant<Spectrum, SkippedRow, EndOfFile>;

/// Appends a message to `stream`: its length as u64, then its content.
void append_message(const Spectrum& spectrum, std::string& stream);
void append_message(const SkippedRow& row, std::string& stream);
void append_message(const EndOfFile& end, std::string& stream);

/// The content of the first message of `stream`; empty until all of it is there.
std::optional<std::string_view> first_message(std::string_view stream);
/// Bytes of the length in front of each content.
inline constexpr std::size_t message_head_bytes = sizeof(std::uint64_t);

/// True for the content of an EndOfFile.
bool is_last_message(std::string_view content);

/// The message with this content. FormatError if it is none: its sender was no longer sane.
Message parse_message(std::string_view content);

}  // namespace balmer::data
