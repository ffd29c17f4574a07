#include "data/fits/fits_file.h"

#include <fitsio.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "data/fits/fits_card.h"
#include "data/fits/fits_header.h"
#include "data/spectrum.h"

namespace balmer::data {
namespace {

std::string trim(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

bool holds_integers(const FitsColumn& column) {
    return std::string_view("BIJK").find(column.type) != std::string_view::npos;
}

bool holds_numbers(const FitsColumn& column) {
    return holds_integers(column) || column.type == 'E' || column.type == 'D';
}

std::vector<float> narrowed(const std::vector<double>& values) {
    // A double beyond the range of float becomes infinite and is masked later as not finite.
    return {values.begin(), values.end()};
}

}  // namespace

struct FitsFile::Implementation {
    std::string path;
    std::vector<char> bytes;
    std::vector<Hdu> hdus;
    // CFITSIO keeps the addresses of these two.
    void* buffer = nullptr;
    std::size_t size = 0;
    fitsfile* handle = nullptr;

    Implementation(std::string file_path, GatedFits content)
        : path(std::move(file_path)),
          bytes(std::move(content.bytes)),
          hdus(std::move(content.hdus)),
          buffer(bytes.data()),
          size(bytes.size()) {
        int status = 0;
        // The name is a constant: CFITSIO would run the user's path as an expression.
        fits_open_memfile(&handle, "spectrum", READONLY, &buffer, &size, 0, nullptr, &status);
        int count = 0;
        if (status == 0) fits_get_num_hdus(handle, &count, &status);
        const bool complete = status == 0 && count == static_cast<int>(hdus.size());
        if (complete) return;
        const std::string detail =
            status != 0
                ? error_text(status)
                : fmt::format("CFITSIO finds {} HDUs, the structure has {}", count, hdus.size());
        close();
        throw SpectrumError(path, Status::decoder_failed, detail);
    }
    ~Implementation() { close(); }
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;

    void close() {
        int status = 0;
        if (handle != nullptr) fits_close_file(handle, &status);
        handle = nullptr;
        fits_clear_errmsg();
    }

    static std::string error_text(int status) {
        std::array<char, FLEN_STATUS> summary{};
        fits_get_errstatus(status, summary.data());
        std::array<char, FLEN_ERRMSG> first{};
        fits_read_errmsg(first.data());
        fits_clear_errmsg();
        return fmt::format("CFITSIO error {} ({}) {}", status, summary.data(),
                           printable(first.data(), first.size()));
    }

    void require(int status, const Hdu& hdu) const {
        if (status == 0) return;
        throw SpectrumError(path, Status::decoder_failed,
                            fmt::format("HDU {}: {}", hdu.index, error_text(status)));
    }

    void select(const Hdu& hdu) const {
        int status = 0;
        fits_movabs_hdu(handle, static_cast<int>(hdu.index) + 1, nullptr, &status);
        require(status, hdu);
    }

    /// The first card of that keyword in a header; empty if there is none. CFITSIO is not asked: it
    /// moves to the HDU and parses its header again first, and its conversions to numbers overrun
    /// their message where a long value is none (4.2.0).
    std::string_view find_card(const Hdu& hdu, std::string_view keyword) const {
        std::int64_t begin = 0;
        if (hdu.index > 0) {
            const Hdu& before = hdus[static_cast<std::size_t>(hdu.index) - 1];
            begin = round_up_to_block(before.data_offset + before.data_bytes).value_or(0);
        }
        if (keyword.empty()) return {};
        const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
        const std::string_view text(bytes.data(), bytes.size());
        for (std::int64_t position = begin; position + fits_card_bytes <= hdu.data_offset;
             position += fits_card_bytes) {
            const std::string_view card =
                text.substr(static_cast<std::size_t>(position), fits_card_bytes);
            const bool may_be = lower(card[0]) == lower(keyword[0]);
            if (may_be && same_name(card_keyword(card), keyword)) return card;
        }
        return {};
    }

    std::optional<std::string> value(const Hdu& hdu, std::string_view keyword) const {
        return card_value(find_card(hdu, keyword));
    }

    int column_number(const Hdu& hdu, const FitsColumn& column) const {
        return static_cast<int>(&column - hdu.columns.data()) + 1;
    }

    const FitsColumn& numeric_column(const Hdu& hdu, std::string_view name, bool integers) const {
        return numeric_column(hdu, hdu.column(name), name, integers);
    }

    const FitsColumn& numeric_column(const Hdu& hdu, const FitsColumn* column,
                                     std::string_view name, bool integers) const {
        if (column != nullptr && (integers ? holds_integers(*column) : holds_numbers(*column))) {
            return *column;
        }
        const std::string problem =
            column == nullptr
                ? fmt::format("no column '{}'", name)
                : fmt::format("column '{}' has format {}, {} are needed", name,
                              printable(column->format), integers ? "integers" : "numbers");
        throw SpectrumError(path, Status::missing_column,
                            fmt::format("HDU {}: {}; columns found: {}", hdu.index, problem,
                                        describe_columns(hdu)));
    }

