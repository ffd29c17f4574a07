#include "train/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "weights/checksum.h"
#include "weights/safetensors.h"

namespace balmer::train {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int format_version = 1;
constexpr const char* prefix = "step-";
constexpr const char* suffix = ".safetensors";

/// A checkpoint that is sound but not for this program or this run: no older one would do better.
class Unsuitable : public FormatError {
  public:
    using FormatError::FormatError;
};

std::string checksum(const std::string& text) {
    return weights::checksum_of(text.data(), text.size());
}

json to_json(const RunState& state) {
    return {{"step", state.step},
            {"optimiser_steps", state.optimiser_steps},
            {"epoch", state.epoch},
            {"batch", state.batch},
            {"random_position", state.random_position},
            {"best_score", state.best_score},
            {"best_loss", state.best_loss},
            {"best_epoch", state.best_epoch},
            {"evaluated_epochs", state.evaluated_epochs},
            {"strikes", state.strikes},
            {"rollbacks", state.rollbacks},
            {"loss_mean", state.loss_mean},
            {"loss_variance", state.loss_variance},
            {"settings", state.settings}};
}

RunState state_from_json(const json& text) {
    RunState state;
    text.at("step").get_to(state.step);
    text.at("optimiser_steps").get_to(state.optimiser_steps);
    text.at("epoch").get_to(state.epoch);
    text.at("batch").get_to(state.batch);
    text.at("random_position").get_to(state.random_position);
    text.at("best_score").get_to(state.best_score);
    text.at("best_loss").get_to(state.best_loss);
    text.at("best_epoch").get_to(state.best_epoch);
    text.at("evaluated_epochs").get_to(state.evaluated_epochs);
    text.at("strikes").get_to(state.strikes);
    text.at("rollbacks").get_to(state.rollbacks);
    text.at("loss_mean").get_to(state.loss_mean);
    text.at("loss_variance").get_to(state.loss_variance);
    text.at("settings").get_to(state.settings);
    return state;
}

std::size_t bytes_of(const Tensor& tensor) {
    return static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
}

/// The metadata's value; FormatError if there is none.
const std::string& value_of(const weights::SafetensorsFile& file, const char* key) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) {
        throw FormatError(file.path(),
                          fmt::format("not a checkpoint: no '{}' in its metadata", key));
    }
    return found->second;
}

/// Throws Unsuitable unless the file holds exactly `tensors`.
void expect_tensors(const weights::SafetensorsFile& file, const std::vector<NamedTensor>& tensors) {
    std::set<std::string> wanted;
    for (const auto& [name, tensor] : tensors) {
        wanted.insert(name);
        if (!file.contains(name)) {
            throw Unsuitable(file.path(), fmt::format("no tensor '{}': another model", name));
        }
        const weights::TensorInfo& info = file.info(name);
        const weights::TensorInfo own{name, weights::stored_type(tensor.dtype()), tensor.shape()};
        if (!(info.shape == own.shape) || info.type != own.type) {
            throw Unsuitable(file.path(), fmt::format("tensor '{}' is {}, the model's is {}", name,
                                                      to_string(info), to_string(own)));
        }
    }
    for (const weights::TensorInfo& info : file.tensors()) {
        if (!wanted.contains(info.name)) {
            throw Unsuitable(file.path(), fmt::format("tensor '{}' is not the model's", info.name));
        }
    }
}

}  // namespace

void write_checkpoint(const std::string& path, const RunState& state,
                      const std::vector<NamedTensor>& tensors) {
    std::vector<weights::NamedView> views;
    json checksums = json::object();
    std::vector<Tensor> contiguous;  // keeps the views' storage alive
    for (const auto& [name, tensor] : tensors) {
        contiguous.push_back(tensor.to({}));
        const View view = contiguous.back().view();
        views.push_back({name, view});
        checksums[name] = weights::checksum_of(view.data, bytes_of(tensor));
    }
    const std::string position = to_json(state).dump();
    const std::string sums = checksums.dump();
    weights::write_safetensors(path, views,
                               {{"format", "balmer.checkpoint"},
                                {"format_version", std::to_string(format_version)},
                                {"state", position},
                                {"checksums", sums},
                                {"checksum", checksum(position + sums)}});
}

