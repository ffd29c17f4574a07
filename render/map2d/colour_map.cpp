#include "render/map2d/colour_map.h"

#include "kernels/core/nearest_name.h"

namespace balmer::render {

const ColourTable& find_colour_map(const std::string& name) {
    if (name == "viridis") return viridis;
    throw unknown_name("colour map", name, {"viridis"});
}

}  // namespace balmer::render
