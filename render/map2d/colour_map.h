#pragma once
// Colour maps: tables of 256 colours.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace balmer::render {

using ColourTable = std::array<std::array<std::uint8_t, 3>, 256>;

/// matplotlib's colour maps as bytes, written by make_colour_maps.py.
extern const ColourTable viridis;
extern const ColourTable magma;
extern const ColourTable gray;

/// "viridis", "magma", "gray".
std::vector<std::string> colour_map_names();

/// The table of that name; UsageError with the known names if there is none.
const ColourTable& find_colour_map(const std::string& name);

}  // namespace balmer::render
