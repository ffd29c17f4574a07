#include "data/pack/spectrum_message.h"

#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/core/error.h"

namespace balmer::data {
namespace {

enum class Kind : std::uint8_t { spectrum = 1, skipped_row = 2, end_of_file = 3 };

/// Appends values as they lie in memory.
class Writer {
  public:
    explicit Writer(std::string& stream) : stream_(stream) {}

    template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void operator()(const T& value) {
        stream_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
    void operator()(const std::string& text) { array(text); }
    template <class T>
    void operator()(const std::vector<T>& values) {
        array(values);
    }
    template <class T>
    void operator()(const std::optional<T>& value) {
        (*this)(value.has_value());
        if (value) (*this)(*value);
    }

  private:
    template <class Values>
    void array(const Values& values) {
        (*this)(std::uint64_t{values.size()});
        stream_.append(reinterpret_cast<const char*>(values.data()),
                       values.size() * sizeof(values[0]));
    }
    std::string& stream_;
};

/// The inverse; never reads past the end.
class Reader {
  public:
    explicit Reader(std::string_view rest) : rest_(rest) {}

    template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void operator()(T& value) { std::memcpy(&value, take(sizeof(T)).data(), sizeof(T)); }
    void operator()(bool& value) { value = take(1)[0] != 0; }
    void operator()(std::string& text) { array(text); }
    template <class T>
    void operator()(std::vector<T>& values) {
        array(values);
    }
    template <class T>
    void operator()(std::optional<T>& value) {
        bool is_there = false;
        (*this)(is_there);
        if (!is_there) return value.reset();
        (*this)(value.emplace());
    }
    void expect_end() const {
        if (!rest_.empty()) throw FormatError("message", "is too long");
    }

  private:
    std::string_view take(std::size_t bytes) {
        if (bytes > rest_.size()) throw FormatError("message", "ends early");
        const auto taken = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return taken;
    }
    template <class Values>
    void array(Values& values) {
        std::uint64_t size = 0;
        (*this)(size);
        if (size > rest_.size()) throw FormatError("message", "ends early");
        const auto bytes = take(size * sizeof(values[0]));
        values.resize(size);
        if (size > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    }
    std::string_view rest_;
};

template <class Visit, class AnySpectrum>
void visit_spectrum(Visit& visit, AnySpectrum& spectrum) {
    visit(spectrum.file);
    visit(spectrum.row);
    visit(spectrum.survey);
    visit(spectrum.object_id);
    visit(spectrum.object_name);
    visit(spectrum.ra);
    visit(spectrum.dec);
    visit(spectrum.survey_snr);
    auto& labels = spectrum.labels;
    visit(labels.object_class);
    visit(labels.subclass);
    visit(labels.z);
    visit(labels.z_err);
    visit(labels.zwarn);
    visit(labels.teff);
    visit(labels.logg);
    visit(labels.feh);
    visit(spectrum.wavelength);
    visit(spectrum.flux);
    visit(spectrum.inverse_variance);
    visit(spectrum.mask);
    visit(spectrum.inverse_variance_known);
    visit(spectrum.flags);
    visit(spectrum.not_finite_flux);
    visit(spectrum.bad_inverse_variance);
}

template <class Visit, class AnyRow>
void visit_row(Visit& visit, AnyRow& row) {
    visit(row.row);
    visit(row.status);
    visit(row.detail);
}

template <class Body>
void append(std::string& stream, Kind kind, const Body& body) {
    const std::size_t begin = stream.size();
    stream.append(message_head_bytes, '\0');
    Writer write(stream);
    write(kind);
    body(write);
    const std::uint64_t length = stream.size() - begin - message_head_bytes;
    std::memcpy(stream.data() + begin, &length, sizeof(length));
}

}  // namespace

void append_message(const Spectrum& spectrum, std::string& stream) {
    append(stream, Kind::spectrum, [&](Writer& write) { visit_spectrum(write, spectrum); });
}

void append_message(const SkippedRow& row, std::string& stream) {
    append(stream, Kind::skipped_row, [&](Writer& write) { visit_row(write, row); });
}

void append_message(const EndOfFile& end, std::string& stream) {
    append(stream, Kind::end_of_file, [&](Writer& write) {
        write(end.failure.has_value());
        if (end.failure) visit_row(write, *end.failure);
        write(end.usage_error);
    });
}

std::optional<std::string_view> first_message(std::string_view stream) {
    std::uint64_t length = 0;
    if (stream.size() < message_head_bytes) return std::nullopt;
    std::memcpy(&length, stream.data(), sizeof(length));
    if (stream.size() - message_head_bytes < length) return std::nullopt;
    return stream.substr(message_head_bytes, length);
}

bool is_last_message(std::string_view content) {
    return !content.empty() && content[0] == static_cast<char>(Kind::end_of_file);
}

Message parse_message(std::string_view content) {
    Reader read(content);
    Kind kind{};
    read(kind);
    Message message;
    if (kind == Kind::spectrum) {
        visit_spectrum(read, message.emplace<Spectrum>());
    } else if (kind == Kind::skipped_row) {
        visit_row(read, message.emplace<SkippedRow>());
    } else if (kind == Kind::end_of_file) {
        auto& end = message.emplace<EndOfFile>();
        bool has_failed = false;
        read(has_failed);
        if (has_failed) visit_row(read, end.failure.emplace());
        read(end.usage_error);
    } else {
        throw FormatError("message", "is of no known kind");
    }
    read.expect_end();
    return message;
}

}  // namespace balmer::data
