#include "data/fits/fits_gate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "data/fits/file_bytes.h"
#include "data/fits/fits_card.h"
#include "data/fits/fits_header.h"
#include "data/spectrum.h"

namespace balmer::data {
namespace {

constexpr std::size_t listed_columns = 40;

/// a * b for factors that must not be negative; empty on overflow or a negative factor.
std::optional<std::int64_t> checked_product(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &result)) return std::nullopt;
    return result;
}

std::optional<std::int64_t> checked_sum(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    if (b < 0 || __builtin_add_overflow(a, b, &result)) return std::nullopt;
    return result;
}

HduKind kind_of(const FitsHeader& header) {
    if (header.has("SIMPLE")) return HduKind::image;
    const std::string extension = header.text("XTENSION");
    if (extension == "IMAGE") return HduKind::image;
    if (extension == "BINTABLE") return HduKind::binary_table;
    if (extension == "TABLE") return HduKind::ascii_table;
    return HduKind::other;
}

/// Bytes that one row of a binary table spends on a column (FITS standard 4.0, table 18).
std::optional<std::int64_t> binary_width(char type, std::int64_t repeat) {
    switch (type) {
        case 'X':
            return repeat / 8 + (repeat % 8 != 0 ? 1 : 0);
        case 'L':
        case 'B':
        case 'A':
            return repeat;
        case 'I':
            return checked_product(repeat, 2);
        case 'J':
        case 'E':
            return checked_product(repeat, 4);
        case 'K':
        case 'D':
        case 'C':
        case 'P':
            return checked_product(repeat, 8);
        case 'M':
        case 'Q':
            return checked_product(repeat, 16);
        default:
            return std::nullopt;
    }
}

/// Fills type and repeat from a binary TFORM, `rT...`; returns the width in bytes or nothing.
std::optional<std::int64_t> parse_binary_form(FitsColumn& column) {
    const std::string& form = column.format;
    const char* const end = form.data() + form.size();
    const auto [next, error] = std::from_chars(form.data(), end, column.repeat);
    if (error == std::errc::result_out_of_range || column.repeat < 0) return std::nullopt;
    if (error == std::errc::invalid_argument) column.repeat = 1;
    if (next == end) return std::nullopt;
    column.type = static_cast<char>(std::toupper(static_cast<unsigned char>(*next)));
    if ((column.type == 'P' || column.type == 'Q') && column.repeat > 1) return std::nullopt;
    return binary_width(column.type, column.repeat);
}

/// Fills type and repeat from an ASCII TFORM, `Tw.d`; returns the width w or nothing.
std::optional<std::int64_t> parse_ascii_form(FitsColumn& column) {
    const std::string& form = column.format;
    if (form.size() < 2 || std::string_view("AIFED").find(form[0]) == std::string_view::npos) {
        return std::nullopt;
    }
    std::int64_t width = 0;
    const auto parsed = std::from_chars(form.data() + 1, form.data() + form.size(), width);
    if (parsed.ec != std::errc{} || width < 1) return std::nullopt;
    column.type = form[0];
    column.repeat = column.type == 'A' ? width : 1;
    return width;
}

/// True also where the file ends within the word: that is a truncated header, not a leftover.
bool begins_extension(std::string_view rest) {
    static constexpr std::string_view word = "XTENSION";
    return !rest.empty() && word.starts_with(rest.substr(0, word.size()));
}

class Gate {
  public:
    Gate(const std::string& path, std::string_view file, const GateOptions& options)
        : path_(path), file_(file), options_(options) {}

    /// All HDUs; `end` becomes the first byte after the padded data of the last.
    std::vector<Hdu> walk(std::int64_t& end) const;

  private:
    std::int64_t size() const { return static_cast<std::int64_t>(file_.size()); }
    std::string_view from(std::int64_t offset) const {
        return file_.substr(static_cast<std::size_t>(std::min(offset, size())));
    }
    void require_fits() const;
    Hdu describe(const HduContext& context, const FitsHeader& header) const;
    void describe_columns_of(const HduContext& context, const FitsHeader& header, Hdu& hdu) const;
    std::int64_t data_bytes(const HduContext& context, const FitsHeader& header,
                            const Hdu& hdu) const;
    void require_no_corrupt_hdu(const HduContext& context, std::int64_t offset) const;

    const std::string& path_;
    std::string_view file_;
    const GateOptions& options_;
};

void Gate::require_fits() const {
    if (file_.empty()) throw SpectrumError(path_, Status::not_fits, "the file is empty");
    if (!file_.starts_with("SIMPLE  =")) {
        throw SpectrumError(path_, Status::not_fits,
                            fmt::format("no FITS file: it has {} bytes and begins with '{}', not "
                                        "with 'SIMPLE  ='",
                                        file_.size(), printable(file_, 20)));
    }
}

