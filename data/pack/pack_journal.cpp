#include "data/pack/pack_journal.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "weights/atomic_file.h"
#include "weights/file.h"
#include "weights/strict_json.h"

namespace balmer::data {
namespace {

using json = nlohmann::ordered_json;

constexpr const char* format_name = "balmer packing journal";
constexpr std::int64_t journal_version = 1;

std::string path_of(const std::string& folder) {
    return folder + "/journal.json";
}

json to_json(const PackJournal& journal) {
    json shards = json::array();
    for (const auto& shard : journal.shards) {
        shards.push_back({shard.file, shard.spectra, shard.pixels, shard.bytes, shard.checksum});
    }
    return {{"format", format_name},
            {"version", journal_version},
            {"options", journal.run.options},
            {"inputs", {{"files", journal.run.files}, {"xxh3", journal.run.files_checksum}}},
            {"publishing", journal.is_publishing},
            {"position", {{"files", journal.position.files}, {"items", journal.position.items}}},
            {"surveys", journal.surveys},
            {"classes", journal.classes},
            {"subclasses", journal.subclasses},
            {"skipped", journal.skipped},
            {"skipped_bytes", journal.skipped_bytes},
            {"shards", shards}};
}

PackJournal from_json(const json& value) {
    PackJournal journal;
    value.at("options").get_to(journal.run.options);
    value.at("inputs").at("files").get_to(journal.run.files);
    value.at("inputs").at("xxh3").get_to(journal.run.files_checksum);
    value.at("publishing").get_to(journal.is_publishing);
    value.at("position").at("files").get_to(journal.position.files);
    value.at("position").at("items").get_to(journal.position.items);
    value.at("surveys").get_to(journal.surveys);
    value.at("classes").get_to(journal.classes);
    value.at("subclasses").get_to(journal.subclasses);
    value.at("skipped").get_to(journal.skipped);
    value.at("skipped_bytes").get_to(journal.skipped_bytes);
    for (const auto& shard : value.at("shards")) {
        journal.shards.push_back({shard.at(0).get<std::string>(), shard.at(1).get<std::int64_t>(),
                                  shard.at(2).get<std::int64_t>(), shard.at(3).get<std::uint64_t>(),
                                  shard.at(4).get<std::string>()});
    }
    return journal;
}

std::string value_in(const std::map<std::string, std::string>& options, const std::string& name) {
    const auto found = options.find(name);
    return found == options.end() ? "none" : found->second;
}

}  // namespace

std::map<std::string, std::string> run_options(std::map<std::string, std::string> options,
                                               const std::map<std::string, std::string>& versions) {
    for (const auto& [name, version] : versions) options["version of " + name] = version;
    return options;
}

void write_journal(const std::string& folder, const PackJournal& journal) {
    const std::string text = to_json(journal).dump(-1, ' ', false, json::error_handler_t::replace);
    weights::write_file_atomically(path_of(folder), text + "\n");
}

std::optional<PackJournal> read_journal(const std::string& folder) {
    const std::string path = path_of(folder);
    if (!std::filesystem::exists(path)) return std::nullopt;
    const std::string text = weights::read_text_file(path, std::uint64_t{1} << 32);
    weights::expect_strict_json(path, "journal", text);
    try {
        const json value = json::parse(text);
        if (value.at("format") != format_name || value.at("version") != journal_version) {
            throw FormatError(path, "is no journal that this version of Balmer can go on with");
        }
        return from_json(value);
    } catch (const json::exception& error) {
        throw FormatError(path, error.what());
    }
}

void expect_same_run(const std::string& folder, const PackRun& before, const PackRun& now) {
    const auto refuse = [&](const std::string& difference) {
        throw UsageError(
            fmt::format("{}: cannot go on with what was begun there: {}. Repeat the "
                        "command as it was, or leave out --resume to start anew",
                        folder, difference));
    };
    std::map<std::string, std::string> all = before.options;
    all.insert(now.options.begin(), now.options.end());
    for (const auto& [name, value] : all) {
        const std::string was = value_in(before.options, name);
        const std::string is = value_in(now.options, name);
        if (was != is) refuse(fmt::format("{} was {}, now it is {}", name, was, is));
    }
    if (before.files != now.files) {
        refuse(fmt::format("it had {} input files, now there are {}", before.files, now.files));
    }
    if (before.files_checksum != now.files_checksum) refuse("its input files were others");
}

}  // namespace balmer::data
