#pragma once
// What a run found: rows for a table and for JSON, with everything needed to judge them later.

#include <optional>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/ceilings.h"
#include "bench/measure.h"

namespace balmer::bench {

/// One measured case.
struct Row {
    std::string name;
    std::string model;
    std::string shape;
    std::int64_t batch = 1;
    DType dtype = DType::bf16;
    Work work;
    Timing own;
    double reference_difference = 0.0;  ///< relative, from f32 on the CPU
    std::optional<Timing> peer;
    std::string peer_name;
    std::string peer_note;  ///< why there is no peer where one was asked for
    double peer_difference = 0.0;
    std::string failure;  ///< "" where the output was right

    double flops_per_second() const { return work.flops / own.median; }
    double bytes_per_second() const { return work.bytes / own.median; }
    /// The peer's time over Balmer's: above 1 Balmer is faster.
    double ratio() const { return peer ? peer->median / own.median : 0.0; }
};

/// The circumstances of a run.
struct RunFacts {
    std::string program;
    DeviceFacts device;
    std::string peer;    ///< "cuDNN 9.19.0", or why there is none
    std::string commit;  ///< of the sources
    std::string date;    ///< UTC, ISO 8601
};
RunFacts run_facts(const std::string& program, const DeviceFacts& device, const std::string& peer);

/// "attention_forward/vit-b16/256/bf16   131.2 us  1.2%  ...", and the line above it.
std::string table_header();
std::string table_line(const Row& row, const Ceilings& ceilings);

/// Writes everything to `path` (folders are made). IoError if that fails.
void write_json(const std::string& path, const RunFacts& facts, const Ceilings& ceilings,
                const std::vector<Row>& rows);

}  // namespace balmer::bench
