#include "data/vit_data/catalogue_arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include "kernels/core/error.h"

namespace balmer::data::commands {

void add_catalogue_options(CLI::App& command, SelectionOptions& options) {
    std::vector<std::string> presets;
    for (const auto& preset : selection_presets()) presets.emplace_back(preset.name);
    command
        .add_option("--catalog", options.catalogues,
                    "catalogue of the spectra: CSV (also ; | or tab) or FITS table of SDSS, LAMOST "
                    "or DESI, or one with a column file; its labels replace those of the files "
                    "where it has some. Of several, a later one gives what an earlier one does not "
                    "have. Without PATH the files are those that it names, and what it does not "
                    "list is left out; with PATH that keeps its own labels (example: --catalog "
                    "dr10_LRS.csv --catalog dr10_stellar.csv)")
        ->allow_extra_args(false)
        ->type_name("FILE")
        ->default_str("");
    command
        .add_option("--root", options.root,
                    "folder in which the files of the catalogues lie (default: that of each "
                    "catalogue; example: --root spectra)")
        ->type_name("DIR");
    command
        .add_option("--select", options.presets,
                    fmt::format("published selection of the rows of a catalogue: {} (default: all; "
                                "example: --select paper-sdss)",
                                fmt::join(presets, ", ")))
        ->allow_extra_args(false)
        ->type_name("NAME")
        ->delimiter(',')
        ->default_str("");
    command
        .add_option("--where", options.where,
                    "only spectra for which this holds: comparisons of class, subclass, z, z_err, "
                    "zwarn, teff, logg, feh, snr, survey_snr, ra, dec, object_id, group, survey or "
                    "a column of a catalogue, missing(COLUMN), in (...), && || ! and parentheses; "
                    "a missing value makes a comparison false (default: all; example: --where "
                    "\"zwarn == 0 && snr > 5\")")
        ->type_name("EXPRESSION");
}

void use_catalogues(const SelectionOptions& options, std::vector<std::string>& paths,
                    PackOptions& pack) {
    if (options.catalogues.empty() && !options.root.empty()) {
        throw UsageError("--root is where the files of a --catalog lie, there is none");
    }
    if (options.catalogues.empty() && paths.empty()) {
        throw UsageError("nothing to pack: PATH or --catalog is required");
    }
    if (options.catalogues.empty() && options.presets.empty() && options.where.empty()) return;
    SelectionOptions asked = options;
    asked.only_listed = paths.empty();
    const auto selection = std::make_shared<const CatalogueSelection>(asked);
    for (const std::string& note : selection->notes()) fmt::print("{}\n", note);
    pack.select = [selection](Spectrum& spectrum) { return selection->apply(spectrum); };
    pack.select_options = {{"catalog", fmt::format("{}", fmt::join(selection->notes(), "; "))},
                           {"root", options.root},
                           {"select", fmt::format("{}", fmt::join(options.presets, ","))},
                           {"where", options.where}};
    if (!paths.empty()) return;
    if (selection->names_files()) {
        paths = options.catalogues;
        pack.list_files = [selection](const auto& found, const auto& refused) {
            const std::int64_t passed_over = selection->list_files(found, refused);
            if (passed_over > 0) fmt::print("{} rows are not selected\n", passed_over);
        };
        return;
    }
    for (const std::string& catalogue : options.catalogues) {
        const std::string beside = std::filesystem::path(catalogue).parent_path().string();
        const std::string& root = options.root.empty() ? beside : options.root;
        paths.push_back(root.empty() ? "." : root);
    }
}

bool is_partial(const std::map<std::string, std::int64_t>& skipped) {
    return std::any_of(skipped.begin(), skipped.end(), [](const auto& reason) {
        return reason.first != not_selected && reason.first != not_in_catalogue;
    });
}

}  // namespace balmer::data::commands
