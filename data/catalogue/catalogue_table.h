#pragma once
// The rows of a catalogue, whether it is a text or a FITS table.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/catalogue/value.h"
#include "kernels/core/error.h"

namespace balmer::data {

/// One row at a time. Cells are read when they are asked for; what they refer to is valid until the
/// next row.
class CatalogueTable {
  public:
    /// `path` names the table in errors.
    explicit CatalogueTable(std::string path) : path_(std::move(path)) {}
    virtual ~CatalogueTable() = default;
    CatalogueTable(const CatalogueTable&) = delete;
    CatalogueTable& operator=(const CatalogueTable&) = delete;

    virtual const std::vector<std::string>& columns() const = 0;
    virtual bool next() = 0;

    /// A number, missing where there is none (see parse_number). FormatError for a text that is no
    /// number.
    virtual Value number(std::size_t column) = 0;
    /// A text, empty where it is missing. Cells of a FITS table that hold numbers give none.
    virtual std::string_view text(std::size_t column) = 0;
    /// What the cell holds: in a text table a number wherever it can be read as one.
    virtual Value value(std::size_t column) = 0;

    /// The row in words: "line 12".
    virtual std::string place() const = 0;

    const std::string& path() const { return path_; }
    /// FormatError naming the file and the row.
    [[noreturn]] void fail(const std::string& reason) const {
        throw FormatError(path_, place() + ": " + reason);
    }

  private:
    std::string path_;
};

/// Says whether columns of these names make a catalogue.
using AcceptColumns = std::function<bool(const std::vector<std::string>&)>;

/// Opens a catalogue, gzip or not: FITS where it begins as FITS does, else text (see
/// DelimitedText). Text is read piece by piece; a FITS file is held in memory, up to 16 GiB. Of a
/// FITS file the first table whose columns are accepted is taken.
///
/// FormatError naming the columns found where no table is accepted, and for whatever is wrong with
/// the file; IoError where it cannot be read.
std::unique_ptr<CatalogueTable> open_catalogue_table(const std::string& path,
                                                     const AcceptColumns& accepts);

/// The same for the bytes of a file; `name` stands for it in errors.
std::unique_ptr<CatalogueTable> read_catalogue_table(const std::string& name, std::string bytes,
                                                     const AcceptColumns& accepts);

}  // namespace balmer::data
