#pragma once
// The error for a name that is not in a table: it lists the known names and suggests the nearest.

#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace balmer::render {

/// The known name with the smallest edit distance (Levenshtein) to `name`; "" if none is known.
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

/// "unknown WHAT 'name', did you mean 'nearest'? Known: a, b, c".
UsageError unknown_name(const std::string& what, const std::string& name,
                        const std::vector<std::string>& known);

}  // namespace balmer::render
