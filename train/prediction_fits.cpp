// The FITS table is made in memory, so that CFITSIO never sees a file name (it reads names as a
// small language), and goes to disk in one atomic write.

#include <fitsio.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "data/object_id.h"
#include "kernels/core/error.h"
#include "train/prediction.h"
#include "weights/atomic_file.h"

namespace balmer::train {

namespace {

/// A column: its FITS format and how row i fills it.
struct Column {
    std::string name;
    std::string format;
    std::string unit;
    std::vector<std::string> texts;      // format "nA"
    std::vector<std::int64_t> integers;  // format "K", or "W": their bits are unsigned
    std::vector<double> numbers;         // format "D"
};

Column text_column(const std::string& name, std::vector<std::string> texts) {
    std::size_t width = 1;
    for (const std::string& text : texts) width = std::max(width, text.size());
    return {name, fmt::format("{}A", width), "", std::move(texts), {}, {}};
}

Column integer_column(const std::string& name, std::vector<std::int64_t> values) {
    return {name, "K", "", {}, std::move(values), {}};
}

/// Signed as Redrock's, unless an id is too large for that; "W" is CFITSIO's name of unsigned
/// 64-bit numbers, stored as signed ones with TZERO = 2^63.
Column id_column(const PredictionTable& table) {
    Column column{"TARGETID", "K", "", {}, {}, {}};
    for (const PredictionRow& row : table.rows) {
        column.integers.push_back(row.id);
        if (row.id < 0 && data::has_unsigned_ids(row.survey)) column.format = "W";
    }
    return column;
}

Column number_column(const std::string& name, std::vector<double> values,
                     const std::string& unit = "") {
    return {name, "D", unit, {}, {}, std::move(values)};
}

std::string upper(std::string text) {
    for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return text;
}

/// A name as the standard recommends it: letters, digits and '_'.
std::string column_name(const std::string& text) {
    std::string name = upper(text);
    for (char& c : name) {
        const bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain) c = '_';
    }
    return name;
}

template <class Value>
auto collect(const PredictionTable& table, const Value& value) {
    std::vector<decltype(value(table.rows.front()))> values;
    for (const PredictionRow& row : table.rows) values.push_back(value(row));
    return values;
}

void add_class_columns(std::vector<Column>& columns, const PredictionTable& table, std::size_t h) {
    const auto& head = table.heads[h];
    columns.push_back(text_column(head.target == "class" ? "SPECTYPE" : "SUBTYPE",
                                  collect(table, [&](const PredictionRow& row) {
                                      return row.is_predicted()
                                                 ? head.labels[most_probable(row.outputs[h])]
                                                 : std::string();
                                  })));
    const std::string prefix = head.target == "class" ? "P_" : "P_" + upper(head.target) + "_";
    for (std::size_t k = 0; k < head.labels.size(); ++k) {
        columns.push_back(number_column(prefix + column_name(head.labels[k]),
                                        collect(table, [&](const PredictionRow& row) {
                                            return row.is_predicted() ? row.outputs[h][k] : NAN;
                                        })));
    }
}

void add_value_columns(std::vector<Column>& columns, const PredictionTable& table, std::size_t h) {
    const std::string name = upper(table.heads[h].target);
    const std::string unit = name == "TEFF" ? "K" : name == "Z" ? "" : "dex";
    const auto output = [&](std::size_t k) {
        return collect(table, [&, k](const PredictionRow& row) {
            return row.is_predicted() ? row.outputs[h][k] : NAN;
        });
    };
    columns.push_back(number_column(name, output(0), unit));
    columns.push_back(number_column(name == "Z" ? "ZERR" : name + "_ERR", output(1), unit));
    if (name == "Z") columns.push_back(integer_column("ZWARN", collect(table, zwarn_of)));
}

std::vector<Column> make_columns(const PredictionTable& table) {
    using Row = PredictionRow;
    std::vector<Column> columns;
    columns.push_back(id_column(table));
    columns.push_back(text_column("SURVEY", collect(table, [](const Row& r) { return r.survey; })));
    columns.push_back(text_column("FILE", collect(table, [](const Row& r) { return r.file; })));
    columns.push_back(integer_column("ROW", collect(table, [](const Row& r) { return r.row; })));
    columns.push_back(text_column("STATUS", collect(table, [](const Row& r) { return r.status; })));
    columns.push_back(text_column("REASON", collect(table, [](const Row& r) { return r.reason; })));
    columns.push_back(number_column("SNR", collect(table, [](const Row& r) { return r.snr; })));
    for (std::size_t h = 0; h < table.heads.size(); ++h) {
        if (table.heads[h].is_classification()) {
            add_class_columns(columns, table, h);
        } else {
            add_value_columns(columns, table, h);
        }
    }
    return columns;
}

/// A FITS file in memory that CFITSIO enlarges as it needs.
class MemoryFits {
  public:
    explicit MemoryFits(std::string path) : path_(std::move(path)) {
        check(fits_create_memfile(&file_, &data_, &size_, 2880, std::realloc, &status_));
    }
    ~MemoryFits() {
        int status = 0;
        if (file_ != nullptr) fits_close_file(file_, &status);
        std::free(data_);
    }
    MemoryFits(const MemoryFits&) = delete;
    MemoryFits& operator=(const MemoryFits&) = delete;

