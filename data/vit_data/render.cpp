// vit-data render: the images a model sees, as PNG files.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "data/pack/batch.h"
#include "data/pack/packed_set.h"
#include "data/pack/spectrum_files.h"
#include "data/pack/worker_pool.h"
#include "data/program/arguments.h"
#include "data/program/compute.h"
#include "data/program/image_arguments.h"
#include "data/program/progress.h"
#include "data/readers/reader.h"
#include "data/vit_data/commands.h"
#include "data/vit_data/image_files.h"
#include "kernels/core/error.h"
#include "kernels/core/transfer.h"
#include "render/image.h"
#include "tensor/tensor.h"
#include "weights/atomic_file.h"

namespace balmer::data::commands {
namespace {

namespace fs = std::filesystem;
using namespace balmer::program;  // NOLINT(google-build-using-namespace)

struct Arguments {
    std::vector<std::string> paths;
    std::string out;
    std::string grid = "common";
    std::string fill_order = "standard";
    std::map<std::string, std::string> image_options;
    std::int64_t limit = 0;
    bool overwrite = false;
    bool ignore_mask = false;
    bool compare = false;
    std::string sheet;
    int sheet_columns = 0;
    int sheet_rows = 0;
    ComputeArguments compute;
    ReadOptions read;
    render::ImageOptions image;
};

/// The types of the reference, side by side in a comparison.
constexpr std::array compared_types = {"simple",     "overlap",     "map2d",
                                       "map2d-norm", "map2d-deriv", "map2d-roi"};

/// Draws spectra one by one, as one type or, to compare, as several.
class Renderer {
  public:
    Renderer(const Arguments& arguments, const Context& context)
        : arguments_(arguments),
          context_(context),
          files_({.folder = arguments.out,
                  .image_size = arguments.image.image_size,
                  .overwrite = arguments.overwrite,
                  .is_comparison = arguments.compare,
                  .columns = arguments.sheet_columns,
                  .rows = arguments.sheet_rows}) {
        if (!arguments.compare) {
            types_.push_back(arguments.image.type);
        } else {
            types_.assign(compared_types.begin(), compared_types.end());
        }
    }

    bool is_full() const { return arguments_.limit > 0 && drawn_ >= arguments_.limit; }
    std::int64_t drawn() const { return drawn_; }
    std::int64_t skipped() const { return skipped_; }
    std::int64_t lost_pixels() const { return lost_pixels_; }

    /// `spectrum` describes the item; its pixel arrays are not used.
    void draw(const BatchItem& item, const Spectrum& spectrum,
              std::optional<double> signal_to_noise, bool is_only) {
        Batch batch;
        assemble(std::span(&item, 1), arguments_.grid == "common" ? Grid::common : Grid::native,
                 batch);
        std::vector<DrawnImage> images;
        for (const std::string& type : types_) images.push_back({image_of(batch, type), type});
        lost_pixels_ += render::lost_pixels(arguments_.image, batch.length);
        files_.add(spectrum, is_only, signal_to_noise, std::move(images));
        ++drawn_;
    }

    void skip(std::string_view file, std::int64_t row, const char* reason,
              const std::string& detail) {
        fmt::print(stderr, "vit-data: {}[{}]: {}: {}\n", file, row, reason, detail);
        ++skipped_;
    }

    void finish() { files_.finish(); }

  private:
    /// u8 [S, S, 3]
    std::vector<std::uint8_t> image_of(const Batch& batch, const std::string& type) const {
        render::ImageOptions options = arguments_.image;
        options.type = type;
        const std::int64_t side = options.image_size;
        std::vector<std::uint8_t> image(static_cast<std::size_t>(side * side * 3));
        const View host(image.data(), DType::u8, {1, side, side, 3});
        render::SpectrumBatch spectra = image_batch(batch, 0, 1);
        if (context_.device.type == DeviceType::cpu) {
            render::render(context_, options, spectra, host);
            return image;
        }
        std::vector<Tensor> uploaded;  // keeps the views' storage alive
        for (View* view :
             {&spectra.flux, &spectra.mask, &spectra.inverse_variance,
              &spectra.inverse_variance_known, &spectra.wavelength, &spectra.lengths}) {
            if (!*view) continue;
            uploaded.push_back(Tensor::empty(view->shape, view->dtype, context_));
            copy_view(context_, uploaded.back().view(), *view);
            *view = uploaded.back().view();
        }
        const Tensor pixels = Tensor::empty(host.shape, DType::u8, context_);
        render::render(context_, options, spectra, pixels.view());
        copy_view(context_, host, pixels.view());
        synchronize(context_);
        return image;
    }

