#include "data/vit_data/image_files.h"

#include <fmt/format.h>

#include <filesystem>

#include "data/pack/spectrum_files.h"
#include "kernels/core/error.h"
#include "render/png.h"

namespace balmer::data::commands {

namespace fs = std::filesystem;

namespace {

/// STEM of STEM.fits, STEM.fits.gz, ...
std::string stem_of(const std::string& file) {
    fs::path stem = fs::path(file).filename();
    while (is_named_like_fits(stem) || stem.extension() == ".gz") stem = stem.stem();
    return stem.string();
}

}  // namespace

std::string caption_of(const Spectrum& spectrum, std::optional<double> signal_to_noise) {
    const Labels& labels = spectrum.labels;
    std::string caption = labels.object_class.empty() ? "class ?" : labels.object_class;
    if (labels.z) caption += fmt::format("  z {:.4f}", *labels.z);
    if (signal_to_noise) caption += fmt::format("  S/N {:.1f}", *signal_to_noise);
    return caption;
}

ImageFiles::ImageFiles(Options options) : options_(std::move(options)) {
    if (options_.columns > 0) sheet_.emplace(options_.image_size, options_.columns, 2);
}

void ImageFiles::add(const Spectrum& spectrum, bool is_only, std::optional<double> signal_to_noise,
                     std::vector<DrawnImage> images) {
    const std::string caption = caption_of(spectrum, signal_to_noise);
    const std::string name = name_of(spectrum, is_only);
    if (options_.is_comparison) {
        render::ContactSheet row(options_.image_size, static_cast<int>(images.size()), 2);
        for (DrawnImage& image : images) {
            row.add({std::move(image.pixels), {image.type, row.empty() ? caption : std::string()}});
        }
        return row.write(path_named(name));
    }
    if (sheet_) {
        sheet_->add({std::move(images.at(0).pixels), {name, caption}});
        if (sheet_->size() == std::int64_t{options_.columns} * options_.rows) write_sheet();
        return;
    }
    const std::int64_t side = options_.image_size;
    render::write_png(path_named(name),
                      View(images.at(0).pixels.data(), DType::u8, {side, side, 3}));
}

void ImageFiles::finish() {
    if (sheet_ && !sheet_->empty()) write_sheet();
}

void ImageFiles::write_sheet() {
    sheet_->write(path_named(fmt::format("sheet-{:05}", ++sheets_)));
    sheet_->clear();
}

std::string ImageFiles::path_named(const std::string& name) const {
    std::string path = options_.folder + "/" + name + ".png";
    if (!options_.overwrite && fs::exists(path)) {
        throw IoError(path, "exists already; --overwrite replaces it");
    }
    return path;
}

/// STEM[-ROW]; files of the same name from other folders get a number.
std::string ImageFiles::name_of(const Spectrum& spectrum, bool is_only) {
    const std::string plain =
        stem_of(spectrum.file) + (is_only ? "" : fmt::format("-{}", spectrum.row));
    std::string name = plain;
    for (int copy = 2; !names_.insert(name).second; ++copy) {
        name = fmt::format("{}.{}", plain, copy);
    }
    return name;
}

}  // namespace balmer::data::commands
