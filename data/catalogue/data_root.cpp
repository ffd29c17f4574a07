#include "data/catalogue/data_root.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>

#include "kernels/core/error.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

bool is_below(const fs::path& path, const fs::path& root) {
    return std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first == root.end();
}

/// The part of `text` between the first `before` and the next `after`.
std::string between(const std::string& text, char before, char after) {
    const std::size_t begin = text.find(before);
    if (begin == std::string::npos) return {};
    const std::size_t end = text.find(after, begin + 1);
    return end == std::string::npos ? std::string{} : text.substr(begin + 1, end - begin - 1);
}

/// "20111024" for LMJD 55859: the local modified Julian day of LAMOST is one ahead of the night.
std::string night_of(const std::string& local_day) {
    int day = 0;
    const char* const end = local_day.data() + local_day.size();
    const auto parsed = std::from_chars(local_day.data(), end, day);
    if (parsed.ec != std::errc{} || parsed.ptr != end || day < 50000 || day > 99999) return {};
    constexpr int unix_epoch = 40587;  // as modified Julian day
    const std::chrono::sys_days night{std::chrono::days{day - 1 - unix_epoch}};
    const std::chrono::year_month_day date{night};
    return fmt::format("{:04}{:02}{:02}", int(date.year()), unsigned(date.month()),
                       unsigned(date.day()));
}

void add_sdss(const CatalogueRow& row, std::vector<std::string>& found) {
    const std::string name = row.spectrum_name + ".fits";
    const std::string plate = between(row.spectrum_name, '-', '-');
    found.push_back(name);
    found.push_back(plate + "/" + name);
    if (row.run2d.empty()) return;
    for (const char* const kind : {"lite/", "full/", ""}) {
        found.push_back(fmt::format("{}/spectra/{}{}/{}", row.run2d, kind, plate, name));
    }
}

void add_lamost(const CatalogueRow& row, std::vector<std::string>& found) {
    const std::string name = row.spectrum_name + ".fits";
    const std::string night = night_of(between(row.spectrum_name, '-', '-'));
    const std::string after_day = row.spectrum_name.substr(
        std::min(row.spectrum_name.find('-') + 1, row.spectrum_name.size()));
    const std::size_t last = after_day.rfind("_sp");
    const std::size_t dash = after_day.find('-');
    found.push_back(name);
    if (last == std::string::npos || dash == std::string::npos || dash > last) return;
    const std::string plan = after_day.substr(dash + 1, last - dash - 1);
    found.push_back(plan + "/" + name);
    if (!night.empty()) found.push_back(night + "/" + plan + "/" + name);
}

}  // namespace

std::vector<std::string> candidate_files(const CatalogueRow& row) {
    std::vector<std::string> found;
    if (!row.file.empty()) {
        found.push_back(row.file);
        const std::string last = row.file.substr(row.file.find_last_of('/') + 1);
        if (last != row.file && !last.empty()) found.push_back(last);
    }
    if (!row.spectrum_name.empty()) {
        std::vector<std::string> plain;
        if (row.survey == "sdss") add_sdss(row, plain);
        if (row.survey == "lamost") add_lamost(row, plain);
        for (const std::string& name : plain) {
            found.push_back(name);
            found.push_back(name + ".gz");
        }
    }
    return found;
}

DataRoot::DataRoot(const std::string& folder) : folder_(folder.empty() ? "." : folder) {
    std::error_code error;
    if (!fs::is_directory(folder_, error)) {
        throw UsageError(fmt::format("{}: no folder of spectra", folder_));
    }
    canonical_ = fs::canonical(folder_, error).string();
    if (error) throw IoError(folder_, error.message());
}

std::string DataRoot::resolved(const std::string& file) const {
    return (fs::path(canonical_) / file).lexically_normal().string();
}

DataRoot::Found DataRoot::find(const CatalogueRow& row) {
    const std::vector<std::string> candidates = candidate_files(row);
    if (candidates.empty()) return {"", "the catalogue names no file"};
    for (const std::string& candidate : candidates) {
        if (!is_below(resolved(candidate), canonical_)) {
            return {"", fmt::format("the path leads out of {}", folder_)};
        }
        const std::string path = (fs::path(folder_) / candidate).string();
        std::error_code error;
        if (!fs::exists(fs::symlink_status(path, error))) continue;
        const std::string problem = problem_of(path);
        return problem.empty() ? Found{path, ""} : Found{"", problem};
    }
    return {"", fmt::format("no such file below {}", folder_)};
}

/// Folders are asked once; only a file that is a link itself has to be resolved.
std::string DataRoot::problem_of(const std::string& path) {
    const auto leads_inside = [&](const fs::path& target) {
        std::error_code error;
        const fs::path canonical = fs::weakly_canonical(target, error);
        return !error && is_below(canonical, canonical_);
    };
    const fs::path parent = fs::path(path).parent_path();
    auto found = is_inside_.find(parent.string());
    if (found == is_inside_.end()) {
        found = is_inside_.emplace(parent.string(), leads_inside(parent)).first;
    }
    std::error_code error;
    const bool is_link = fs::is_symlink(fs::symlink_status(path, error));
    if (found->second && (!is_link || leads_inside(path))) return {};
    return fmt::format("symbolic link out of {}", folder_);
}

}  // namespace balmer::data
