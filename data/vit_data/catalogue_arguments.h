#pragma once
// The arguments of a command that choose spectra: catalogues, published selections, a filter.

#include <map>
#include <string>
#include <vector>

#include "data/catalogue/selection.h"
#include "data/pack/pack_spectra.h"

namespace CLI {
class App;
}

namespace balmer::data::commands {

/// Adds --catalog, --root, --select and --where.
void add_catalogue_options(CLI::App& command, SelectionOptions& options);

/// Reads the catalogues, prints a line about each, and has `pack` take their labels, leave out what
/// is not asked for and, where `paths` is empty, the files from them. Where they name none, `paths`
/// becomes the data root. UsageError if there are neither paths nor catalogues.
void use_catalogues(const SelectionOptions& options, std::vector<std::string>& paths,
                    PackOptions& pack);

/// Whether something was skipped that the user did not ask to leave out.
bool is_partial(const std::map<std::string, std::int64_t>& skipped);

}  // namespace balmer::data::commands