    const Arguments& arguments_;
    Context context_;
    ImageFiles files_;
    std::vector<std::string> types_;
    std::int64_t drawn_ = 0;
    std::int64_t skipped_ = 0;
    std::int64_t lost_pixels_ = 0;
};

void draw_packed_set(const std::string& folder, Renderer& renderer, Progress& line) {
    const PackedSet set(folder);
    std::map<std::string_view, std::int64_t> spectra_of_file;
    for (std::int64_t row = 0; row < set.size(); ++row) ++spectra_of_file[set.file(row)];
    PixelScratch scratch;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        if (renderer.is_full() || stop_signal() != 0) return;
        const Spectrum spectrum = set.description(row);
        renderer.draw({set.pixels(row, scratch), spectrum.inverse_variance_known}, spectrum,
                      set.signal_to_noise(row), spectra_of_file.at(spectrum.file) == 1);
        line.update(renderer.drawn(), set.size());
    }
}

void draw_file(const std::string& file, const ReadResult& content, Renderer& renderer) {
    const bool is_only = content.spectra.size() + content.skipped.size() == 1;
    for (const auto& row : content.skipped) {
        renderer.skip(file, row.row, name_of(row.status), row.detail);
    }
    for (const auto& spectrum : content.spectra) {
        if (renderer.is_full()) return;
        renderer.draw(batch_item(spectrum), spectrum, signal_to_noise(spectrum), is_only);
    }
}

void draw_files(const std::vector<std::string>& paths, const ReadOptions& options,
                Renderer& renderer, Progress& line) {
    const SpectrumFiles found = find_spectrum_files(paths);
    for (const auto& refused : found.refused) {
        renderer.skip(refused.path, 0, name_of(Status::not_a_file), refused.reason);
    }
    const auto total = static_cast<std::int64_t>(found.files.size());
    std::int64_t done_files = 0;
    std::string file;
    ReadResult content;
    FileSink sink;
    sink.begin = [&](const std::string& name) {
        file = name;
        content = {};
    };
    sink.read.spectrum = [&](Spectrum&& spectrum) {
        spectrum.file = file;
        content.spectra.push_back(std::move(spectrum));
    };
    sink.read.skipped = [&](SkippedRow&& row) { content.skipped.push_back(std::move(row)); };
    sink.end = [&](const std::optional<SkippedRow>& failure) {
        if (renderer.is_full()) return;
        if (failure) content.skipped.push_back(*failure);
        draw_file(file, content, renderer);
        line.update(++done_files, total);
    };
    sink.keep_going = [&] { return !renderer.is_full() && stop_signal() == 0; };
    const auto read = [&](const std::string& name, const ReadSink& into) {
        read_spectra(name, options, into);
    };
    read_files(found.files, read, {}, sink);
}

/// Columns and rows of "6x4".
void read_sheet(Arguments& arguments) {
    if (arguments.sheet.empty()) return;
    int used = 0;
    const int found = std::sscanf(arguments.sheet.c_str(), "%3dx%3d%n", &arguments.sheet_columns,
                                  &arguments.sheet_rows, &used);
    if (found != 2 || used != static_cast<int>(arguments.sheet.size()) ||
        arguments.sheet_columns < 1 || arguments.sheet_rows < 1) {
        throw UsageError(
            fmt::format("--sheet {}: columns and rows are needed, as in 6x4", arguments.sheet));
    }
    if (arguments.compare) throw UsageError("--sheet and --compare exclude each other");
}

int run(Arguments arguments) {
    read_sheet(arguments);
    catch_stop_signals();
    arguments.image.use_mask = !arguments.ignore_mask;
    arguments.image_options["fill_order"] = arguments.fill_order;
    arguments.image = render::image_options_from_map(arguments.image_options, arguments.image);
    std::error_code error;
    fs::create_directories(arguments.out, error);
    if (error) throw IoError(arguments.out, error.message());
    weights::expect_writable_folder(arguments.out);

    const ComputeDevice device(arguments.compute);
    Renderer renderer(arguments, device.context());
    {
        Progress line("rendering", "images", 0);
        std::vector<std::string> files;
        for (const auto& path : arguments.paths) {
            if (fs::exists(path + "/" + manifest_name)) {
                draw_packed_set(path, renderer, line);
            } else {
                files.push_back(path);
            }
        }
        draw_files(files, arguments.read, renderer, line);
        renderer.finish();
    }
    if (stop_signal() != 0) return stop_exit_code();
    if (renderer.drawn() == 0) {
        throw Error(fmt::format("{}: no spectrum to draw, {} skipped",
                                fmt::join(arguments.paths, ", "), renderer.skipped()));
    }
    if (renderer.lost_pixels() > 0) {
        fmt::print(stderr, "vit-data: {} pixels found no place in their images\n",
                   renderer.lost_pixels());
    }
    fmt::print("{}: {} images, {} skipped\n", arguments.out, renderer.drawn(), renderer.skipped());
    return renderer.skipped() > 0 ? partial : done;
}

}  // namespace

