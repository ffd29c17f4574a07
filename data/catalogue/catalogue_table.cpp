#include "data/catalogue/catalogue_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "data/catalogue/byte_stream.h"
#include "data/catalogue/delimited_text.h"
#include "data/fits/fits_card.h"
#include "data/fits/fits_file.h"
#include "data/spectrum.h"

namespace balmer::data {
namespace {

constexpr std::int64_t fits_byte_limit = std::int64_t{1} << 34;
constexpr std::string_view fits_begin = "SIMPLE  =";

class TextTable : public CatalogueTable {
  public:
    TextTable(const std::string& name, ByteStream bytes)
        : CatalogueTable(name), rows_(name, std::move(bytes)) {}

    const std::vector<std::string>& columns() const override { return rows_.columns(); }
    bool next() override { return rows_.next(); }
    Value number(std::size_t column) override {
        const auto number = parse_number(rows_.cell(column));
        if (!number) {
            fail(fmt::format("column '{}': '{}' is no number", printable(columns()[column]),
                             printable(rows_.cell(column))));
        }
        return *number;
    }
    std::string_view text(std::size_t column) override {
        const std::string_view text = rows_.cell(column);
        return is_missing_text(text) ? std::string_view{} : text;
    }
    Value value(std::size_t column) override {
        return parse_number(rows_.cell(column)).value_or(Value{rows_.cell(column)});
    }
    std::string place() const override { return fmt::format("line {}", rows_.line()); }

  private:
    DelimitedText rows_;
};

/// FITS that cannot be read is the error of a catalogue here, not the loss of a spectrum.
template <class Action>
auto checked(Action action) {
    try {
        return action();
    } catch (const SpectrumError& error) {
        throw FormatError(error.file, error.detail);
    }
}

/// Cells come from CFITSIO in blocks of rows, of the columns that are asked for.
class FitsTable : public CatalogueTable {
  public:
    FitsTable(FitsFile file, const AcceptColumns& accepts)
        : CatalogueTable(file.path()), file_(std::move(file)) {
        for (const Hdu& hdu : file_.hdus()) {
            if (!hdu.is_table()) continue;
            columns_.clear();
            for (const FitsColumn& column : hdu.columns) columns_.push_back(column.name);
            if (!accepts(columns_)) continue;
            hdu_ = &hdu;
            break;
        }
        if (hdu_ == nullptr) {
            throw FormatError(file_.path(),
                              "is no catalogue that is known: " + describe_hdus(file_.hdus()));
        }
        blocks_.resize(columns_.size());
    }

    const std::vector<std::string>& columns() const override { return columns_; }

    bool next() override {
        if (row_ + 1 >= hdu_->rows()) return false;
        ++row_;
        return true;
    }

    Value number(std::size_t column) override {
        const FitsColumn& described = hdu_->columns[column];
        if (described.type == 'A') {
            const auto number = parse_number(text(column));
            if (number) return *number;
            fail(fmt::format("column '{}': '{}' is no number", printable(columns_[column]),
                             printable(text(column))));
        }
        const bool is_integer = std::string_view("BIJK").find(described.type) != std::string::npos;
        const bool is_real = described.type == 'E' || described.type == 'D';
        if (described.repeat != 1 || !(is_integer || is_real)) return {};
        Block& block = loaded(column);
        if (is_real) return known_number(block.reals[block_row()]);
        const std::int64_t integer = block.integers[block_row()];
        return integer == block.null ? Value{} : known_number(integer);
    }

    std::string_view text(std::size_t column) override {
        if (hdu_->columns[column].type != 'A') return {};
        const std::string_view text = loaded(column).texts[block_row()];
        return is_missing_text(text) ? std::string_view{} : text;
    }

    Value value(std::size_t column) override {
        if (hdu_->columns[column].type != 'A') return number(column);
        const std::string_view found = text(column);
        return found.empty() ? Value{} : Value{found};
    }

