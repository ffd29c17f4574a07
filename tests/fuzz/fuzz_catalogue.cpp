// libFuzzer target: the text parser, the reading of catalogues (text and FITS), their index and
// the expressions of --where. The first line of an input is an expression, the rest a catalogue.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/catalogue/catalogue.h"
#include "data/catalogue/catalogue_index.h"
#include "data/catalogue/delimited_text.h"
#include "data/catalogue/expression.h"
#include "kernels/core/error.h"

namespace {

using namespace balmer::data;  // NOLINT(google-build-using-namespace)

/// What the library throws on purpose is an answer; anything else ends the run.
template <class Action>
void expect_answer(Action action) {
    try {
        action();
    } catch (const balmer::Error& error) {
        if (error.what()[0] == '\0') __builtin_trap();
    }
}

void split(const std::string& bytes) {
    DelimitedText text("fuzz", memory_stream(bytes));
    std::size_t characters = 0;
    while (text.next()) {
        for (std::size_t i = 0; i < text.columns().size(); ++i) characters += text.cell(i).size();
    }
    if (characters > bytes.size()) __builtin_trap();
}

void filter(const std::string& where, const std::string& bytes) {
    const Expression expression(where);
    Catalogue catalogue("fuzz", bytes);
    for (CatalogueRow row; catalogue.next(row);) {
        expression.matches([&](std::size_t i) -> Value {
            const std::string& name = expression.columns()[i].name;
            for (std::size_t common = 0; common < column_count; ++common) {
                const auto column = static_cast<Column>(common);
                if (name == name_of(column)) return value_of(row, column);
            }
            const auto column = catalogue.column(name);
            return column ? catalogue.value(*column) : Value{};
        });
        candidate_files(row);
    }
}

void index(const std::string& bytes) {
    static const DataRoot root(".");
    CatalogueIndex rows({{"instrument", ColumnKind::text}, {"snrg", ColumnKind::number}});
    for (int join = 0; join < 2; ++join) {
        Catalogue catalogue("fuzz", bytes);
        rows.add(catalogue, root);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const CatalogueRow row = rows.row(i);
        Spectrum spectrum;
        spectrum.file = "spec-1-2-3.fits";
        spectrum.survey = row.survey;
        spectrum.object_id = row.object_id;
        // Its own id leads to a row, this one or an earlier one.
        if (row.object_id != 0 && !rows.find(spectrum)) __builtin_trap();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\n');
    const std::string where = input.substr(0, end);
    const std::string bytes = end == std::string::npos ? std::string{} : input.substr(end + 1);
    expect_answer([&] { Expression{where}; });
    expect_answer([&] { split(bytes); });
    expect_answer([&] { filter(where, bytes); });
    expect_answer([&] { index(bytes); });
    return 0;
}