RunState read_checkpoint(const std::string& path, const std::vector<NamedTensor>& tensors) {
    const weights::SafetensorsFile file(path);
    if (value_of(file, "format") != "balmer.checkpoint") {
        throw FormatError(path, "not a checkpoint");
    }
    const std::string& version = value_of(file, "format_version");
    const bool is_number =
        !version.empty() && version.size() < 10 &&
        std::all_of(version.begin(), version.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number && std::stoi(version) > format_version) {
        throw Unsuitable(path, fmt::format("checkpoint of format version {}, this program reads up "
                                           "to {}: a newer Balmer wrote it",
                                           version, format_version));
    }
    const std::string& position = value_of(file, "state");
    const std::string& sums = value_of(file, "checksums");
    if (checksum(position + sums) != value_of(file, "checksum")) {
        throw FormatError(path, "checksum mismatch in the metadata");
    }
    const json checksums = json::parse(sums);

    std::vector<char> bytes;
    for (const weights::TensorInfo& info : file.tensors()) {
        bytes.resize(info.bytes());
        file.read_into(info.name, bytes.data(), bytes.size());
        if (!checksums.contains(info.name) ||
            checksums[info.name] != weights::checksum_of(bytes.data(), bytes.size())) {
            throw FormatError(path, fmt::format("checksum mismatch in tensor '{}'", info.name));
        }
    }
    expect_tensors(file, tensors);
    for (const auto& [name, tensor] : tensors) {
        const bool is_on_cpu = tensor.context().device.type == DeviceType::cpu;
        const Tensor staging =
            is_on_cpu ? tensor : Tensor::empty(tensor.shape(), tensor.dtype(), Context{});
        file.read_into(name, staging.view().data, bytes_of(tensor));
        if (!is_on_cpu) tensor.copy_from(staging);
        tensor.mark_changed();
    }
    return state_from_json(json::parse(position));
}

CheckpointFolder::CheckpointFolder(std::string folder, int keep)
    : folder_(std::move(folder)), keep_(keep) {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) throw IoError(folder_, error.message());
    weights::expect_writable_folder(folder_);
    weights::remove_stale_temporaries(folder_);
}

std::vector<std::string> CheckpointFolder::paths() const {
    std::vector<std::string> found;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(prefix) && name.ends_with(suffix)) found.push_back(entry.path());
    }
    if (error) throw IoError(folder_, error.message());
    std::sort(found.begin(), found.end());  // names have the step in a fixed width
    return found;
}

void CheckpointFolder::save(const RunState& state, const std::vector<NamedTensor>& tensors) {
    const fs::path path = fs::path(folder_) / fmt::format("{}{:010}{}", prefix, state.step, suffix);
    write_checkpoint(path.string(), state, tensors);
    std::vector<std::string> all = paths();
    // A run that went back to an earlier checkpoint may find later ones: they are void.
    const auto newer = std::upper_bound(all.begin(), all.end(), path.string());
    std::error_code error;
    for (auto later = newer; later != all.end(); ++later) fs::remove(*later, error);
    all.erase(newer, all.end());
    for (std::size_t i = 0; i + static_cast<std::size_t>(keep_) < all.size(); ++i) {
        fs::remove(all[i], error);
    }
}

std::optional<CheckpointFolder::Loaded> CheckpointFolder::load_newest(
    const std::vector<NamedTensor>& tensors) const {
    Loaded loaded;
    std::vector<std::string> all = paths();
    std::reverse(all.begin(), all.end());
    for (const std::string& path : all) {
        try {
            loaded.state = read_checkpoint(path, tensors);
            loaded.path = path;
            return loaded;
        } catch (const Unsuitable&) {
            throw;
        } catch (const Error& fault) {
            loaded.passed_over.emplace_back(fault.what());
        } catch (const json::exception& fault) {
            loaded.passed_over.push_back(path + ": " + fault.what());
        }
    }
    if (all.empty()) return std::nullopt;
    throw FormatError(folder_, "no checkpoint checks out; the newest: " + loaded.passed_over[0]);
}

}  // namespace balmer::train
