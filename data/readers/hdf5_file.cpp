#include "data/readers/hdf5_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "data/fits/file_bytes.h"
#include "data/fits/fits_card.h"
#include "data/fits/fits_gate.h"
#include "data/spectrum.h"

#if BALMER_HAS_HDF5
#include <hdf5.h>
#endif

namespace balmer::data {

bool is_hdf5(const std::string& path) {
    constexpr std::string_view signature("\x89HDF\r\n\x1a\n", 8);
    return read_file_start(path, signature.size()) == signature;
}

#if BALMER_HAS_HDF5
namespace {

/// An open object of libhdf5; negative when it could not be opened.
class Handle {
  public:
    explicit Handle(hid_t id) : id_(id) {}
    Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
    ~Handle() {
        if (id_ >= 0) H5Idec_ref(id_);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    hid_t get() const { return id_; }
    explicit operator bool() const { return id_ >= 0; }

  private:
    hid_t id_;
};

/// The first, innermost, message of the error stack.
std::string first_error() {
    std::string message;
    const auto keep = [](unsigned number, const H5E_error2_t* error, void* text) -> herr_t {
        if (number == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
        return 0;
    };
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep, &message);
    H5Eclear2(H5E_DEFAULT);
    return message.empty() ? "no detail" : message;
}

[[noreturn]] void fail(const std::string& path, const std::string& what) {
    const std::string message = first_error();
    const bool is_cut = message.find("truncated") != std::string::npos;
    throw SpectrumError(path, is_cut ? Status::truncated : Status::decoder_failed,
                        fmt::format("HDF5: {}: {}", what, printable(message, 120)));
}

Hdf5Kind kind_of(hid_t type) {
    switch (H5Tget_class(type)) {
        case H5T_INTEGER:
        case H5T_FLOAT:
            return Hdf5Kind::numbers;
        case H5T_ENUM:  // how booleans are stored
            return H5Tget_size(type) == 1 ? Hdf5Kind::numbers : Hdf5Kind::other;
        case H5T_STRING:
            return Hdf5Kind::texts;
        default:
            return Hdf5Kind::other;
    }
}

/// True for data that lie in the file itself.
bool is_stored_inside(hid_t dataset) {
    const Handle creation(H5Dget_create_plist(dataset));
    return creation && H5Pget_layout(creation.get()) != H5D_VIRTUAL &&
           H5Pget_external_count(creation.get()) == 0;
}

std::vector<std::int64_t> shape_of(hid_t dataset) {
    const Handle space(H5Dget_space(dataset));
    const int rank = space ? H5Sget_simple_extent_ndims(space.get()) : -1;
    if (rank <= 0) return {};
    std::vector<hsize_t> lengths(static_cast<std::size_t>(rank));
    H5Sget_simple_extent_dims(space.get(), lengths.data(), nullptr);
    return {lengths.begin(), lengths.end()};
}

}  // namespace

struct Hdf5File::Implementation {
    std::string path;
    Handle file;
    std::vector<Hdf5Member> members;

    explicit Implementation(const std::string& name) : path(name), file(open(name)) {}

    static Handle open(const std::string& name) {
        const Handle access(H5Pcreate(H5P_FILE_ACCESS));
        // Reading needs no lock, which file systems mounted read-only refuse.
        H5Pset_file_locking(access.get(), 0, 1);
        Handle file(H5Fopen(name.c_str(), H5F_ACC_RDONLY, access.get()));
        if (!file) fail(name, "cannot be opened");
        return file;
    }

    /// A member that is reached by a hard link, so lies in this file; empty for others.
    std::optional<Hdf5Member> describe(const std::string& name) const {
        H5L_info_t link{};
        if (H5Lget_info(file.get(), name.c_str(), &link, H5P_DEFAULT) < 0 ||
            link.type != H5L_TYPE_HARD) {
            return std::nullopt;
        }
        const Handle object(H5Oopen(file.get(), name.c_str(), H5P_DEFAULT));
        if (!object) fail(path, name);
        Hdf5Member member{name, Hdf5Kind::other, {}};
        const H5I_type_t type = H5Iget_type(object.get());
        if (type == H5I_GROUP) member.kind = Hdf5Kind::group;
        if (type == H5I_DATASET && is_stored_inside(object.get())) {
            member.kind = kind_of(Handle(H5Dget_type(object.get())).get());
            member.shape = shape_of(object.get());
        }
        return member;
    }

