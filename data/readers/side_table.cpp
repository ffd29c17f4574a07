#include "data/readers/side_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <vector>

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t largest_table = 4U << 20;
constexpr std::size_t longest_preamble = 20;  ///< lines before the titles

struct Title {
    std::size_t begin = 0;
    std::string text;
};

/// Titles stand at least two blanks apart; a '#' before them is the mark of a comment.
std::vector<Title> titles_of(const std::string& line) {
    std::vector<Title> titles;
    std::size_t begin = line.find_first_not_of("# \t");
    while (begin != std::string::npos) {
        const std::size_t end = std::min(line.find("  ", begin), line.size());
        titles.push_back({begin, line.substr(begin, end - begin)});
        begin = line.find_first_not_of(' ', end);
    }
    return titles;
}

bool has_title(const std::vector<Title>& titles, std::string_view wanted) {
    return std::any_of(titles.begin(), titles.end(),
                       [&](const Title& title) { return title.text == wanted; });
}

/// The words of a line under the titles they stand below, joined by blanks.
std::map<std::string, std::string> cells_of(const std::string& line,
                                            const std::vector<Title>& titles) {
    std::map<std::string, std::string> cells;
    std::size_t begin = line.find_first_not_of(' ');
    while (begin != std::string::npos) {
        const std::size_t end = std::min(line.find(' ', begin), line.size());
        const auto next = std::find_if(titles.begin() + 1, titles.end(),
                                       [&](const Title& title) { return title.begin >= end; });
        std::string& cell = cells[(next - 1)->text];
        cell += (cell.empty() ? "" : " ") + line.substr(begin, end - begin);
        begin = line.find_first_not_of(' ', end);
    }
    return cells;
}

std::optional<double> number(const std::string& cell) {
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    const bool complete = error == std::errc{} && end == cell.data() + cell.size();
    if (!complete || value == 9999.0 || value == 99999.0) return std::nullopt;
    return value;
}

std::optional<StarParameters> search(const fs::path& path, const std::string& key_title,
                                     const std::string& key) {
    std::ifstream file(path);
    std::vector<Title> titles;
    std::string line;
    for (std::size_t count = 0; std::getline(file, line); ++count) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (titles.empty()) {
            titles = titles_of(line);
            if (!has_title(titles, key_title) || !has_title(titles, "Teff")) titles.clear();
            if (titles.empty() && count == longest_preamble) return std::nullopt;
            continue;
        }
        auto cells = cells_of(line, titles);
        if (cells[key_title] != key) continue;
        return StarParameters{cells["Name"], cells["SpT"], number(cells["Teff"]),
                              number(cells["log g"]), number(cells["[Fe/H]"])};
    }
    return std::nullopt;
}

/// Files that can be such a table, in the order of their names.
std::vector<fs::path> tables_beside(const std::string& file) {
    std::vector<fs::path> tables;
    std::error_code error;
    const fs::path folder = fs::path(file).parent_path();
    for (fs::directory_iterator entry(folder.empty() ? "." : folder, error), end;
         !error && entry != end; entry.increment(error)) {
        const std::string extension = entry->path().extension().string();
        static constexpr std::array<std::string_view, 5> extensions = {".txt", ".db", ".dat",
                                                                       ".tab", ""};
        if (std::find(extensions.begin(), extensions.end(), extension) == extensions.end()) {
            continue;
        }
        std::error_code ignored;
        if (entry->is_regular_file(ignored) && entry->file_size(ignored) <= largest_table) {
            tables.push_back(entry->path());
        }
    }
    std::sort(tables.begin(), tables.end());
    return tables;
}

}  // namespace

std::optional<StarParameters> find_star(const std::string& file, const std::string& key_title,
                                        const std::string& key) {
    std::optional<StarParameters> star;
    for (const fs::path& table : tables_beside(file)) {
        const auto found = search(table, key_title, key);
        if (!found) continue;
        if (!star) star.emplace();
        if (star->name.empty()) star->name = found->name;
        if (star->spectral_type.empty()) star->spectral_type = found->spectral_type;
        if (!star->teff) star->teff = found->teff;
        if (!star->logg) star->logg = found->logg;
        if (!star->feh) star->feh = found->feh;
    }
    return star;
}

}  // namespace balmer::data
