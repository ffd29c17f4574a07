#pragma once
// A FITS file in memory that passed the gate, read by CFITSIO.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/fits/fits_gate.h"

namespace balmer::data {

/// Owns the bytes and CFITSIO's handle on them. HDUs are numbered from 0, rows from 0, columns go
/// by name in any case.
///
/// CFITSIO keeps one error stack for the whole process and, unless it was built reentrant, shared
/// tables as well: use FitsFile from one thread at a time per process.
///
/// What CFITSIO reports becomes SpectrumError(decoder_failed).
class FitsFile {
  public:
    /// `path` only names the file in errors.
    FitsFile(std::string path, GatedFits content);
    ~FitsFile();
    FitsFile(FitsFile&&) noexcept;
    FitsFile& operator=(FitsFile&&) noexcept;
    FitsFile(const FitsFile&) = delete;
    FitsFile& operator=(const FitsFile&) = delete;

    const std::string& path() const;
    const std::vector<Hdu>& hdus() const;
    /// The HDU of that EXTNAME (any case), or nullptr.
    const Hdu* hdu_named(std::string_view name) const;

    /// Which HDU's CHECKSUM or DATASUM disagrees with its bytes, in a line; empty if none does (or
    /// has one). Source: FITS standard 4.0, section 4.4.2.7.
    std::string checksum_fault() const;

    /// A header value; empty when the keyword is absent, undefined or of another type. A number
    /// written as a string ('123.4') counts as a number.
    std::optional<double> real_key(const Hdu& hdu, const std::string& keyword) const;
    std::optional<std::int64_t> integer_key(const Hdu& hdu, const std::string& keyword) const;
    /// Without leading and trailing blanks; empty optional also for a blank string.
    std::optional<std::string> text_key(const Hdu& hdu, const std::string& keyword) const;

    /// A whole column of numbers, row after row (`repeat` elements each).
    /// Throws SpectrumError(missing_column), listing the columns there are, when the column is
    /// absent or holds no numbers (integer_column: no integers).
    std::vector<float> float_column(const Hdu& hdu, std::string_view name) const;
    /// The same for one of `hdu.columns`, where names repeat.
    std::vector<float> float_column(const Hdu& hdu, const FitsColumn& column) const;
    std::vector<double> double_column(const Hdu& hdu, std::string_view name) const;
    /// Unsigned 64-bit values (K with TZERO 2^63) keep their bits: above 2^63 they come out
    /// negative.
    std::vector<std::int64_t> integer_column(const Hdu& hdu, std::string_view name) const;

    /// `rows` rows of a column from `first` on, as double_column and integer_column give them.
    std::vector<double> double_column(const Hdu& hdu, std::string_view name, std::int64_t first,
                                      std::int64_t rows) const;
    std::vector<std::int64_t> integer_column(const Hdu& hdu, std::string_view name,
                                             std::int64_t first, std::int64_t rows) const;
    /// The same of a column of strings, without blanks around them; missing_column for another.
    std::vector<std::string> text_column(const Hdu& hdu, std::string_view name, std::int64_t first,
                                         std::int64_t rows) const;

    /// One cell of a column; empty when the column is absent, of another type or has more than one
    /// element a row. Numbers that are not finite and blank strings are empty too.
    std::optional<double> real_cell(const Hdu& hdu, std::string_view name, std::int64_t row) const;
    std::optional<std::int64_t> integer_cell(const Hdu& hdu, std::string_view name,
                                             std::int64_t row) const;
    std::optional<std::string> text_cell(const Hdu& hdu, std::string_view name,
                                         std::int64_t row) const;

    /// Row `row` (from 0, counted over all axes but the first) of an image: axes[0] values; nothing
    /// else is read. Throws SpectrumError: bad_structure when there is no such row, missing_column
    /// when integers are asked for and the image holds floats.
    std::vector<float> float_image_row(const Hdu& hdu, std::int64_t row) const;
    std::vector<double> double_image_row(const Hdu& hdu, std::int64_t row) const;
    std::vector<std::int64_t> integer_image_row(const Hdu& hdu, std::int64_t row) const;

  private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace balmer::data
