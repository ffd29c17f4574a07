#include "data/readers/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "data/fits/fits_card.h"
#include "data/spectrum.h"

namespace balmer::data {
namespace {

using Cells = std::vector<std::string_view>;

constexpr std::string_view blanks = " \t";

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    text = text.substr(first, text.find_last_not_of(blanks) - first + 1);
    const bool is_quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
    return is_quoted ? text.substr(1, text.size() - 2) : text;
}

/// Lines without their ends, numbered from 1; a byte-order mark is skipped.
class Lines {
  public:
    explicit Lines(std::string_view text) : rest_(text) {
        if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
    }
    bool next(std::string_view& line) {
        if (rest_.empty()) return false;
        const auto end = std::min(rest_.find('\n'), rest_.size());
        line = rest_.substr(0, end);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        ++number_;
        return true;
    }
    std::int64_t number() const { return number_; }

  private:
    std::string_view rest_;
    std::int64_t number_ = 0;
};

char separator_of(std::string_view line) {
    for (const char candidate : {',', ';', '|', '\t'}) {
        if (line.find(candidate) != std::string_view::npos) return candidate;
    }
    return ' ';
}

Cells split(std::string_view line, char separator) {
    Cells cells;
    if (separator == ' ') {
        for (auto begin = line.find_first_not_of(blanks); begin != std::string_view::npos;) {
            const auto end = std::min(line.find_first_of(blanks, begin), line.size());
            cells.push_back(line.substr(begin, end - begin));
            begin = line.find_first_not_of(blanks, end);
        }
        return cells;
    }
    for (std::size_t begin = 0;;) {
        const auto end = line.find(separator, begin);
        cells.push_back(trimmed(line.substr(begin, end - begin)));
        if (end == std::string_view::npos) return cells;
        begin = end + 1;
    }
}

/// Empty when the cell holds neither a number nor a word for a missing one.
std::optional<double> number(std::string_view cell) {
    constexpr double missing = std::numeric_limits<double>::quiet_NaN();
    if (cell.empty() || cell == "--" || cell == "null") return missing;
    if (cell.starts_with('+')) cell.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc::result_out_of_range) return missing;
    const bool complete = error == std::errc{} && end == cell.data() + cell.size();
    return complete ? std::optional(value) : std::nullopt;
}

/// Numbers, and the first of them, perhaps a wavelength, not missing.
bool is_row(const Cells& cells) {
    return cells.size() >= 2 &&
           std::isfinite(number(cells[0]).value_or(std::numeric_limits<double>::infinity())) &&
           std::all_of(cells.begin(), cells.end(), [](auto cell) { return number(cell); });
}

void read_word(std::string_view word, WavelengthScale& scale) {
    scale = scale.or_else({wavelength_medium(word), wavelength_unit(word)});
}