    void list_members() {
        std::vector<std::string> names;
        const auto keep = [](hid_t, const char* name, const H5L_info_t*, void* list) -> herr_t {
            static_cast<std::vector<std::string>*>(list)->emplace_back(name);
            return 0;
        };
        if (H5Literate(file.get(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, keep, &names) < 0) {
            fail(path, "the root group cannot be listed");
        }
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) {
            if (auto member = describe(name)) members.push_back(std::move(*member));
        }
    }

    /// Sizes that the file can hold: a dataset without stored chunks may claim any.
    void check_sizes(std::int64_t row_byte_limit) const {
        const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path));
        for (const Hdf5Member& member : members) {
            if (member.kind != Hdf5Kind::numbers && member.kind != Hdf5Kind::texts) continue;
            const std::int64_t rows = member.shape.empty() ? 1 : member.shape[0];
            const std::int64_t length = member.shape.size() > 1 ? member.shape[1] : 1;
            if (rows < 0 || rows > bytes || length < 0 ||
                length > row_byte_limit / static_cast<std::int64_t>(sizeof(double))) {
                throw SpectrumError(
                    path, Status::bad_structure,
                    fmt::format("HDF5: {} has shape [{}] in a file of {} bytes",
                                printable(member.name), fmt::join(member.shape, ", "), bytes));
            }
        }
    }

    /// Reads `count` values of row `row` as `type` into `values`.
    void read(const Hdf5Member& member, std::int64_t row, std::int64_t count, hid_t type,
              void* values) const {
        const Handle dataset(H5Dopen2(file.get(), member.name.c_str(), H5P_DEFAULT));
        if (!dataset) fail(path, member.name);
        std::vector<hsize_t> start(member.shape.size(), 0);
        std::vector<hsize_t> extent(member.shape.begin(), member.shape.end());
        start[0] = static_cast<hsize_t>(row);
        extent[0] = 1;
        const Handle space(H5Dget_space(dataset.get()));
        const auto length = static_cast<hsize_t>(count);
        const Handle memory(H5Screate_simple(1, &length, nullptr));
        if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(),
                                nullptr) < 0 ||
            H5Dread(dataset.get(), type, memory.get(), space.get(), H5P_DEFAULT, values) < 0) {
            fail(path, fmt::format("{} row {}", member.name, row));
        }
    }

    template <class T>
    std::vector<T> read_row(const Hdf5Member& member, std::int64_t row, hid_t type) const {
        if (member.kind != Hdf5Kind::numbers || member.shape.size() != 2 || row < 0 ||
            row >= member.shape[0]) {
            throw SpectrumError(path, Status::missing_column,
                                fmt::format("HDF5: {} has shape [{}] where rows of numbers are "
                                            "needed",
                                            printable(member.name), fmt::join(member.shape, ", ")));
        }
        std::vector<T> values(static_cast<std::size_t>(member.shape[1]));
        if (!values.empty()) read(member, row, member.shape[1], type, values.data());
        return values;
    }
};

Hdf5File::Hdf5File(const std::string& path, std::int64_t row_byte_limit) {
    // It prints errors unless told not to, on damaged files even once more at the end of the
    // program.
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    implementation_ = std::make_unique<Implementation>(path);
    implementation_->list_members();
    implementation_->check_sizes(row_byte_limit);
}

std::vector<float> Hdf5File::float_row(const Hdf5Member& dataset, std::int64_t row) const {
    return implementation_->read_row<float>(dataset, row, H5T_NATIVE_FLOAT);
}

std::vector<double> Hdf5File::double_row(const Hdf5Member& dataset, std::int64_t row) const {
    return implementation_->read_row<double>(dataset, row, H5T_NATIVE_DOUBLE);
}

