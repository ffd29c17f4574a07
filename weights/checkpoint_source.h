#pragma once
// The tensors of a checkpoint as one map, whether it is one safetensors file or many.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "weights/safetensors.h"
#include "weights/weight_checks.h"

namespace balmer::weights {

class CheckpointSource {
  public:
    /// `path` is a safetensors file, an index (`*.safetensors.index.json`), or a folder that holds
    /// `model.safetensors` or `model.safetensors.index.json` (in this order of preference).
    /// IoError if a file or shard is missing; FormatError if one is unsound, an index names a file
    /// outside its folder or a tensor its shard does not hold, or if there is only a Python pickle
    /// (the message then says how to convert it).
    explicit CheckpointSource(const std::string& path);

    /// The file or index that was opened.
    const std::string& path() const { return path_; }
    /// The files the tensors are in, sorted.
    std::vector<std::string> files() const;
    /// Sorted.
    std::vector<std::string> names() const;
    NamedShapes shapes() const;
    bool contains(std::string_view name) const { return files_of_.find(name) != files_of_.end(); }
    /// FormatError if there is no tensor of that name.
    const TensorInfo& info(std::string_view name) const { return file_of(name).info(name); }
    /// Metadata of the file, or of the first shard.
    const Metadata& metadata() const;

    /// See SafetensorsFile.
    void read_into(std::string_view name, void* destination, std::size_t bytes) const {
        file_of(name).read_into(name, destination, bytes);
    }
    void read_as_f32(std::string_view name, float* destination) const {
        file_of(name).read_as_f32(name, destination);
    }

    /// The shape of tensors stacked along their first dimension; FormatError unless their other
    /// dimensions agree.
    Shape stacked_shape(const std::vector<std::string>& names) const;

    /// Reads tensors one after the other, as stacked_shape has them. ShapeError unless `count` is
    /// the number of their elements.
    void read_stacked_as_f32(const std::vector<std::string>& names, float* destination,
                             std::size_t count) const;

  private:
    void open_file(const std::string& path);
    void open_index(const std::string& path);
    const SafetensorsFile& file_of(std::string_view name) const;

    std::string path_;
    std::map<std::string, SafetensorsFile> files_;
    std::map<std::string, const SafetensorsFile*, std::less<>> files_of_;
};

}  // namespace balmer::weights
