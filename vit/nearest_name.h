#pragma once
#include <string>
#include <vector>

namespace balmer::vit {

/// The name with the fewest edits (insert, delete, replace) to `given`; "" where none is near, that
/// is within a third of the longer one's length.
std::string nearest_name(const std::string& given, const std::vector<std::string>& names);

}  // namespace balmer::vit
