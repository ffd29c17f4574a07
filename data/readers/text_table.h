#pragma once
// A spectrum as text: one pixel a line, columns of numbers named by a header.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/readers/wavelength_scale.h"

namespace balmer::data {

struct TextColumn {
    std::string
        name;  ///< lower case, without unit and medium: "wavelength" of "Wavelength_air[nm]"
    WavelengthScale stated;  ///< of a wavelength: what its title says
    std::vector<double> values;
};

struct TextTable {
    bool has_titles = true;  ///< false: the columns are nameless
    std::vector<TextColumn> columns;

    /// The first column whose name is among `names`, or nullptr.
    const TextColumn* column(const std::vector<std::string_view>& names) const;
};

/// Names that stand for the wavelength, for its log10 in A, for the flux and for a mask (not 0 is
/// bad).
const std::vector<std::string_view>& wavelength_titles();
const std::vector<std::string_view>& log_wavelength_titles();
const std::vector<std::string_view>& flux_titles();
const std::vector<std::string_view>& mask_titles();

/// As many bytes as the next two want to see of a file.
inline constexpr std::int64_t text_spectrum_start = 1 << 14;

/// Whether `start`, the first bytes of a file, begins a table of numbers of which a title names a
/// wavelength and another a flux.
bool begins_text_spectrum(std::string_view start);

/// The same, or the flux is missing, or there are no titles at all: what a user may have meant as a
/// spectrum when naming the file.
bool may_begin_text_spectrum(std::string_view start);

/// Reads a table of numbers. Accepted: cells between `,` `;` `|` tabs or blanks (found from the
/// first row), a UTF-8 byte-order mark, LF or CRLF, lines that begin with '#' (the last one before
/// the first row may hold the titles), empty lines, titles in any case with a unit in brackets or
/// behind an underscore ("lambda_nm", "Wavelength [A]", "wave_air"). An empty cell, "nan" and "--"
/// are no numbers (NaN).
///
/// Throws SpectrumError naming `path` and the line: bad_structure (a row of another length, a cell
/// that holds no number, a NUL byte), no_rows.
TextTable parse_text_table(const std::string& path, std::string_view text);

}  // namespace balmer::data
