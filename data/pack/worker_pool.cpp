#include "data/pack/worker_pool.h"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "data/pack/spectrum_message.h"
#include "kernels/core/error.h"

namespace balmer::data {
namespace {

using Clock = std::chrono::steady_clock;

/// A file between being handed out and being done with.
struct Input {
    std::string file;
    std::deque<std::string> waiting;  ///< messages that came before its turn
    std::int64_t spectra = 0;         ///< given to the sink
    bool has_begun = false;           ///< the sink knows its name
    bool is_complete = false;         ///< its last message has come
    bool was_returned = false;        ///< a process ended before it began with this file
};

/// A process and the files that it was asked for, the one it is reading first. It has a second one
/// at hand so that it need not wait for this process.
struct Worker {
    WorkerProcess process;
    std::deque<std::shared_ptr<Input>> inputs;
    std::string stream;
    double seconds = 0.0;  ///< for which its messages have been awaited since it began with a file
};

constexpr std::size_t files_at_hand = 2;

class Pool {
  public:
    Pool(const std::function<std::optional<std::string>()>& next, const ReadFile& read,
         const WorkerOptions& options, const FileSink& sink)
        : next_(next),
          read_(read),
          options_(options),
          sink_(sink),
          workers_(static_cast<std::size_t>(worker_count(options))) {}

    bool run() {
        hand_out();
        while (!inputs_.empty()) {
            if (sink_.keep_going && !sink_.keep_going()) return false;
            await();
            hand_out();
        }
        return true;
    }

  private:
    /// Gives files to whoever has less than two, the first files to those without any.
    void hand_out() {
        const std::size_t most = 16 * workers_.size();
        for (std::size_t level = 0; level < files_at_hand; ++level) {
            for (auto& worker : workers_) {
                if (worker && worker->inputs.size() > level) continue;
                const bool has_room = inputs_.size() < most && !is_full();
                if (returned_.empty() && !has_room) return;
                auto input = next_input();
                if (input == nullptr || !give(worker, input)) return;
            }
        }
    }

    std::shared_ptr<Input> next_input() {
        if (!returned_.empty()) {
            auto input = returned_.front();
            returned_.pop_front();
            return input;
        }
        if (is_at_end_) return nullptr;
        auto file = next_();
        is_at_end_ = !file;
        if (!file) return nullptr;
        inputs_.push_back(std::make_shared<Input>());
        inputs_.back()->file = std::move(*file);
        return inputs_.back();
    }

    /// False if the system has no process to spare now; those that there are go on.
    bool give(std::unique_ptr<Worker>& worker, const std::shared_ptr<Input>& input) {
        if (!worker) {
            try {
                worker = std::make_unique<Worker>(
                    Worker{WorkerProcess(read_, options_.file_memory), {}, "", 0.0});
            } catch (const IoError&) {
                const bool is_alone = std::none_of(workers_.begin(), workers_.end(),
                                                   [](const auto& one) { return one != nullptr; });
                if (is_alone) throw;
                returned_.push_front(input);
                return false;
            }
        }
        if (worker->inputs.empty()) worker->seconds = 0.0;
        worker->inputs.push_back(input);
        worker->process.ask(input->file);
        return true;
    }

    bool is_full() const { return waiting_bytes_ >= options_.waiting_bytes; }
    /// It holds the file that all others wait for.
    bool has_turn(const Worker& worker) const {
        return std::find(worker.inputs.begin(), worker.inputs.end(), inputs_.front()) !=
               worker.inputs.end();
    }

