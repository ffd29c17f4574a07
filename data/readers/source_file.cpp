#include "data/readers/source_file.h"

#include <string_view>

#include "data/fits/file_bytes.h"
#include "data/spectrum.h"

namespace balmer::data {
SourceFile::SourceFile(const std::string& path, const GateOptions& options) : path_(path) {
    if (is_hdf5(path)) {
        hdf5_ = std::make_unique<Hdf5File>(path, options.byte_limit);
        return;
    }
    std::vector<char> bytes = read_file_bytes(path, options.byte_limit);
    const std::string_view text(bytes.data(), bytes.size());
    if (!text.starts_with("SIMPLE") &&
        may_begin_text_spectrum(text.substr(0, text_spectrum_start))) {
        text_ = std::make_unique<TextTable>(parse_text_table(path, text));
        return;
    }
    fits_ = std::make_unique<FitsFile>(path, check_fits(path, std::move(bytes), options));
}

SourceFile::SourceFile(FitsFile file)
    : path_(file.path()), fits_(std::make_unique<FitsFile>(std::move(file))) {}

std::string SourceFile::description() const {
    if (fits_ != nullptr) return describe_hdus(fits_->hdus());
    return hdf5_ != nullptr ? hdf5_->description() : "text";
}

}  // namespace balmer::data