Command render_command(CLI::App& program) {
    auto* command =
        program.add_subcommand("render", "Draw spectra as the images a model sees, as PNG files");
    const auto arguments = std::make_shared<Arguments>();
    std::string types;
    for (const auto& type : render::image_types()) {
        types += fmt::format("\n  {}: {}", type.name, type.summary);
    }
    command
        ->add_option("paths", arguments->paths,
                     "packed sets, FITS files, or folders that are searched for FITS files")
        ->required()
        ->type_name("PATH")
        ->default_str("");
    command
        ->add_option("--out", arguments->out,
                     "folder for FILE.png, or FILE-ROW.png of files with several spectra "
                     "(example: --out images)")
        ->required()
        ->type_name("DIR");
    command
        ->add_option("--image", arguments->image.type,
                     "image type (example: --image map2d)" + types)
        ->type_name("TYPE");
    command
        ->add_option("--grid", arguments->grid,
                     "wavelength grid: common, or native for the spectrum's own pixels "
                     "(example: --grid native)")
        ->check(CLI::IsMember({"common", "native"}));
    command
        ->add_option("--limit", arguments->limit,
                     "draw no more than this many, 0 for all (example: --limit 20)")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000}));
    command->add_option("--image-size", arguments->image.image_size,
                        "pixels a side (example: --image-size 96)");
    command->add_option("--block-size", arguments->image.block_size,
                        "pixels a side of the block that shows one flux value "
                        "(example: --block-size 2)");
    command->add_option("--fill-order", arguments->fill_order,
                        "standard, or boustrophedon: every second row of blocks reversed "
                        "(example: --fill-order boustrophedon)");
    add_image_options(*command, arguments->image_options, false);
    command->add_flag("--ignore-mask", arguments->ignore_mask,
                      "draw bad pixels too, as the reference does (default: off; example: "
                      "--ignore-mask)");
    command
        ->add_option(
            "--sheet", arguments->sheet,
            "contact sheets sheet-NNNNN.png of so many columns and rows, with class, z and "
            "S/N under each image, in place of a file each (default: none; example: "
            "--sheet 6x4)")
        ->type_name("COLUMNSxROWS");
    command->add_flag("--compare", arguments->compare,
                      "the six types of the reference side by side, a file a spectrum "
                      "(default: off; example: --compare)");
    add_device_option(*command, arguments->compute);
    command->add_flag("--overwrite", arguments->overwrite,
                      "replace images that exist (default: off; example: --overwrite)");
    add_config_option(*command);
    command->footer("Example: vit-data render packed --out images --image map2d-norm --limit 20");
    return {command, [arguments] { return run(*arguments); }};
}

}  // namespace balmer::data::commands
