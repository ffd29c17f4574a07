// vit-data info: what is in a packed set.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/pack/packed_set.h"
#include "data/program/arguments.h"
#include "data/vit_data/commands.h"

namespace balmer::data::commands {
namespace {

using json = nlohmann::ordered_json;

struct Arguments {
    std::string folder;
    bool as_json = false;
};

/// What the manifest does not say.
struct Content {
    double shortest_wavelength = std::numeric_limits<double>::infinity();
    double longest_wavelength = 0.0;
    std::int64_t on_common_grid = 0;
    std::vector<double> signal_to_noise;
    std::map<std::string, LabelStatistics> labels;
};

Content read_content(const PackedSet& set) {
    Content content;
    std::map<std::string, StatisticsAccumulator> labels;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        const auto wavelength = set.wavelength(row);
        if (!wavelength.empty()) {
            content.shortest_wavelength = std::min(content.shortest_wavelength, wavelength.front());
            content.longest_wavelength = std::max(content.longest_wavelength, wavelength.back());
        }
        if (set.grid_start(row)) ++content.on_common_grid;
        if (const auto snr = set.signal_to_noise(row)) content.signal_to_noise.push_back(*snr);
        for (const char* name : label_names) {
            if (const auto value = set.label(row, name)) labels[name].add(*value);
        }
    }
    std::sort(content.signal_to_noise.begin(), content.signal_to_noise.end());
    for (const char* name : label_names) content.labels[name] = labels[name].result();
    return content;
}

/// Value below which `share` of the sorted values lie.
double quantile(const std::vector<double>& sorted, double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5)];
}

json counts_of_splits(const SetSummary& summary) {
    json counts;
    for (int i = 0; i < split_count; ++i) {
        counts[name_of(static_cast<Split>(i))] = summary.split_counts[i];
    }
    return counts;
}

json to_json(const Manifest& manifest, const Content& content) {
    json labels = json::object();
    for (const auto& [name, statistics] : content.labels) {
        labels[name] = {{"count", statistics.count}};
        if (statistics.count == 0) continue;
        labels[name]["min"] = statistics.minimum;
        labels[name]["max"] = statistics.maximum;
        labels[name]["mean"] = statistics.mean;
    }
    json result = {
        {"count", manifest.count},
        {"objects", manifest.objects},
        {"skipped", manifest.skipped_count()},
        {"skipped_reasons", manifest.skipped},
        {"survey", manifest.summary.survey_counts},
        {"class", manifest.summary.class_counts},
        {"split", counts_of_splits(manifest.summary)},
        {"labels", labels},
        {"wavelength", {{"min", content.shortest_wavelength}, {"max", content.longest_wavelength}}},
        {"on_common_grid", content.on_common_grid}};
    if (!content.signal_to_noise.empty()) {
        result["snr"] = {{"count", content.signal_to_noise.size()},
                         {"min", content.signal_to_noise.front()},
                         {"median", quantile(content.signal_to_noise, 0.5)},
                         {"max", content.signal_to_noise.back()}};
    }
    return result;
}

template <class Counts>
void print_counts(const char* title, const Counts& counts) {
    std::string line;
    for (const auto& [name, number] : counts) {
        line += fmt::format("{}{} {}", line.empty() ? "" : ", ", name, number);
    }
    fmt::print("{:<12}{}\n", title, line);
}

void print_text(const std::string& folder, const Manifest& manifest, const Content& content) {
    fmt::print("{}: {} spectra of {} objects in {} shards, {} skipped\n", folder, manifest.count,
               manifest.objects, manifest.shards.size(), manifest.skipped_count());
    print_counts("survey", manifest.summary.survey_counts);
    print_counts("class", manifest.summary.class_counts);
    const auto& splits = manifest.summary.split_counts;
    fmt::print("{:<12}train {}, validation {}, test {}\n", "split", splits[0], splits[1],
               splits[2]);
    fmt::print("{:<12}{:.1f} to {:.1f} A, {} on the common grid\n", "wavelength",
               content.shortest_wavelength, content.longest_wavelength, content.on_common_grid);
    if (const auto& snr = content.signal_to_noise; !snr.empty()) {
        fmt::print("{:<12}median {:.2f}, 10 % below {:.2f}, 10 % above {:.2f} ({} spectra)\n",
                   "S/N", quantile(snr, 0.5), quantile(snr, 0.1), quantile(snr, 0.9), snr.size());
    }
    for (const auto& [name, statistics] : content.labels) {
        if (statistics.count == 0) continue;
        fmt::print("{:<12}{} spectra, {:.6g} to {:.6g}, mean {:.6g}\n", name, statistics.count,
                   statistics.minimum, statistics.maximum, statistics.mean);
    }
    if (!manifest.skipped.empty()) print_counts("skipped", manifest.skipped);
}

int run(const Arguments& arguments) {
    const PackedSet set(arguments.folder);
    const Content content = read_content(set);
    if (arguments.as_json) {
        fmt::print("{}\n", to_json(set.manifest(), content).dump(2));
    } else {
        print_text(arguments.folder, set.manifest(), content);
    }
    return balmer::program::done;
}

}  // namespace

Command info_command(CLI::App& program) {
    auto* command = program.add_subcommand(
        "info", "Describe a packed set: surveys, classes, splits, labels, what was skipped");
    const auto arguments = std::make_shared<Arguments>();
    command->add_option("dir", arguments->folder, "folder of the packed set")
        ->required()
        ->type_name("DIR");
    command->add_flag("--json", arguments->as_json,
                      "as JSON for programs (default: off; example: --json)");
    balmer::program::add_config_option(*command);
    command->footer("Example: vit-data info packed --json");
    return {command, [arguments] { return run(*arguments); }};
}

}  // namespace balmer::data::commands