namespace {

/// The dataset of one value a row, or nullptr.
const Hdf5Member* values_of(const Hdf5Member* member, Hdf5Kind kind, std::int64_t row) {
    const bool fits = member != nullptr && member->kind == kind && member->shape.size() == 1 &&
                      row >= 0 && row < member->shape[0];
    return fits ? member : nullptr;
}

/// Without blanks and NULs around it.
std::optional<std::string> trimmed(std::string_view text) {
    text = text.substr(0, text.find('\0'));
    const auto first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return std::nullopt;
    return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

}  // namespace

std::optional<double> Hdf5File::real(std::string_view name, std::int64_t row) const {
    const Hdf5Member* const member = values_of(dataset(name), Hdf5Kind::numbers, row);
    if (member == nullptr) return std::nullopt;
    double value = 0;
    implementation_->read(*member, row, 1, H5T_NATIVE_DOUBLE, &value);
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> Hdf5File::integer(std::string_view name, std::int64_t row) const {
    const Hdf5Member* const member = values_of(dataset(name), Hdf5Kind::numbers, row);
    if (member == nullptr) return std::nullopt;
    const Handle opened(H5Dopen2(implementation_->file.get(), member->name.c_str(), H5P_DEFAULT));
    const Handle type(H5Dget_type(opened.get()));
    if (H5Tget_class(type.get()) == H5T_FLOAT) return std::nullopt;
    const bool is_unsigned =
        H5Tget_class(type.get()) == H5T_INTEGER && H5Tget_sign(type.get()) == H5T_SGN_NONE;
    // The bits of an unsigned id are kept.
    std::int64_t value = 0;
    implementation_->read(*member, row, 1, is_unsigned ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64,
                          &value);
    return value;
}

std::optional<std::string> Hdf5File::text(std::string_view name, std::int64_t row) const {
    const Hdf5Member* const member = values_of(dataset(name), Hdf5Kind::texts, row);
    if (member == nullptr) return std::nullopt;
    const Handle opened(H5Dopen2(implementation_->file.get(), member->name.c_str(), H5P_DEFAULT));
    const Handle type(H5Dget_type(opened.get()));
    if (H5Tis_variable_str(type.get()) <= 0) {
        std::string bytes(H5Tget_size(type.get()), '\0');
        implementation_->read(*member, row, 1, type.get(), bytes.data());
        return trimmed(bytes);
    }
    char* bytes = nullptr;
    implementation_->read(*member, row, 1, type.get(), static_cast<void*>(&bytes));
    if (bytes == nullptr) return std::nullopt;
    auto value = trimmed(bytes);
    H5free_memory(bytes);
    return value;
}

#else

struct Hdf5File::Implementation {
    std::string path;
    std::vector<Hdf5Member> members;
};

Hdf5File::Hdf5File(const std::string& path, std::int64_t) {
    throw SpectrumError(path, Status::unknown_layout,
                        "an HDF5 file, which this build of Balmer cannot read: libhdf5 was not "
                        "there when it was built");
}

std::vector<float> Hdf5File::float_row(const Hdf5Member&, std::int64_t) const {
    return {};
}
std::vector<double> Hdf5File::double_row(const Hdf5Member&, std::int64_t) const {
    return {};
}
std::optional<double> Hdf5File::real(std::string_view, std::int64_t) const {
    return std::nullopt;
}
std::optional<std::int64_t> Hdf5File::integer(std::string_view, std::int64_t) const {
    return std::nullopt;
}
std::optional<std::string> Hdf5File::text(std::string_view, std::int64_t) const {
    return std::nullopt;
}

#endif

Hdf5File::~Hdf5File() = default;

const std::string& Hdf5File::path() const {
    return implementation_->path;
}

const std::vector<Hdf5Member>& Hdf5File::members() const {
    return implementation_->members;
}

const Hdf5Member* Hdf5File::dataset(std::string_view name) const {
    const auto found =
        std::find_if(members().begin(), members().end(), [&](const Hdf5Member& member) {
            return member.kind != Hdf5Kind::group && same_name(member.name, name);
        });
    return found == members().end() ? nullptr : &*found;
}

std::string Hdf5File::description() const {
    constexpr std::size_t listed = 40;
    std::vector<std::string> parts;
    for (const Hdf5Member& member : members()) {
        if (parts.size() == listed) {
            parts.push_back(fmt::format("... {} more", members().size() - parts.size()));
            break;
        }
        const std::string name = printable(member.name);
        parts.push_back(member.kind == Hdf5Kind::group
                            ? name + "/"
                            : fmt::format("{} [{}]", name, fmt::join(member.shape, ", ")));
    }
    return fmt::format("HDF5 with {}",
                       parts.empty() ? "nothing" : fmt::to_string(fmt::join(parts, ", ")));
}

}  // namespace balmer::data
