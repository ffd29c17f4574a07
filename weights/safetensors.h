#pragma once
// Reading and writing safetensors files.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/view.h"
#include "weights/atomic_file.h"
#include "weights/file.h"
#include "weights/safetensors_header.h"

namespace balmer::weights {

using Metadata = std::map<std::string, std::string>;

/// A safetensors file opened for reading. Tensors are read with pread straight to where they are
/// wanted (one copy, nothing mapped), so a file cut after it was opened is an IoError, never a
/// crash. One object serves many threads.
class SafetensorsFile {
  public:
    /// IoError if the file cannot be read, FormatError if it is not a sound safetensors file.
    explicit SafetensorsFile(const std::string& path);

    const std::string& path() const { return file_.path(); }
    /// In file order.
    const std::vector<TensorInfo>& tensors() const { return header_.tensors(); }
    const Metadata& metadata() const { return header_.metadata(); }
    bool contains(std::string_view name) const { return header_.find(name) != nullptr; }
    /// FormatError if there is no tensor of that name.
    const TensorInfo& info(std::string_view name) const;

    /// Copies the tensor's bytes as they are stored. ShapeError unless `bytes` is their number.
    void read_into(std::string_view name, void* destination, std::size_t bytes) const;

    /// Copies the tensor into `destination` (as many f32 as it has elements), converting from F64
    /// (rounded to nearest), BF16 or F16. FormatError for a tensor of another type.
    void read_as_f32(std::string_view name, float* destination) const;

    /// The elements of a tensor whose stored type is exactly T's (U8 and BOOL for std::uint8_t);
    /// DTypeError if it is another.
    template <class T>
    std::vector<T> read(std::string_view name) const {
        const TensorInfo& tensor = info(name);
        expect_dtype(tensor, dtype_of_v<T>);
        std::vector<T> values(static_cast<std::size_t>(tensor.shape.numel()));
        read_into(name, values.data(), values.size() * sizeof(T));
        return values;
    }

  private:
    void expect_dtype(const TensorInfo& tensor, DType asked) const;

    File file_;
    SafetensorsHeader header_;
};

/// A tensor to be written: contiguous memory on the CPU. `stored`, where given, is the type in the
/// file: F64, F32, BF16 or F16 for an f32 view (rounded to nearest even), otherwise a type of the
/// same size as the view's (BOOL or I8 for u8, U32 for i32, U64 for i64, ...; the bits are kept).
struct NamedView {
    std::string name;
    View view;
    std::optional<StoredType> stored = std::nullopt;
};

/// Writes a whole file atomically, laid out as the reference library does: wider types first, then
/// by name; the same input gives the same bytes. IoError if the system refuses; ShapeError,
/// DTypeError, DeviceError or UsageError, naming the tensor, if the input makes no file.
void write_safetensors(const std::string& path, const std::vector<NamedView>& tensors,
                       const Metadata& metadata = {});

/// A tensor announced to a SafetensorsWriter.
struct TensorSpec {
    std::string name;
    StoredType type = StoredType::f32;
    Shape shape;
};

/// Writes a safetensors file whose tensors come in pieces. All of them are announced first; their
/// bytes then follow in the order of tensors(). Nothing is at `path` before commit().
class SafetensorsWriter {
  public:
    SafetensorsWriter(const std::string& path, const std::vector<TensorSpec>& specs,
                      const Metadata& metadata = {});

    /// In file order.
    const std::vector<TensorInfo>& tensors() const { return tensors_; }

    /// Appends bytes to the tensor `name`. UsageError if it is not that tensor's turn or it is
    /// full.
    void write(std::string_view name, const void* data, std::size_t bytes);

    /// UsageError if a tensor is not complete.
    void commit();

  private:
    void skip_complete_tensors();

    AtomicFile file_;
    std::vector<TensorInfo> tensors_;
    std::size_t current_ = 0;
};

}  // namespace balmer::weights