std::vector<Hdu> Gate::walk(std::int64_t& end) const {
    require_fits();
    std::vector<Hdu> hdus;
    std::int64_t offset = 0;
    while (offset == 0 || begins_extension(from(offset))) {
        const HduContext context{path_, static_cast<std::int64_t>(hdus.size())};
        if (context.index >= options_.hdu_limit) {
            context.fail(Status::bad_structure,
                         fmt::format("more than {} HDUs", options_.hdu_limit));
        }
        const FitsHeader header(context, file_, offset, options_.card_limit);
        hdus.push_back(describe(context, header));
        // describe() made sure that the data lie within the file, so this cannot overflow.
        offset = hdus.back().data_offset + *round_up_to_block(hdus.back().data_bytes);
    }
    require_no_corrupt_hdu({path_, static_cast<std::int64_t>(hdus.size())}, offset);
    end = offset;
    return hdus;
}

Hdu Gate::describe(const HduContext& context, const FitsHeader& header) const {
    Hdu hdu;
    hdu.index = context.index;
    hdu.kind = kind_of(header);
    hdu.name = header.text("EXTNAME");
    const std::int64_t axes = header.integer("NAXIS");
    for (std::int64_t axis = 1; axis <= axes; ++axis) {
        const std::int64_t length = header.integer(fmt::format("NAXIS{}", axis));
        if (length < 0) {
            context.fail(Status::bad_structure, fmt::format("NAXIS{} = {}", axis, length));
        }
        hdu.axes.push_back(length);
    }
    if (hdu.is_table()) describe_columns_of(context, header, hdu);
    hdu.data_offset = header.data_offset();
    hdu.data_bytes = data_bytes(context, header, hdu);
    const std::int64_t available = size() - hdu.data_offset;
    if (hdu.data_bytes > available) {
        context.fail(Status::truncated, fmt::format("the data need {} bytes, the file has {} left",
                                                    hdu.data_bytes, available));
    }
    hdu.compressed = header.is_set("ZIMAGE") || header.is_set("ZTABLE");
    if (hdu.compressed && !options_.allow_compressed) {
        context.fail(Status::compressed_image,
                     "tile-compressed; read only with --allow-compressed");
    }
    return hdu;
}

void Gate::describe_columns_of(const HduContext& context, const FitsHeader& header,
                               Hdu& hdu) const {
    if (hdu.axes.size() != 2 || header.integer("BITPIX") != 8) {
        context.fail(Status::bad_structure, fmt::format("a table with NAXIS = {} and BITPIX = {}",
                                                        hdu.axes.size(), header.integer("BITPIX")));
    }
    const std::int64_t fields = header.integer("TFIELDS");
    if (fields < 0 || fields > 999) {
        context.fail(Status::bad_structure, fmt::format("TFIELDS = {}, not within 0..999", fields));
    }
    std::int64_t row_bytes = 0;
    for (std::int64_t field = 1; field <= fields; ++field) {
        const std::string form_keyword = fmt::format("TFORM{}", field);
        if (!header.has(form_keyword)) {
            context.fail(Status::bad_structure,
                         fmt::format("TFIELDS = {}, but {} is missing", fields, form_keyword));
        }
        FitsColumn column;
        column.name = header.text(fmt::format("TTYPE{}", field));
        column.unit = header.text(fmt::format("TUNIT{}", field));
        column.format = header.text(form_keyword);
        const bool binary = hdu.kind == HduKind::binary_table;
        const auto width = binary ? parse_binary_form(column) : parse_ascii_form(column);
        // An ASCII column starts where TBCOL says (1 = first character).
        const std::optional<std::int64_t> first =
            binary ? row_bytes : checked_sum(-1, header.integer(fmt::format("TBCOL{}", field)));
        const auto last =
            width && first && *first >= 0 ? checked_sum(*first, *width) : std::nullopt;
        if (!last) {
            context.fail(Status::bad_structure,
                         fmt::format("{} = '{}' is no column that can be", form_keyword,
                                     printable(column.format)));
        }
        row_bytes = std::max(row_bytes, *last);
        hdu.columns.push_back(std::move(column));
    }
    const bool fits =
        hdu.kind == HduKind::binary_table ? row_bytes == hdu.axes[0] : row_bytes <= hdu.axes[0];
    if (!fits) {
        context.fail(Status::bad_structure,
                     fmt::format("NAXIS1 = {} bytes a row, but its {} columns take {}", hdu.axes[0],
                                 fields, row_bytes));
    }
}

