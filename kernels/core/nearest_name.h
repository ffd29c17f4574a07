#pragma once
// For names that users type: what they may have meant.

#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace balmer {

/// The name with the fewest edits (insert, delete, replace, exchange neighbours: Damerau 1964) to
/// `given`; "" where none is near, that is within a third of the longer one's length.
std::string nearest_name(const std::string& given, const std::vector<std::string>& names);

/// "unknown WHAT 'given', did you mean 'nearest'? Known: a, b, c"; without the question where no
/// name is near.
UsageError unknown_name(const std::string& what, const std::string& given,
                        const std::vector<std::string>& known);

}  // namespace balmer
