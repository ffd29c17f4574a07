#pragma once
// The structure gate: what stands between a file from a user and CFITSIO.
//
// CFITSIO believes what a header says (2^63-1 rows in a 14 KB file read "successfully"), answers
// "one HDU" when the second is corrupt, and treats file names as a small language. So Balmer reads
// the bytes itself, walks every HDU with checked arithmetic, and only then hands the bytes over.
// Source: FITS standard 4.0, sections 3, 4 and 7.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace balmer::data {

enum class HduKind : std::uint8_t { image, binary_table, ascii_table, other };

/// One column of a table. `type` is the letter of TFORM (binary: L X B I J K A E D C M P Q; ASCII:
/// A I F E D), `repeat` the number of elements in a row (characters for A; 1 in ASCII tables).
struct FitsColumn {
    std::string name;  ///< TTYPEn; empty if absent
    std::string format;
    char type = ' ';
    std::int64_t repeat = 0;
    std::string unit;  ///< TUNITn; empty if absent
};

/// What a header describes, after it was found to fit into the file.
struct Hdu {
    std::int64_t index = 0;  ///< 0 = primary
    HduKind kind = HduKind::image;
    std::string name;                 ///< EXTNAME; empty if absent
    std::vector<std::int64_t> axes;   ///< NAXIS1, NAXIS2, ... (the first varies fastest)
    std::vector<FitsColumn> columns;  ///< tables only
    std::int64_t data_offset = 0;     ///< bytes
    std::int64_t data_bytes = 0;      ///< without padding
    bool compressed = false;          ///< ZIMAGE or ZTABLE

    bool is_table() const { return kind == HduKind::binary_table || kind == HduKind::ascii_table; }
    /// Rows of a table; 0 for other kinds.
    std::int64_t rows() const { return is_table() ? axes[1] : 0; }
    /// The column of that name in any case, or nullptr.
    const FitsColumn* column(std::string_view wanted) const;
};

struct GateOptions {
    std::int64_t byte_limit = std::int64_t{1} << 29;  ///< of the file, also after inflation
    std::int64_t card_limit = 36000;                  ///< header cards of one HDU
    std::int64_t hdu_limit = 10000;
    bool allow_compressed = false;  ///< let tile-compressed HDUs through to CFITSIO
};

/// A file that passed: its bytes (inflated, cut after the last HDU and padded to whole blocks) and
/// what they hold.
struct GatedFits {
    std::vector<char> bytes;
    std::vector<Hdu> hdus;
    std::int64_t trailing_bytes = 0;  ///< padding or garbage found after the last HDU, and cut
};

/// Reads a file literally (see read_file_bytes) and checks its structure (see check_fits).
GatedFits open_fits_gate(const std::string& path, const GateOptions& options = {});

/// Walks all HDUs of `bytes`. `path` only names the file in errors.
///
/// Accepted besides standard files: a last block that is not full, padding or unstructured bytes
/// after the last HDU, cards that are not standard outside the mandatory keywords.
///
/// Throws SpectrumError: not_fits (empty or no SIMPLE), truncated (a header without END, data that
/// the file is too short for: with expected and actual bytes), bad_structure (mandatory keywords
/// missing, out of order or duplicate, sizes that overflow or exceed the byte limit, columns that
/// do not add up to NAXIS1, a corrupt HDU, too many cards), compressed_image.
GatedFits check_fits(const std::string& path, std::vector<char> bytes,
                     const GateOptions& options = {});

/// One line that lists HDUs, their shapes and columns, for error messages.
std::string describe_hdus(const std::vector<Hdu>& hdus);

/// "flux, loglam, ivar", at most 40 of them.
std::string describe_columns(const Hdu& hdu);

/// Comparison of FITS names: in any case.
bool same_name(std::string_view left, std::string_view right);

}  // namespace balmer::data
