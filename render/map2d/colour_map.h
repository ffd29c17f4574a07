#pragma once
// Colour maps: tables of 256 colours.

#include <array>
#include <cstdint>
#include <string>

namespace balmer::render {

using ColourTable = std::array<std::array<std::uint8_t, 3>, 256>;

/// matplotlib's viridis as bytes (viridis.cpp, written by make_viridis.py).
extern const ColourTable viridis;

/// The table of that name; UsageError with the known names if there is none.
const ColourTable& find_colour_map(const std::string& name);

}  // namespace balmer::render