    template <class T>
    std::vector<T> read_column(const Hdu& hdu, const FitsColumn& column, int type, std::int64_t row,
                               std::int64_t rows) const {
        select(hdu);
        std::vector<T> values(static_cast<std::size_t>(rows * column.repeat));
        if (values.empty()) return values;
        int status = 0;
        fits_read_col(handle, type, column_number(hdu, column), row + 1, 1,
                      static_cast<LONGLONG>(values.size()), nullptr, values.data(), nullptr,
                      &status);
        require(status, hdu);
        return values;
    }

    std::vector<std::int64_t> read_integers(const Hdu& hdu, const FitsColumn& column,
                                            std::int64_t row, std::int64_t rows) const {
        select(hdu);
        int type = 0;
        int status = 0;
        fits_get_eqcoltype(handle, column_number(hdu, column), &type, nullptr, nullptr, &status);
        require(status, hdu);
        if (type != TULONGLONG) {
            return read_column<std::int64_t>(hdu, column, TLONGLONG, row, rows);
        }
        const auto bits = read_column<std::uint64_t>(hdu, column, TULONGLONG, row, rows);
        return {bits.begin(), bits.end()};
    }

    std::vector<std::string> read_texts(const Hdu& hdu, const FitsColumn& column, std::int64_t row,
                                        std::int64_t rows) const {
        select(hdu);
        const auto count = static_cast<std::size_t>(rows);
        const std::size_t width = static_cast<std::size_t>(column.repeat) + 1;
        std::vector<char> characters(count * width);
        std::vector<char*> pointers(count);
        for (std::size_t i = 0; i < count; ++i) pointers[i] = characters.data() + i * width;
        int status = 0;
        fits_read_col(handle, TSTRING, column_number(hdu, column), row + 1, 1, rows, nullptr,
                      pointers.data(), nullptr, &status);
        require(status, hdu);
        std::vector<std::string> texts;
        for (const char* const pointer : pointers) texts.push_back(trim(pointer));
        return texts;
    }

    const FitsColumn* cell_column(const Hdu& hdu, std::string_view name, std::int64_t row) const {
        const FitsColumn* const column = hdu.column(name);
        const bool inside = column != nullptr && row >= 0 && row < hdu.rows();
        return inside ? column : nullptr;
    }

    template <class T>
    std::vector<T> read_image_row(const Hdu& hdu, std::int64_t row, int type) const {
        std::vector<LONGLONG> first(hdu.axes.size(), 1);
        std::int64_t rest = row;
        for (std::size_t axis = 1; axis < first.size() && hdu.axes[axis] > 0; ++axis) {
            first[axis] += rest % hdu.axes[axis];
            rest /= hdu.axes[axis];
        }
        if (hdu.kind != HduKind::image || hdu.axes.empty() || row < 0 || rest != 0 ||
            std::count(hdu.axes.begin() + 1, hdu.axes.end(), 0) > 0) {
            throw SpectrumError(path, Status::bad_structure,
                                fmt::format("HDU {}: no image row {} in axes [{}]", hdu.index, row,
                                            fmt::join(hdu.axes, ", ")));
        }
        select(hdu);
        std::vector<T> values(static_cast<std::size_t>(hdu.axes[0]));
        if (values.empty()) return values;
        int status = 0;
        fits_read_pixll(handle, type, first.data(), static_cast<LONGLONG>(values.size()), nullptr,
                        values.data(), nullptr, &status);
        require(status, hdu);
        return values;
    }

