#include "bench/results.h"

#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/commit.h"
#include "kernels/core/error.h"

namespace balmer::bench {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Timing& timing) {
    return {{"median_s", timing.median},
            {"low_quartile_s", timing.low},
            {"high_quartile_s", timing.high},
            {"fastest_s", timing.fastest},
            {"repetitions", timing.repetitions},
            {"calls_per_repetition", timing.calls},
            {"launched_by", timing.is_graph ? "graph" : "host"}};
}

Json json_of(const Row& row, const Ceilings& ceilings) {
    Json json = {{"case", row.name},       {"model", row.model},          {"shape", row.shape},
                 {"batch", row.batch},     {"dtype", name_of(row.dtype)}, {"flops", row.work.flops},
                 {"bytes", row.work.bytes}};
    if (!row.failure.empty()) {
        json["failure"] = row.failure;
        return json;
    }
    json["time"] = json_of(row.own);
    json["tflop_per_s"] = row.flops_per_second() * 1e-12;
    json["gb_per_s"] = row.bytes_per_second() * 1e-9;
    if (const double floor = ceilings.floor_of(row.work); floor > 0.0) {
        json["bound"] = ceilings.bound_of(row.work);
        json["percent_of_ceiling"] = 100.0 * floor / row.own.median;
    }
    json["difference_from_cpu_f32"] = row.reference_difference;
    if (row.peer) {
        json["peer"] = row.peer_name;
        json["peer_time"] = json_of(*row.peer);
        json["peer_time_over_own"] = row.ratio();
        json["difference_from_peer"] = row.peer_difference;
    } else if (!row.peer_note.empty()) {
        json["peer_missing"] = row.peer_note;
    }
    return json;
}

std::string time_text(double seconds) {
    return seconds < 1e-3 ? fmt::format("{:.2f} us", seconds * 1e6)
                          : fmt::format("{:.3f} ms", seconds * 1e3);
}

}  // namespace

RunFacts run_facts(const std::string& program, const DeviceFacts& device, const std::string& peer) {
    return {.program = program,
            .device = device,
            .peer = peer,
            .commit = commit,
            .date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))};
}

std::string table_header() {
    return fmt::format("{:<52} {:>11} {:>7} {:>9} {:>9} {:>14} {:>11} {:>6}", "case", "time",
                       "spread", "TFLOP/s", "GB/s", "of ceiling", "peer", "ratio");
}

std::string table_line(const Row& row, const Ceilings& ceilings) {
    const std::string name =
        fmt::format("{}/{}/{}/{}", row.name, row.model, row.batch, name_of(row.dtype));
    if (!row.failure.empty()) return fmt::format("{:<52} FAILED: {}", name, row.failure);
    const double floor = ceilings.floor_of(row.work);
    const std::string share = floor > 0.0
                                  ? fmt::format("{:.0f} % of {}", 100.0 * floor / row.own.median,
                                                ceilings.bound_of(row.work))
                                  : "";
    std::string line = fmt::format("{:<52} {:>11} {:>6.1f}% {:>9.2f} {:>9.1f} {:>14} {:>11} {:>6}",
                                   name, time_text(row.own.median), 100.0 * row.own.spread(),
                                   row.flops_per_second() * 1e-12, row.bytes_per_second() * 1e-9,
                                   share, row.peer ? time_text(row.peer->median) : "",
                                   row.peer ? fmt::format("{:.2f}", row.ratio()) : "");
    if (!row.peer_note.empty()) line += "  (" + row.peer_note + ")";
    return line;
}

void write_json(const std::string& path, const RunFacts& facts, const Ceilings& ceilings,
                const std::vector<Row>& rows) {
    Json json;
    json["run"] = {{"program", facts.program},
                   {"device", facts.device.name},
                   {"driver", facts.device.driver},
                   {"cuda", facts.device.cuda},
                   {"cache_bytes", facts.device.cache_bytes},
                   {"peer", facts.peer},
                   {"commit", facts.commit},
                   {"date", facts.date}};
    json["ceilings"] = {{"tflop_per_s", ceilings.flops_per_second * 1e-12},
                        {"copy_gb_per_s", ceilings.bytes_per_second * 1e-9}};
    json["rows"] = Json::array();
    for (const Row& row : rows) json["rows"].push_back(json_of(row, ceilings));
    const std::filesystem::path file(path);
    std::error_code error;
    if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), error);
    std::ofstream out(file);
    out << json.dump(1) << '\n';
    out.close();
    if (!out) throw IoError(path, "cannot be written");
}

}  // namespace balmer::bench