    void write_table(const char* extension, const std::vector<Column>& columns, std::int64_t rows) {
        std::vector<char*> names;
        std::vector<char*> formats;
        std::vector<char*> units;
        for (const Column& column : columns) {
            names.push_back(const_cast<char*>(column.name.c_str()));
            formats.push_back(const_cast<char*>(column.format.c_str()));
            units.push_back(const_cast<char*>(column.unit.c_str()));
        }
        check(fits_create_tbl(file_, BINARY_TBL, rows, static_cast<int>(columns.size()),
                              names.data(), formats.data(), units.data(), extension, &status_));
        for (std::size_t i = 0; i < columns.size(); ++i) {
            write_column(static_cast<int>(i) + 1, columns[i]);
        }
        check(fits_write_chksum(file_, &status_));
        check(fits_flush_file(file_, &status_));
    }

    void save() {
        LONGLONG headers = 0;
        LONGLONG data_start = 0;
        LONGLONG end = 0;  // of the last HDU: the buffer itself may be larger
        check(fits_get_hduaddrll(file_, &headers, &data_start, &end, &status_));
        weights::AtomicFile file(path_);
        file.write(data_, static_cast<std::size_t>(end));
        file.commit();
    }

  private:
    void write_column(int number, const Column& column) {
        if (!column.texts.empty()) {
            std::vector<char*> texts;
            for (const std::string& text : column.texts) {
                texts.push_back(const_cast<char*>(text.c_str()));
            }
            check(fits_write_col(file_, TSTRING, number, 1, 1, static_cast<LONGLONG>(texts.size()),
                                 texts.data(), &status_));
        } else if (!column.integers.empty()) {
            const int type = column.format == "W" ? TULONGLONG : TLONGLONG;
            check(fits_write_col(file_, type, number, 1, 1,
                                 static_cast<LONGLONG>(column.integers.size()),
                                 const_cast<std::int64_t*>(column.integers.data()), &status_));
        } else if (!column.numbers.empty()) {
            check(fits_write_col(file_, TDOUBLE, number, 1, 1,
                                 static_cast<LONGLONG>(column.numbers.size()),
                                 const_cast<double*>(column.numbers.data()), &status_));
        }
    }

    void check(int status) const {
        if (status == 0) return;
        std::array<char, FLEN_STATUS> text{};
        fits_get_errstatus(status, text.data());
        throw IoError(path_, fmt::format("CFITSIO: {}", text.data()));
    }

    std::string path_;
    fitsfile* file_ = nullptr;
    void* data_ = nullptr;
    std::size_t size_ = 0;
    int status_ = 0;
};

}  // namespace

void write_predictions_fits(const std::string& path, const PredictionTable& table) {
    const bool has_redshift = std::any_of(table.heads.begin(), table.heads.end(),
                                          [](const auto& head) { return head.target == "z"; });
    const std::vector<Column> columns = make_columns(table);
    MemoryFits file(path);
    file.write_table(has_redshift ? "REDSHIFTS" : "PREDICTIONS", columns,
                     static_cast<std::int64_t>(table.rows.size()));
    file.save();
}

}  // namespace balmer::train