std::int64_t Gate::data_bytes(const HduContext& context, const FitsHeader& header,
                              const Hdu& hdu) const {
    const std::int64_t bitpix = header.integer("BITPIX");
    if (bitpix != 8 && bitpix != 16 && bitpix != 32 && bitpix != 64 && bitpix != -32 &&
        bitpix != -64) {
        context.fail(Status::bad_structure, fmt::format("BITPIX = {}", bitpix));
    }
    const std::int64_t pcount = header.integer_or("PCOUNT", 0);
    const std::int64_t gcount = header.integer_or("GCOUNT", 1);
    const bool random_groups =
        !hdu.axes.empty() && hdu.axes[0] == 0 && hdu.index == 0 && header.is_set("GROUPS");
    // Another GCOUNT would free NAXISn from the size of the file.
    if (gcount != 1 && !random_groups && hdu.kind != HduKind::other) {
        context.fail(Status::bad_structure, fmt::format("GCOUNT = {}, not 1", gcount));
    }
    std::optional<std::int64_t> total = hdu.axes.empty() ? 0 : 1;
    for (std::size_t axis = random_groups ? 1 : 0; axis < hdu.axes.size() && total; ++axis) {
        total = checked_product(*total, hdu.axes[axis]);
    }
    if (total) total = checked_sum(*total, pcount);
    if (total) total = checked_product(*total, gcount);
    if (total) total = checked_product(*total, (bitpix < 0 ? -bitpix : bitpix) / 8);
    if (!total || *total > options_.byte_limit) {
        context.fail(
            Status::bad_structure,
            fmt::format("the header describes data of {} bytes (BITPIX {}, axes [{}], PCOUNT {}, "
                        "GCOUNT {}); the file has {}",
                        total ? fmt::to_string(*total) : "more than 2^63", bitpix,
                        fmt::join(hdu.axes, ", "), pcount, gcount, size()));
    }
    const std::int64_t heap = header.integer_or("THEAP", *total - pcount);
    if (hdu.kind == HduKind::binary_table && (heap < *total - pcount || heap > *total)) {
        context.fail(Status::bad_structure,
                     fmt::format("THEAP = {} lies outside {}..{}", heap, *total - pcount, *total));
    }
    return *total;
}

/// Some files carry padding or leftovers of other tools after the last HDU. What still looks like a
/// header is a corrupt HDU, not a leftover.
void Gate::require_no_corrupt_hdu(const HduContext& context, std::int64_t offset) const {
    const std::string_view rest = from(offset);
    const auto length = static_cast<std::int64_t>(rest.size());
    const std::string_view block = rest.substr(0, fits_block_bytes);
    const auto letters =
        std::count_if(block.begin(), block.end(), [](char c) { return c > ' ' && c <= '~'; });
    const auto text = letters + std::count(block.begin(), block.end(), ' ');
    bool corrupt = length >= fits_block_bytes && letters > 0 && text * 10 >= fits_block_bytes * 6;
    for (std::int64_t card = 0; card + fits_card_bytes <= length && !corrupt;
         card += fits_card_bytes) {
        const auto position = static_cast<std::size_t>(card);
        corrupt = (card % fits_block_bytes == 0 && rest.substr(position, 8) == "XTENSION") ||
                  rest.substr(position, 8) == "END     ";
    }
    if (corrupt) {
        context.fail(
            Status::bad_structure,
            fmt::format("corrupt: its header begins with '{}', not with XTENSION ({} bytes "
                        "from byte {} on)",
                        printable(rest, 20), length, offset));
    }
}

}  // namespace

bool same_name(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) ==
               std::tolower(static_cast<unsigned char>(b));
    });
}

const FitsColumn* Hdu::column(std::string_view wanted) const {
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const FitsColumn& column) {
        return same_name(column.name, wanted);
    });
    return found == columns.end() ? nullptr : &*found;
}

GatedFits check_fits(const std::string& path, std::vector<char> bytes, const GateOptions& options) {
    GatedFits result;
    std::int64_t end = 0;
    result.hdus = Gate(path, {bytes.data(), bytes.size()}, options).walk(end);
    result.trailing_bytes =
        std::max<std::int64_t>(static_cast<std::int64_t>(bytes.size()) - end, 0);
    // CFITSIO reads whole blocks: a last block that is not full is completed.
    bytes.resize(static_cast<std::size_t>(end), '\0');
    result.bytes = std::move(bytes);
    return result;
}

GatedFits open_fits_gate(const std::string& path, const GateOptions& options) {
    return check_fits(path, read_file_bytes(path, options.byte_limit), options);
}

std::string describe_columns(const Hdu& hdu) {
    std::vector<std::string> names;
    for (const FitsColumn& column : hdu.columns) {
        if (names.size() == listed_columns) {
            names.push_back(fmt::format("... {} more", hdu.columns.size() - names.size()));
            break;
        }
        names.push_back(printable(column.name));
    }
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string describe_hdus(const std::vector<Hdu>& hdus) {
    constexpr std::size_t listed_hdus = 8;
    std::vector<std::string> lines;
    for (const Hdu& hdu : hdus) {
        if (lines.size() == listed_hdus) {
            lines.push_back(fmt::format("... {} more HDUs", hdus.size() - lines.size()));
            break;
        }
        const std::string name = hdu.name.empty() ? "" : fmt::format(" {}", printable(hdu.name));
        if (hdu.is_table()) {
            lines.push_back(fmt::format("HDU {}{} table, {} rows, columns {}", hdu.index, name,
                                        hdu.rows(), describe_columns(hdu)));
        } else {
            lines.push_back(
                fmt::format("HDU {}{} image [{}]", hdu.index, name, fmt::join(hdu.axes, ", ")));
        }
    }
    return fmt::format("{}", fmt::join(lines, "; "));
}

}  // namespace balmer::data
