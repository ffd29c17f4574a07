#pragma once
// An HDF5 file whose root holds datasets of equally many rows, read row by row by libhdf5.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace balmer::data {

/// Whether the file begins with the signature of HDF5. Throws SpectrumError (not_a_file).
bool is_hdf5(const std::string& path);

enum class Hdf5Kind : std::uint8_t { group, numbers, texts, other };

/// A member of the root group.
struct Hdf5Member {
    std::string name;
    Hdf5Kind kind = Hdf5Kind::other;
    std::vector<std::int64_t> shape;  ///< of a dataset
};

/// Nothing outside the file is opened: links that leave it and datasets stored elsewhere are left
/// out. libhdf5 as distributed is not safe for threads: use Hdf5File from one thread at a time. Its
/// habit of printing errors is turned off for the process.
///
/// What libhdf5 reports becomes SpectrumError: truncated, else decoder_failed.
class Hdf5File {
  public:
    /// Reads what the root holds. Where Balmer was built without libhdf5: SpectrumError
    /// (unknown_layout), which says so. bad_structure when a dataset has more rows than the file
    /// has bytes, or rows above `row_byte_limit`.
    Hdf5File(const std::string& path, std::int64_t row_byte_limit);
    ~Hdf5File();
    Hdf5File(const Hdf5File&) = delete;
    Hdf5File& operator=(const Hdf5File&) = delete;

    const std::string& path() const;
    const std::vector<Hdf5Member>& members() const;
    /// The dataset of that name (any case), or nullptr.
    const Hdf5Member* dataset(std::string_view name) const;
    /// "HDF5 with flux [10, 300], quasars/", for error messages.
    std::string description() const;

    /// Row `row` of a dataset of numbers [n, L]; boolean values are 0 and 1.
    std::vector<float> float_row(const Hdf5Member& dataset, std::int64_t row) const;
    std::vector<double> double_row(const Hdf5Member& dataset, std::int64_t row) const;

    /// One value of a dataset [n]; empty when the dataset is absent, of another type or shape, or
    /// shorter. Numbers that are not finite and blank strings are empty too.
    std::optional<double> real(std::string_view name, std::int64_t row) const;
    std::optional<std::int64_t> integer(std::string_view name, std::int64_t row) const;
    std::optional<std::string> text(std::string_view name, std::int64_t row) const;

  private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace balmer::data
