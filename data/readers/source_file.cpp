#include "data/readers/source_file.h"

namespace balmer::data {

SourceFile::SourceFile(const std::string& path, const GateOptions& options)
    : SourceFile(FitsFile(path, open_fits_gate(path, options))) {}

SourceFile::SourceFile(FitsFile file)
    : path_(file.path()), fits_(std::make_unique<FitsFile>(std::move(file))) {}

std::string SourceFile::description() const {
    return describe_hdus(fits_->hdus());
}

}  // namespace balmer::data