/// A unit or a medium stands in brackets, or behind '_' at the end of the name.
TextColumn column_titled(std::string_view title) {
    constexpr std::string_view breaks = "[](){},; \t";
    TextColumn column;
    const auto bracket = std::min(title.find_first_of("[({"), title.size());
    for (auto begin = title.find_first_not_of(breaks, bracket); begin != std::string_view::npos;) {
        const auto end = std::min(title.find_first_of(breaks, begin), title.size());
        read_word(title.substr(begin, end - begin), column.stated);
        begin = title.find_first_not_of(breaks, end);
    }
    std::string& name = column.name;
    for (const char c : trimmed(title.substr(0, bracket))) {
        const bool is_gap = c == ' ' || c == '\t' || c == '-';
        name += is_gap ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    for (auto gap = name.rfind('_'); gap != std::string::npos; gap = name.rfind('_')) {
        const std::string word = name.substr(gap + 1);
        if (!wavelength_unit(word) && !wavelength_medium(word)) break;
        read_word(word, column.stated);
        name.resize(gap);
    }
    return column;
}

bool is_among(std::string_view name, const std::vector<std::string_view>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// The titles and where the rows begin, as far as the text shows it.
struct Layout {
    bool is_table = false;
    bool has_titles = false;
    char separator = ' ';
    std::size_t width = 0;
    std::vector<TextColumn> columns;
    std::int64_t title_line = 0;  ///< 0 when the titles are a comment or missing

    bool names(const std::vector<std::string_view>& wanted) const {
        return std::any_of(columns.begin(), columns.end(),
                           [&](const TextColumn& column) { return is_among(column.name, wanted); });
    }
    bool names_wavelength() const {
        return names(wavelength_titles()) || names(log_wavelength_titles());
    }
};

std::vector<TextColumn> columns_of(const Cells& titles) {
    std::vector<TextColumn> columns;
    std::transform(titles.begin(), titles.end(), std::back_inserter(columns), column_titled);
    return columns;
}

/// In blank-separated text a unit in brackets is no title of its own: "Wavelength [A]  Flux".
Cells with_brackets_joined(const Cells& cells) {
    Cells joined;
    for (const auto& cell : cells) {
        const bool is_open = !joined.empty() &&
                             joined.back().find_last_of("[(") != std::string_view::npos &&
                             joined.back().find_last_of("])") == std::string_view::npos;
        if (!joined.empty() && (is_open || cell.front() == '[' || cell.front() == '(')) {
            const char* const begin = joined.back().data();
            joined.back() = {begin, static_cast<std::size_t>(cell.data() + cell.size() - begin)};
        } else {
            joined.push_back(cell);
        }
    }
    return joined;
}

/// Empty unless there is a title for each of `width` columns.
std::vector<TextColumn> titles_in(std::string_view line, char separator, std::size_t width) {
    Cells cells = split(line, separator);
    if (separator == ' ' && cells.size() > width) cells = with_brackets_joined(cells);
    return cells.size() == width ? columns_of(cells) : std::vector<TextColumn>{};
}

Layout layout_of(std::string_view text) {
    Layout layout;
    Lines lines(text);
    std::string_view line;
    std::string_view comment;
    std::string_view titles;
    while (lines.next(line)) {
        if (trimmed(line).empty()) continue;
        if (line.starts_with('#')) {
            comment = trimmed(line.substr(line.find_first_not_of('#') == std::string_view::npos
                                              ? line.size()
                                              : line.find_first_not_of('#')));
            continue;
        }
        layout.separator = separator_of(line);
        const Cells cells = split(line, layout.separator);
        if (is_row(cells)) {
            layout.is_table = true;
            layout.width = cells.size();
            break;
        }
        if (!titles.empty()) return layout;  // two lines of words begin no table
        titles = line;
        layout.title_line = lines.number();
    }
    if (!layout.is_table) return layout;
    if (!titles.empty()) {
        layout.columns = titles_in(titles, layout.separator, layout.width);
        layout.is_table = !layout.columns.empty();
    } else if (!comment.empty()) {
        layout.columns = titles_in(comment, layout.separator, layout.width);
        if (!layout.names_wavelength()) layout.columns.clear();
    }
    layout.has_titles = !layout.columns.empty();
    if (!layout.has_titles) layout.columns.resize(layout.width);
    return layout;
}

/// The start of a file without its last, perhaps cut, line; all of a file without line ends.
std::string_view whole_lines(std::string_view start) {
    const auto end = start.rfind('\n');
    return end == std::string_view::npos ? start : start.substr(0, end);
}

}  // namespace

const std::vector<std::string_view>& wavelength_titles() {
    static const std::vector<std::string_view> names = {"wavelength", "wavelengths", "wave",
                                                        "lambda",     "lam",         "wl"};
    return names;
}

const std::vector<std::string_view>& log_wavelength_titles() {
    static const std::vector<std::string_view> names = {"loglam", "log10lam", "log_lambda",
                                                        "log_wavelength", "log10_wavelength"};
    return names;
}

const std::vector<std::string_view>& flux_titles() {
    static const std::vector<std::string_view> names = {"flux", "fluxes", "flam", "f_lambda",
                                                        "flux_density"};
    return names;
}

const std::vector<std::string_view>& mask_titles() {
    static const std::vector<std::string_view> names = {"mask", "and_mask", "bad", "flag"};
    return names;
}

const TextColumn* TextTable::column(const std::vector<std::string_view>& names) const {
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const TextColumn& c) { return is_among(c.name, names); });
    return found == columns.end() ? nullptr : &*found;
}

bool begins_text_spectrum(std::string_view start) {
    const Layout layout = layout_of(whole_lines(start));
    return layout.is_table && layout.names_wavelength() && layout.names(flux_titles());
}

bool may_begin_text_spectrum(std::string_view start) {
    const Layout layout = layout_of(whole_lines(start));
    return layout.is_table && (!layout.has_titles || layout.names_wavelength());
}

TextTable parse_text_table(const std::string& path, std::string_view text) {
    Layout layout = layout_of(text);
    TextTable table{layout.has_titles, std::move(layout.columns)};
    Lines lines(text);
    std::string_view line;
    const auto fail = [&](const std::string& reason) {
        throw SpectrumError(path, Status::bad_structure,
                            fmt::format("line {}: {}", lines.number(), reason));
    };
    while (lines.next(line)) {
        const bool is_data = !trimmed(line).empty() && !line.starts_with('#');
        if (!is_data || lines.number() == layout.title_line) continue;
        const Cells cells = split(line, layout.separator);
        if (cells.size() != layout.width) {
            fail(fmt::format("{} cells where {} are expected", cells.size(), layout.width));
        }
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const auto value = number(cells[i]);
            if (!value) fail(fmt::format("'{}' is no number", printable(cells[i])));
            table.columns[i].values.push_back(*value);
        }
    }
    if (table.columns.empty() || table.columns[0].values.empty()) {
        throw SpectrumError(path, Status::no_rows, "a table without rows");
    }
    return table;
}

}  // namespace balmer::data