    int image_type(const Hdu& hdu) const {
        select(hdu);
        int type = 0;
        int status = 0;
        fits_get_img_equivtype(handle, &type, &status);
        require(status, hdu);
        return type;
    }
};

FitsFile::FitsFile(std::string path, GatedFits content)
    : implementation_(std::make_unique<Implementation>(std::move(path), std::move(content))) {}
FitsFile::~FitsFile() = default;
FitsFile::FitsFile(FitsFile&&) noexcept = default;
FitsFile& FitsFile::operator=(FitsFile&&) noexcept = default;

const std::string& FitsFile::path() const {
    return implementation_->path;
}
const std::vector<Hdu>& FitsFile::hdus() const {
    return implementation_->hdus;
}

std::string FitsFile::checksum_fault() const {
    for (const Hdu& hdu : hdus()) {
        if (implementation_->find_card(hdu, "CHECKSUM").empty() &&
            implementation_->find_card(hdu, "DATASUM").empty()) {
            continue;
        }
        implementation_->select(hdu);
        int data = 0;
        int whole = 0;
        int status = 0;
        fits_verify_chksum(implementation_->handle, &data, &whole, &status);
        implementation_->require(status, hdu);
        if (data < 0) return fmt::format("HDU {}: DATASUM disagrees with the data", hdu.index);
        if (whole < 0) return fmt::format("HDU {}: CHECKSUM disagrees with the HDU", hdu.index);
    }
    return "";
}

const Hdu* FitsFile::hdu_named(std::string_view name) const {
    const auto found = std::find_if(hdus().begin(), hdus().end(),
                                    [&](const Hdu& hdu) { return same_name(hdu.name, name); });
    return found == hdus().end() ? nullptr : &*found;
}

std::optional<double> FitsFile::real_key(const Hdu& hdu, const std::string& keyword) const {
    const auto text = implementation_->value(hdu, keyword);
    const auto value = text ? parse_fits_real(*text) : std::nullopt;
    return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<std::int64_t> FitsFile::integer_key(const Hdu& hdu,
                                                  const std::string& keyword) const {
    const auto text = implementation_->value(hdu, keyword);
    return text ? parse_fits_integer(*text) : std::nullopt;
}

std::optional<std::string> FitsFile::text_key(const Hdu& hdu, const std::string& keyword) const {
    const std::string text = trim(implementation_->value(hdu, keyword).value_or(""));
    return text.empty() ? std::nullopt : std::optional(text);
}

std::vector<float> FitsFile::float_column(const Hdu& hdu, std::string_view name) const {
    return float_column(hdu, implementation_->numeric_column(hdu, name, false));
}

std::vector<float> FitsFile::float_column(const Hdu& hdu, const FitsColumn& column) const {
    implementation_->numeric_column(hdu, &column, column.name, false);
    if (column.type == 'E') {
        return implementation_->read_column<float>(hdu, column, TFLOAT, 0, hdu.rows());
    }
    return narrowed(implementation_->read_column<double>(hdu, column, TDOUBLE, 0, hdu.rows()));
}

std::vector<double> FitsFile::double_column(const Hdu& hdu, std::string_view name) const {
    return double_column(hdu, name, 0, hdu.rows());
}

std::vector<std::int64_t> FitsFile::integer_column(const Hdu& hdu, std::string_view name) const {
    return integer_column(hdu, name, 0, hdu.rows());
}

std::vector<double> FitsFile::double_column(const Hdu& hdu, std::string_view name,
                                            std::int64_t first, std::int64_t rows) const {
    const FitsColumn& column = implementation_->numeric_column(hdu, name, false);
    return implementation_->read_column<double>(hdu, column, TDOUBLE, first, rows);
}

std::vector<std::int64_t> FitsFile::integer_column(const Hdu& hdu, std::string_view name,
                                                   std::int64_t first, std::int64_t rows) const {
    const FitsColumn& column = implementation_->numeric_column(hdu, name, true);
    return implementation_->read_integers(hdu, column, first, rows);
}

std::vector<std::string> FitsFile::text_column(const Hdu& hdu, std::string_view name,
                                               std::int64_t first, std::int64_t rows) const {
    const FitsColumn* const column = hdu.column(name);
    if (column == nullptr || column->type != 'A') {
        throw SpectrumError(path(), Status::missing_column,
                            fmt::format("HDU {}: no column '{}' of strings; columns found: {}",
                                        hdu.index, name, describe_columns(hdu)));
    }
    return implementation_->read_texts(hdu, *column, first, rows);
}

std::optional<double> FitsFile::real_cell(const Hdu& hdu, std::string_view name,
                                          std::int64_t row) const {
    const FitsColumn* const column = implementation_->cell_column(hdu, name, row);
    if (column == nullptr || !holds_numbers(*column) || column->repeat != 1) return std::nullopt;
    const double value =
        implementation_->read_column<double>(hdu, *column, TDOUBLE, row, 1).front();
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> FitsFile::integer_cell(const Hdu& hdu, std::string_view name,
                                                   std::int64_t row) const {
    const FitsColumn* const column = implementation_->cell_column(hdu, name, row);
    if (column == nullptr || !holds_integers(*column) || column->repeat != 1) return std::nullopt;
    return implementation_->read_integers(hdu, *column, row, 1).front();
}

std::optional<std::string> FitsFile::text_cell(const Hdu& hdu, std::string_view name,
                                               std::int64_t row) const {
    const FitsColumn* const column = implementation_->cell_column(hdu, name, row);
    if (column == nullptr || column->type != 'A') return std::nullopt;
    std::string text = implementation_->read_texts(hdu, *column, row, 1).front();
    return text.empty() ? std::nullopt : std::optional(std::move(text));
}

std::vector<float> FitsFile::float_image_row(const Hdu& hdu, std::int64_t row) const {
    if (implementation_->image_type(hdu) != FLOAT_IMG) return narrowed(double_image_row(hdu, row));
    return implementation_->read_image_row<float>(hdu, row, TFLOAT);
}

std::vector<double> FitsFile::double_image_row(const Hdu& hdu, std::int64_t row) const {
    return implementation_->read_image_row<double>(hdu, row, TDOUBLE);
}

std::vector<std::int64_t> FitsFile::integer_image_row(const Hdu& hdu, std::int64_t row) const {
    const int type = implementation_->image_type(hdu);
    if (type == FLOAT_IMG || type == DOUBLE_IMG) {
        throw SpectrumError(
            path(), Status::missing_column,
            fmt::format("HDU {}: the image holds floats, integers are needed", hdu.index));
    }
    return implementation_->read_image_row<std::int64_t>(hdu, row, TLONGLONG);
}

}  // namespace balmer::data
