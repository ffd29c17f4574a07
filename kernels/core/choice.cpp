#include "kernels/core/choice.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace balmer {

std::string forced_choice(const char* operation, bool& is_wildcard) {
    const char* variable = std::getenv("BALMER_CHOICE");
    if (variable == nullptr) return "";
    std::string wildcard;
    std::string_view rest = variable;
    while (!rest.empty()) {
        const std::string_view item = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), item.size() + 1));
        const auto equals = item.find('=');
        if (equals == std::string_view::npos) {
            throw UsageError("BALMER_CHOICE: '" + std::string(item) +
                             "' is not of the form operation=implementation");
        }
        const auto name = item.substr(0, equals);
        if (name == operation) return std::string(item.substr(equals + 1));
        if (name == "*") wildcard = item.substr(equals + 1);
    }
    is_wildcard = !wildcard.empty();
    return wildcard;
}

}  // namespace balmer
