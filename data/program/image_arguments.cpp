#include "data/program/image_arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "render/image_options.h"

namespace balmer::program {
namespace {

struct ImageOption {
    const char* key;
    const char* type;
    const char* help;
    const char* example;
};

constexpr ImageOption image_options[] = {
    {"interpolate", "BOOL",
     "map2d, map2d-norm, map2d-deriv, map2d-roi: true fills every block by linear interpolation "
     "over wavelength",
     "true"},
    {"colour_map", "NAME", "map2d: viridis, magma or gray", "magma"},
    {"range", "NAME",
     "map2d: what the colours span: fixed (--vmin to --vmax), or of each spectrum its own minmax, "
     "percentile (1st to 99th) or asinh (of its median and scatter)",
     "percentile"},
    {"vmin", "N", "map2d with a fixed range: the flux of the first colour", "0"},
    {"vmax", "N", "map2d with a fixed range: the flux of the last colour", "50"},
    {"channels", "LIST",
     "map2d-robust, patch-rows: red, green and blue, each one of shape, sharp-lines, broad-lines, "
     "flux, continuum, continuum-normalised, derivative, inverse-variance, good-pixels, none",
     "flux,continuum-normalised,inverse-variance"},
    {"masked", "NAME",
     "map2d-robust, patch-rows: bad pixels between good ones are black (colour), or neutral in "
     "holes of up to 64 (bridge-short) or 300 (interpolate)",
     "interpolate"},
};

}  // namespace

void add_image_options(CLI::App& command, std::map<std::string, std::string>& values,
                       bool is_inherited) {
    const auto defaults = render::to_map(render::ImageOptions{});
    for (const ImageOption& option : image_options) {
        std::string name = option.key;
        std::replace(name.begin(), name.end(), '_', '-');
        std::string& value = values[option.key];
        std::string help = option.help;
        if (!is_inherited) {
            value = defaults.at(option.key);
        } else {
            help +=
                ". Where it is left out: as --pretrained has it, else " + defaults.at(option.key);
        }
        help += " (example: --" + name + " " + option.example + ")";
        command.add_option("--" + name, value, help)->type_name(option.type)->default_str(value);
    }
}

}  // namespace balmer::program
