#pragma once
// Tables as text: one header line, one line a row, cells between separators.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/catalogue/byte_stream.h"

namespace balmer::data {

/// Reads a table row by row; memory is bounded by the longest row (1 MiB at most).
///
/// Accepted: `,` `;` `|` or tab between cells (whichever stands most often in the header), cells in
/// double quotes (RFC 4180: `""` is a quote, separators and line ends may stand inside), a UTF-8
/// byte-order mark, LF or CRLF, lines that begin with `#`, empty lines, blanks around cells.
///
/// FormatError naming the file, the line and the reason: no header, a column named twice, a row
/// with more or fewer cells than the header, a quote that never closes, text behind a closing
/// quote, a NUL byte, bytes that are no UTF-8, a carriage return inside a line, a row above 1 MiB
/// (FAULTS 25-27).
class DelimitedText {
  public:
    /// `name` only names the table in errors.
    DelimitedText(std::string name, ByteStream bytes);

    /// As written, without blanks around them; columns may be nameless.
    const std::vector<std::string>& columns() const { return columns_; }
    char separator() const { return separator_; }

    /// Reads the next row; false at the end.
    bool next();
    /// A cell of the row that next() read; valid until it reads another.
    std::string_view cell(std::size_t column) const;
    /// The line on which that row begins; the first line of the table is 1.
    std::int64_t line() const { return row_line_; }

    /// Throws FormatError with the line of the row.
    [[noreturn]] void fail(const std::string& reason) const;

  private:
    bool read_line();
    bool read_row_line();
    void check_line() const;
    void find_separator();
    void split_row();
    std::size_t take_quoted(std::size_t position);

    std::string name_;
    ByteStream bytes_;
    std::vector<char> buffer_;
    std::size_t buffer_begin_ = 0;
    std::size_t buffer_end_ = 0;
    std::string text_;  ///< the line that is being split
    std::int64_t line_ = 0;
    std::int64_t row_line_ = 0;
    char separator_ = ',';
    std::vector<std::string> columns_;
    std::string cells_;                                      ///< one behind the other
    std::vector<std::pair<std::size_t, std::size_t>> ends_;  ///< begin and end of each in cells_
};

}  // namespace balmer::data
