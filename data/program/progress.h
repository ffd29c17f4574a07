#pragma once
// A progress line with rate and time left, and the flag that SIGINT and SIGTERM set.

#include <chrono>
#include <cstdint>
#include <string>

namespace balmer::program {

/// Reports on stderr: one line that rewrites itself on a terminal, else a plain line every ten
/// seconds. Rate and time left count from the first update. Nothing is written before the first
/// interval has passed, so that short work is silent.
class Progress {
  public:
    /// `unit` is what is counted, as in "files"; a `total` of 0 means unknown.
    Progress(std::string label, std::string unit, std::int64_t total);
    /// Ends the line where one was begun.
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void update(std::int64_t done, std::int64_t total);
    /// `text` stands at the end of the line: a loss, a count of skipped files.
    void update(std::int64_t done, std::int64_t total, const std::string& text);

  private:
    using Clock = std::chrono::steady_clock;

    std::string label_;
    std::string unit_;
    std::int64_t total_;
    bool is_terminal_;
    bool has_line_ = false;
    std::int64_t first_ = -1;  ///< done at the first update
    Clock::time_point start_ = Clock::now();
    Clock::time_point last_ = start_;
};

/// "1h02m", "3m20s", "12s".
std::string duration_text(double seconds);

/// From here on SIGINT and SIGTERM set a flag; a second one ends the process at once (FAULTS 61).
void catch_stop_signals();
/// The first signal that came since catch_stop_signals(); 0 if none.
int stop_signal();
/// Exit code of a program that a signal stopped: 130 for SIGINT, 143 for SIGTERM.
int stop_exit_code();

}  // namespace balmer::program
