#include "train/run_folder.h"

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "weights/atomic_file.h"
#include "weights/file.h"

namespace balmer::train {

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::array<const char*, 7> run_files = {
    "config.json",     "model.safetensors", "preprocessor_config.json",
    "validation.json", "resolved.toml",     "metrics.jsonl",
    "checkpoints"};

ordered_json number(double value) {
    return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

bool holds_run(const fs::path& folder) {
    for (const char* name : run_files) {
        if (fs::exists(folder / name)) return true;
    }
    return false;
}

}  // namespace

RunFolder::RunFolder(const std::string& path, ExistingRun existing) : path_(path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) throw IoError(path, error.message());
    weights::expect_writable_folder(path);
    lock_ = data::FolderLock(path, data::LockMode::exclusive);
    weights::remove_stale_temporaries(path);
    if (!holds_run(path) || existing == ExistingRun::resume) return;
    if (existing == ExistingRun::refuse) {
        throw UsageError(path +
                         ": holds a run already; --resume continues it, --overwrite "
                         "replaces it");
    }
    for (const char* name : run_files) {
        fs::remove_all(fs::path(path) / name, error);
        if (error) throw IoError(file(name), error.message());
    }
}

std::string RunFolder::file(const std::string& name) const {
    return (fs::path(path_) / name).string();
}

void RunFolder::append(const MetricsLine& line) const {
    ordered_json object = {{"step", line.step},
                           {"epoch", line.epoch},
                           {"split", line.split},
                           {"loss", number(line.loss)},
                           {"lr", number(line.learning_rate)},
                           {"grad_norm", number(line.gradient_norm)},
                           {"spectra_per_second", number(line.spectra_per_second)}};
    for (const auto& [name, value] : line.metrics) object[name] = number(value);
    if (!line.note.empty()) object["note"] = line.note;
    const std::string path = file("metrics.jsonl");
    std::ofstream stream(path, std::ios::app);
    stream << object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n'
           << std::flush;
    if (!stream) throw IoError(path, std::strerror(errno));
}

void RunFolder::truncate_metrics(std::int64_t step) const {
    const std::string path = file("metrics.jsonl");
    if (!fs::exists(path)) return;
    std::istringstream lines(weights::read_text_file(path, std::uint64_t{1} << 32));
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
        const ordered_json object = ordered_json::parse(line, nullptr, false);
        if (object.is_object() && object.value("step", std::int64_t{0}) <= step)
            kept += line + '\n';
    }
    weights::write_file_atomically(path, kept);
}

}  // namespace balmer::train
