#pragma once
// Reads many files with several processes and gives what they hold in the order of the files.
//
// A decoder that crashes, hangs or wants too much memory costs the file that it was reading: the
// process is replaced and the next file goes on. Memory is bounded: a process that is ahead of the
// others waits.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/pack/worker_process.h"
#include "data/readers/reader.h"

namespace balmer::data {

struct WorkerOptions {
    int workers = 0;                                   ///< processes; 0: one a core
    double file_seconds = 60.0;                        ///< for one file; more: TIMEOUT
    std::int64_t file_memory = std::int64_t{2} << 30;  ///< bytes; more: OUT_OF_MEMORY
    /// What may wait in memory for files before it, in bytes.
    std::int64_t waiting_bytes = std::int64_t{64} << 20;
};

/// Number of processes that `options` mean.
int worker_count(const WorkerOptions& options);

/// Where the content of the files goes, in order; all on the caller's thread.
struct FileSink {
    /// The content of this file follows.
    std::function<void(const std::string& file)> begin;
    ReadSink read;
    /// It has been read to its end, or to where it failed for that reason; what came before stands.
    std::function<void(const std::optional<SkippedRow>& failure)> end;
    /// Asked several times a second. False stops the reading.
    std::function<bool()> keep_going = {};
};

/// Reads the files that `next` gives (one after another, then nothing) with `read` in processes of
/// their own and gives everything to `sink`. The order does not depend on the number of processes.
/// False if `sink.keep_going` stopped it. UsageError if a reader throws one (the options are wrong,
/// not the file); IoError if no process can be started; else what the sink throws.
bool read_files(const std::function<std::optional<std::string>()>& next, const ReadFile& read,
                const WorkerOptions& options, const FileSink& sink);
/// The same for a list of files.
bool read_files(const std::vector<std::string>& files, const ReadFile& read,
                const WorkerOptions& options, const FileSink& sink);

}  // namespace balmer::data