    std::string place() const override {
        return fmt::format("HDU {}, row {}", hdu_->index, row_ + 1);
    }

  private:
    static constexpr std::int64_t block_rows = 8192;

    struct Block {
        std::int64_t first = -1;
        std::vector<double> reals;
        std::vector<std::int64_t> integers;
        std::vector<std::string> texts;
        std::optional<std::int64_t> null;
    };

    std::size_t block_row() const { return static_cast<std::size_t>(row_ % block_rows); }

    Block& loaded(std::size_t column) {
        Block& block = blocks_[column];
        const std::int64_t first = row_ - row_ % block_rows;
        if (block.first != first) checked([&] { load(column, first, block); });
        return block;
    }

    void load(std::size_t column, std::int64_t first, Block& block) const {
        const std::int64_t rows = std::min(block_rows, hdu_->rows() - first);
        const FitsColumn& described = hdu_->columns[column];
        const std::string& name = described.name;
        if (described.type == 'A') {
            block.texts = file_.text_column(*hdu_, name, first, rows);
        } else if (described.type == 'E' || described.type == 'D') {
            block.reals = file_.double_column(*hdu_, name, first, rows);
        } else {
            block.integers = file_.integer_column(*hdu_, name, first, rows);
            if (block.first < 0) block.null = null_of(column);
        }
        block.first = first;
    }

    /// TNULLn says which integer stands for no value; of scaled columns it is meant before scaling.
    std::optional<std::int64_t> null_of(std::size_t column) const {
        const bool is_scaled = file_.real_key(*hdu_, fmt::format("TZERO{}", column + 1)) ||
                               file_.real_key(*hdu_, fmt::format("TSCAL{}", column + 1));
        if (is_scaled) return std::nullopt;
        return file_.integer_key(*hdu_, fmt::format("TNULL{}", column + 1));
    }

    FitsFile file_;
    const Hdu* hdu_ = nullptr;
    std::vector<std::string> columns_;
    std::vector<Block> blocks_;
    std::int64_t row_ = -1;
};

std::unique_ptr<CatalogueTable> fits_table(const std::string& name,
                                           const std::function<GatedFits()>& open,
                                           const AcceptColumns& accepts) {
    return checked([&]() -> std::unique_ptr<CatalogueTable> {
        return std::make_unique<FitsTable>(FitsFile(name, open()), accepts);
    });
}

std::unique_ptr<CatalogueTable> text_table(const std::string& name, ByteStream bytes,
                                           const AcceptColumns& accepts) {
    auto table = std::make_unique<TextTable>(name, std::move(bytes));
    if (accepts(table->columns())) return table;
    std::vector<std::string> found;
    for (const std::string& column : table->columns()) found.push_back(printable(column));
    throw FormatError(name, fmt::format("is no catalogue that is known; columns found: {}",
                                        fmt::join(found, ", ")));
}

}  // namespace

std::unique_ptr<CatalogueTable> open_catalogue_table(const std::string& path,
                                                     const AcceptColumns& accepts) {
    std::array<char, fits_begin.size()> begin{};
    const std::size_t got = open_byte_stream(path)(begin.data(), begin.size());
    if (std::string_view(begin.data(), got) != fits_begin) {
        return text_table(path, open_byte_stream(path), accepts);
    }
    GateOptions gate;
    gate.byte_limit = fits_byte_limit;
    return fits_table(
        path, [&] { return open_fits_gate(path, gate); }, accepts);
}

std::unique_ptr<CatalogueTable> read_catalogue_table(const std::string& name, std::string bytes,
                                                     const AcceptColumns& accepts) {
    if (!bytes.starts_with(fits_begin)) {
        return text_table(name, memory_stream(std::move(bytes)), accepts);
    }
    return fits_table(
        name,
        [&] {
            return check_fits(name, {bytes.begin(), bytes.end()});
        },
        accepts);
}

}  // namespace balmer::data