    /// Waits until something arrives, and takes it. Whoever is ahead while there is no room is left
    /// to wait, and its clock with it.
    void await() {
        std::vector<pollfd> descriptors;
        std::vector<std::unique_ptr<Worker>*> awaited;
        for (auto& worker : workers_) {
            if (!worker || (is_full() && !has_turn(*worker))) continue;
            descriptors.push_back({worker->process.descriptor(), POLLIN, 0});
            awaited.push_back(&worker);
        }
        const auto before = Clock::now();
        constexpr int milliseconds = 100;
        ::poll(descriptors.data(), descriptors.size(), milliseconds);
        const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
        for (std::size_t i = 0; i < awaited.size(); ++i) {
            auto& worker = *awaited[i];
            worker->seconds += seconds;
            const bool has_ended = (descriptors[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
                                   !worker->process.receive(worker->stream);
            take_messages(*worker);
            if (has_ended) {
                replace(worker, worker->process.end());
            } else if (!worker->inputs.empty() && worker->seconds > options_.file_seconds) {
                replace(worker,
                        SkippedRow{0, Status::timeout,
                                   fmt::format("not read within {} s", options_.file_seconds)});
            }
        }
    }

    /// Takes the whole messages that a worker has sent.
    void take_messages(Worker& worker) {
        std::string_view rest = worker.stream;
        while (!worker.inputs.empty()) {
            const auto content = first_message(rest);
            if (!content) break;
            rest.remove_prefix(message_head_bytes + content->size());
            const auto input = worker.inputs.front();
            if (is_last_message(*content)) {
                worker.inputs.pop_front();
                worker.seconds = 0.0;
                input->is_complete = true;
            }
            if (input == inputs_.front()) {
                deliver(*input, *content);
                advance();
            } else {
                waiting_bytes_ += static_cast<std::int64_t>(content->size());
                input->waiting.emplace_back(*content);
            }
        }
        worker.stream.erase(0, worker.stream.size() - rest.size());
    }

    /// As below, for a process that has ended by itself.
    void replace(std::unique_ptr<Worker>& worker, int wait_status) {
        const bool is_innocent = !worker->inputs.empty() && !worker->inputs.front()->was_returned &&
                                 WIFEXITED(wait_status) &&
                                 WEXITSTATUS(wait_status) == wants_replacement;
        if (!is_innocent) return replace(worker, failure_of(wait_status));
        for (const auto& input : worker->inputs) {
            input->was_returned = true;
            returned_.push_back(input);
        }
        worker.reset();
    }

    /// Ends a worker for a reason that costs the file that it was reading.
    void replace(std::unique_ptr<Worker>& worker, const SkippedRow& reason) {
        const auto inputs = std::move(worker->inputs);
        worker.reset();
        if (inputs.empty()) return;
        returned_.insert(returned_.end(), inputs.begin() + 1, inputs.end());
        std::string content;
        append_message(EndOfFile{reason, ""}, content);
        content.erase(0, message_head_bytes);
        inputs.front()->is_complete = true;
        inputs.front()->waiting.push_back(std::move(content));
        waiting_bytes_ += static_cast<std::int64_t>(inputs.front()->waiting.back().size());
        flush_first();
        advance();
    }

    /// Passes a message about the file whose turn it is on to the sink.
    void deliver(Input& input, std::string_view content) {
        if (!input.has_begun) sink_.begin(input.file);
        input.has_begun = true;
        Message message;
        try {
            message = parse_message(content);
        } catch (const FormatError& error) {
            message = EndOfFile{SkippedRow{0, Status::decoder_failed, error.what()}, ""};
            if (!is_last_message(content)) message = *std::get<EndOfFile>(message).failure;
        }
        if (auto* spectrum = std::get_if<Spectrum>(&message)) {
            ++input.spectra;
            sink_.read.spectrum(std::move(*spectrum));
        } else if (auto* row = std::get_if<SkippedRow>(&message)) {
            sink_.read.skipped(std::move(*row));
        } else {
            end_file(input, std::get<EndOfFile>(message));
        }
    }

    void end_file(const Input& input, EndOfFile end) const {
        if (!end.usage_error.empty()) throw UsageError(end.usage_error);
        if (end.failure && input.spectra > 0) {
            end.failure->detail +=
                fmt::format(" (after {} spectra, which are kept)", input.spectra);
        }
        sink_.end(end.failure);
    }

    /// Passes on what came before the first file's turn.
    void flush_first() {
        Input& input = *inputs_.front();
        while (!input.waiting.empty()) {
            const std::string content = std::move(input.waiting.front());
            input.waiting.pop_front();
            waiting_bytes_ -= static_cast<std::int64_t>(content.size());
            deliver(input, content);
        }
    }

    /// Goes on to the next file while the first is complete.
    void advance() {
        while (!inputs_.empty() && inputs_.front()->is_complete &&
               inputs_.front()->waiting.empty()) {
            inputs_.pop_front();
            if (!inputs_.empty()) flush_first();
        }
    }

    const std::function<std::optional<std::string>()>& next_;
    const ReadFile& read_;
    const WorkerOptions& options_;
    const FileSink& sink_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::deque<std::shared_ptr<Input>> inputs_;    ///< handed out and not done with, in order
    std::deque<std::shared_ptr<Input>> returned_;  ///< of workers that ended before reading them
    std::int64_t waiting_bytes_ = 0;
    bool is_at_end_ = false;
};

}  // namespace

int worker_count(const WorkerOptions& options) {
    if (options.workers > 0) return options.workers;
    cpu_set_t cores;
    if (::sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
    return std::max(1, CPU_COUNT(&cores));
}

bool read_files(const std::function<std::optional<std::string>()>& next, const ReadFile& read,
                const WorkerOptions& options, const FileSink& sink) {
    return Pool(next, read, options, sink).run();
}

bool read_files(const std::vector<std::string>& files, const ReadFile& read,
                const WorkerOptions& options, const FileSink& sink) {
    auto next = files.begin();
    const auto next_file = [&] {
        return next != files.end() ? std::optional(*next++) : std::nullopt;
    };
    return read_files(next_file, read, options, sink);
}

}  // namespace balmer::data
