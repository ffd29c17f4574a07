#pragma once
// A child process that reads files, one after another, and sends what they hold.
//
// It is forked, not executed anew, because the library does not know the program that it is part
// of, and because what it is to do (a function of the caller's) then needs no serial form. A forked
// child has only the thread that forked: whoever starts workers should run no other thread that
// holds a lock which reading needs. The programs start none before.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "data/readers/reader.h"

namespace balmer::data {

/// Gives everything that is in `file` to the sink, as read_spectra() does and with its exceptions.
using ReadFile = std::function<void(const std::string& file, const ReadSink& sink)>;

/// Started with the constructor, killed with the destructor. It also ends when this process ends,
/// however that happens.
class WorkerProcess {
  public:
    /// The child may allocate `memory_limit` bytes beyond what this process has. IoError if no
    /// process can be made.
    WorkerProcess(const ReadFile& read, std::int64_t memory_limit);
    ~WorkerProcess();
    WorkerProcess(WorkerProcess&& other) noexcept;
    WorkerProcess& operator=(WorkerProcess&& other) noexcept;
    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;

    /// Where its messages (spectrum_message.h) can be awaited.
    int descriptor() const { return socket_; }
    /// Asks it to read a file after those that it was asked for before.
    void ask(const std::string& file);
    /// Appends what has arrived to `stream`, at most some 256 KiB; false when nothing follows since
    /// the process has ended.
    bool receive(std::string& stream);
    /// Kills it if need be; its exit status as waitpid gives it.
    int end();

  private:
    pid_t process_ = -1;
    int socket_ = -1;
    bool has_closed_ = false;
};

/// The exit code of a process that wants to be replaced before it reads the next file.
inline constexpr int wants_replacement = 75;

/// Why a process ended, in words and as the reason for skipping the file that it was reading.
SkippedRow failure_of(int wait_status);

}  // namespace balmer::data
