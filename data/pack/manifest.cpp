#include "data/pack/manifest.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "kernels/resample/resample.h"
#include "weights/atomic_file.h"
#include "weights/file.h"
#include "weights/strict_json.h"

namespace balmer::data {
namespace {

using json = nlohmann::ordered_json;

constexpr const char* format_name = "balmer packed set";

json to_json(const LabelStatistics& statistics) {
    json value = {{"count", statistics.count}};
    if (statistics.count == 0) return value;
    value["min"] = statistics.minimum;
    value["max"] = statistics.maximum;
    value["mean"] = statistics.mean;
    value["std"] = statistics.standard_deviation;
    return value;
}

LabelStatistics statistics_from(const json& value) {
    LabelStatistics statistics;
    statistics.count = value.at("count").get<std::int64_t>();
    if (statistics.count == 0) return statistics;
    statistics.minimum = value.at("min").get<double>();
    statistics.maximum = value.at("max").get<double>();
    statistics.mean = value.at("mean").get<double>();
    statistics.standard_deviation = value.at("std").get<double>();
    return statistics;
}

json to_json(const Manifest& manifest) {
    json shards = json::array();
    for (const auto& shard : manifest.shards) {
        shards.push_back({{"file", shard.file},
                          {"spectra", shard.spectra},
                          {"pixels", shard.pixels},
                          {"bytes", shard.bytes},
                          {"xxh3", shard.checksum}});
    }
    json split_counts;
    json labels;
    for (int i = 0; i < split_count; ++i) {
        const char* split = name_of(static_cast<Split>(i));
        split_counts[split] = manifest.summary.split_counts[i];
        labels[split] = json::object();
        for (const auto& [name, statistics] : manifest.summary.labels[i]) {
            labels[split][name] = to_json(statistics);
        }
    }
    return {{"format", format_name},
            {"version", packed_set_version},
            {"balmer", manifest.balmer_version},
            {"store", name_of(manifest.store)},
            {"count", manifest.count},
            {"objects", manifest.objects},
            {"shards", shards},
            {"surveys", manifest.surveys},
            {"classes", manifest.classes},
            {"subclasses", manifest.subclasses},
            {"survey_counts", manifest.summary.survey_counts},
            {"class_counts", manifest.summary.class_counts},
            {"split_counts", split_counts},
            {"labels", labels},
            {"split",
             {{"train", manifest.split.train},
              {"validation", manifest.split.validation},
              {"seed", manifest.split.seed}}},
            {"common_grid",
             {{"first_log10", kernels::common_grid_first},
              {"step", kernels::common_grid_step},
              {"pixels", kernels::common_grid_pixels}}},
            {"skipped", manifest.skipped},
            {"provenance",
             {{"paths", manifest.paths},
              {"inputs", {{"files", manifest.files}, {"xxh3", manifest.files_checksum}}},
              {"options", manifest.options},
              {"versions", manifest.versions}}},
            {"invocation",
             {{"command", manifest.invocation.command},
              {"started", manifest.invocation.started},
              {"finished", manifest.invocation.finished}}}};
}

/// What the first manifests of this version did not have.
void read_additions(const json& value, Manifest& manifest) {
    manifest.store = pixel_store_named(value.value("store", "f32"));
    const json& provenance = value.at("provenance");
    if (const auto inputs = provenance.find("inputs"); inputs != provenance.end()) {
        inputs->at("files").get_to(manifest.files);
        inputs->at("xxh3").get_to(manifest.files_checksum);
    }
    if (const auto found = provenance.find("versions"); found != provenance.end()) {
        found->get_to(manifest.versions);
    }
    if (const auto found = value.find("invocation"); found != value.end()) {
        found->at("command").get_to(manifest.invocation.command);
        found->at("started").get_to(manifest.invocation.started);
        found->at("finished").get_to(manifest.invocation.finished);
    }
}

Manifest from_json(const json& value) {
    Manifest manifest;
    manifest.balmer_version = value.at("balmer").get<std::string>();
    manifest.count = value.at("count").get<std::int64_t>();
    manifest.objects = value.at("objects").get<std::int64_t>();
    for (const auto& entry : value.at("shards")) {
        manifest.shards.push_back(
            {entry.at("file").get<std::string>(), entry.at("spectra").get<std::int64_t>(),
             entry.at("pixels").get<std::int64_t>(), entry.at("bytes").get<std::uint64_t>(),
             entry.at("xxh3").get<std::string>()});
    }
    value.at("surveys").get_to(manifest.surveys);
    value.at("classes").get_to(manifest.classes);
    value.at("subclasses").get_to(manifest.subclasses);
    value.at("survey_counts").get_to(manifest.summary.survey_counts);
    value.at("class_counts").get_to(manifest.summary.class_counts);
    for (int i = 0; i < split_count; ++i) {
        const char* split = name_of(static_cast<Split>(i));
        value.at("split_counts").at(split).get_to(manifest.summary.split_counts[i]);
        for (const auto& [name, statistics] : value.at("labels").at(split).items()) {
            manifest.summary.labels[i][name] = statistics_from(statistics);
        }
    }
    value.at("split").at("train").get_to(manifest.split.train);
    value.at("split").at("validation").get_to(manifest.split.validation);
    value.at("split").at("seed").get_to(manifest.split.seed);
    value.at("skipped").get_to(manifest.skipped);
    value.at("provenance").at("paths").get_to(manifest.paths);
    value.at("provenance").at("options").get_to(manifest.options);
    read_additions(value, manifest);
    return manifest;
}

void expect_readable_version(const std::string& path, const json& value) {
    if (!value.is_object() || value.value("format", "") != format_name) {
        throw FormatError(path, "is not the manifest of a packed set");
    }
    const auto version = value.at("version").get<std::int64_t>();
    if (version > packed_set_version) {
        throw FormatError(path, fmt::format("has format version {}, this program reads up to {}: "
                                            "use a newer Balmer",
                                            version, packed_set_version));
    }
    if (version < 1) throw FormatError(path, fmt::format("has format version {}", version));
}

}  // namespace

std::int64_t Manifest::skipped_count() const {
    std::int64_t total = 0;
    for (const auto& [reason, number] : skipped) total += number;
    return total;
}

void write_manifest(const std::string& folder, const Manifest& manifest) {
    // File names need not be UTF-8; what is not is shown as U+FFFD.
    const std::string text = to_json(manifest).dump(2, ' ', false, json::error_handler_t::replace);
    weights::write_file_atomically(folder + "/" + manifest_name, text + "\n");
}

Manifest read_manifest(const std::string& folder) {
    const std::string path = folder + "/" + manifest_name;
    if (!std::filesystem::exists(path)) {
        throw IoError(folder, fmt::format("is not a packed set (no {})", manifest_name));
    }
    const std::string text = weights::read_text_file(path);
    weights::expect_strict_json(path, "manifest", text);
    try {
        const json value = json::parse(text);
        expect_readable_version(path, value);
        return from_json(value);
    } catch (const json::exception& error) {
        throw FormatError(path, error.what());
    }
}

}  // namespace balmer::data
