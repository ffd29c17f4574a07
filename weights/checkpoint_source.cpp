#include "weights/checkpoint_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "kernels/core/error.h"
#include "weights/strict_json.h"

namespace balmer::weights {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

constexpr std::string_view index_suffix = ".safetensors.index.json";

bool is_there(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

bool has_pickle_name(const fs::path& path) {
    constexpr std::array<std::string_view, 4> extensions = {".bin", ".pth", ".pt", ".ckpt"};
    const std::string extension = path.extension().string();
    return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

std::string shell_quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
    return result + "'";
}

[[noreturn]] void refuse_pickle(const fs::path& pickle) {
    const bool is_model = pickle.filename() == "pytorch_model.bin";
    const fs::path target = is_model ? pickle.parent_path() / "model.safetensors"
                                     : fs::path(pickle).replace_extension(".safetensors");
    throw FormatError(
        pickle.string(),
        fmt::format("is a Python pickle, which can run code when it is read; convert it with: "
                    "python3 -c \"import sys, torch; from safetensors.torch import save_file; "
                    "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
                    "d = next((d[k] for k in ('teacher', 'state_dict', 'model') if k in d), d); "
                    "save_file({{k: v.clone().contiguous() for k, v in d.items() "
                    "if torch.is_tensor(v)}}, sys.argv[2])\" {} {}",
                    shell_quoted(pickle.string()), shell_quoted(target.string())));
}

/// The file to open for `path`, which may be a folder.
fs::path resolve(const fs::path& path) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
        if (has_pickle_name(path) && is_there(path)) refuse_pickle(path);
        return path;
    }
    for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
        if (is_there(path / name)) return path / name;
    }
    std::vector<fs::path> pickles;
    for (fs::directory_iterator entry(path, ignored), end; !ignored && entry != end;
         entry.increment(ignored)) {
        if (has_pickle_name(entry->path())) pickles.push_back(entry->path());
    }
    if (!pickles.empty()) {
        const auto model = std::find(pickles.begin(), pickles.end(), path / "pytorch_model.bin");
        refuse_pickle(model != pickles.end() ? *model
                                             : *std::min_element(pickles.begin(), pickles.end()));
    }
    throw FormatError(path.string(),
                      "holds neither model.safetensors nor model.safetensors.index.json");
}

/// The shard `name` of an index, which must lie inside the index's folder.
std::string shard_path(const std::string& index, const std::string& tensor,
                       const std::string& name) {
    const fs::path relative(name);
    const bool climbs = std::find(relative.begin(), relative.end(), "..") != relative.end();
    if (name.empty() || relative.is_absolute() || climbs) {
        throw FormatError(index, fmt::format("weight_map puts tensor {} into {}, which is not "
                                             "inside the folder of the index",
                                             in_quotes(tensor), in_quotes(name)));
    }
    const fs::path path = fs::path(index).parent_path() / relative;
    if (!is_there(path)) throw IoError(index, "shard " + in_quotes(name) + " is missing");
    return path.string();
}

}  // namespace

CheckpointSource::CheckpointSource(const std::string& path) : path_(resolve(path).string()) {
    if (path_.ends_with(index_suffix)) {
        open_index(path_);
    } else {
        open_file(path_);
    }
}

void CheckpointSource::open_file(const std::string& path) {
    const SafetensorsFile& file = files_.try_emplace(path, path).first->second;
    for (const auto& tensor : file.tensors()) files_of_[tensor.name] = &file;
}

void CheckpointSource::open_index(const std::string& path) {
    const std::string text = read_text_file(path);
    expect_strict_json(path, "index", text);
    const json index = json::parse(text);
    const auto map = index.is_object() ? index.find("weight_map") : index.end();
    if (map == index.end() || !map->is_object()) throw FormatError(path, "has no weight_map");
    for (const auto& [tensor, shard] : map->items()) {
        if (!shard.is_string()) {
            throw FormatError(
                path, fmt::format("weight_map names no file for tensor {}", in_quotes(tensor)));
        }
        const auto& name = shard.get_ref<const std::string&>();
        const std::string shard_file = shard_path(path, tensor, name);
        const SafetensorsFile& file = files_.try_emplace(shard_file, shard_file).first->second;
        if (!file.contains(tensor)) {
            throw FormatError(path, fmt::format("weight_map puts tensor {} into {}, which does not "
                                                "hold it",
                                                in_quotes(tensor), in_quotes(name)));
        }
        files_of_[tensor] = &file;
    }
}

const SafetensorsFile& CheckpointSource::file_of(std::string_view name) const {
    const auto found = files_of_.find(name);
    if (found == files_of_.end()) throw FormatError(path_, "no tensor " + in_quotes(name));
    return *found->second;
}

std::vector<std::string> CheckpointSource::files() const {
    std::vector<std::string> paths;
    for (const auto& [path, file] : files_) paths.push_back(path);
    return paths;
}

std::vector<std::string> CheckpointSource::names() const {
    std::vector<std::string> names;
    for (const auto& [name, file] : files_of_) names.push_back(name);
    return names;
}

NamedShapes CheckpointSource::shapes() const {
    NamedShapes shapes;
    for (const auto& [name, file] : files_of_) shapes[name] = file->info(name).shape;
    return shapes;
}

const Metadata& CheckpointSource::metadata() const {
    static const Metadata none;
    return files_.empty() ? none : files_.begin()->second.metadata();
}

Shape CheckpointSource::stacked_shape(const std::vector<std::string>& names) const {
    Shape stacked;
    for (const auto& name : names) {
        const Shape& shape = info(name).shape;
        if (stacked.rank() == 0) {
            stacked = shape;
        } else if (shape.rank() == 0 || !(stacked.without(0) == shape.without(0))) {
            throw FormatError(path_,
                              fmt::format("tensors {} {} and {} {} cannot be stacked",
                                          in_quotes(names.front()), to_string(info(names.front())),
                                          in_quotes(name), to_string(info(name))));
        } else {
            stacked[0] += shape[0];
        }
    }
    return stacked;
}

void CheckpointSource::read_stacked_as_f32(const std::vector<std::string>& names,
                                           float* destination, std::size_t count) const {
    const Shape shape = stacked_shape(names);
    if (shape.numel() != static_cast<std::int64_t>(count)) {
        throw ShapeError(
            fmt::format("{}: tensors {} together have shape {}, room is given for {} "
                        "elements",
                        path_, fmt::join(names, ", "), to_string(shape), count));
    }
    for (const auto& name : names) {
        read_as_f32(name, destination);
        destination += info(name).shape.numel();
    }
}

}  // namespace balmer::weights
