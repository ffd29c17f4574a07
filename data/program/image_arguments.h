#pragma once
// Options of images that every program which draws them has.

#include <map>
#include <string>

namespace CLI {
class App;
}

namespace balmer::program {

/// Adds --interpolate, --colour-map, --range, --vmin, --vmax, --channels and --masked. The values
/// go to `values` under their names in render::to_map, as text that render::image_options_from_map
/// reads. Where `is_inherited`, an option that is left out has an empty value, and its help says
/// that --pretrained decides; else it has its default. `values` must stay where it is until the
/// command line is parsed.
void add_image_options(CLI::App& command, std::map<std::string, std::string>& values,
                       bool is_inherited);

}  // namespace balmer::program
