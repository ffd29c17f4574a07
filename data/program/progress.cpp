#include "data/program/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace balmer::program {
namespace {

volatile std::sig_atomic_t caught_signal = 0;

void remember_signal(int signal) {
    if (caught_signal != 0) _exit(128 + signal);
    caught_signal = signal;
}

}  // namespace

Progress::Progress(std::string label, std::string unit, std::int64_t total)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      is_terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (is_terminal_ && has_line_) std::fputc('\n', stderr);
}

void Progress::update(std::int64_t done, std::int64_t total) {
    update(done, total, "");
}

void Progress::update(std::int64_t done, std::int64_t total, const std::string& text) {
    total_ = total;
    const auto now = Clock::now();
    if (first_ < 0) {
        first_ = done;
        start_ = now;
    }
    const std::chrono::duration<double> since_last = now - last_;
    const bool is_end = has_line_ && total_ > 0 && done >= total_;
    if (since_last.count() < (is_terminal_ ? 0.2 : 10.0) && !is_end) return;
    last_ = now;
    has_line_ = true;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = seconds > 0.0 ? static_cast<double>(done - first_) / seconds : 0.0;
    std::string line = total_ > 0 ? fmt::format("{} {}/{} {}", label_, done, total_, unit_)
                                  : fmt::format("{} {} {}", label_, done, unit_);
    line += fmt::format(", {:.0f}/s", rate);
    if (total_ > done && rate > 0.0) {
        line += ", " + duration_text(static_cast<double>(total_ - done) / rate) + " left";
    }
    if (!text.empty()) line += ", " + text;
    if (is_terminal_) {
        fmt::print(stderr, "\r\x1b[K{}", line);
    } else {
        fmt::print(stderr, "{}\n", line);
    }
    std::fflush(stderr);
}

std::string duration_text(double seconds) {
    const auto whole = static_cast<std::int64_t>(seconds + 0.5);
    if (whole >= 3600) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
    if (whole >= 60) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
    return fmt::format("{}s", whole);
}

void catch_stop_signals() {
    caught_signal = 0;
    struct sigaction action {};
    action.sa_handler = remember_signal;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

int stop_signal() {
    return caught_signal;
}

int stop_exit_code() {
    return 128 + caught_signal;
}

}  // namespace balmer::program
