#include "render/map2d/colour_map.h"

#include "kernels/core/nearest_name.h"

namespace balmer::render {
namespace {

struct NamedTable {
    const char* name;
    const ColourTable* table;
};

constexpr NamedTable tables[] = {{"viridis", &viridis}, {"magma", &magma}, {"gray", &gray}};

}  // namespace

std::vector<std::string> colour_map_names() {
    std::vector<std::string> names;
    for (const auto& [name, table] : tables) names.emplace_back(name);
    return names;
}

const ColourTable& find_colour_map(const std::string& name) {
    for (const auto& entry : tables) {
        if (name == entry.name) return *entry.table;
    }
    throw unknown_name("colour map", name, colour_map_names());
}

}  // namespace balmer::render
