#include "data/pack/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <new>
#include <utility>

#include "data/pack/spectrum_message.h"

namespace balmer::data {
namespace {

bool send_all(int socket, const char* data, std::size_t bytes) {
    while (bytes > 0) {
        const ssize_t put = ::send(socket, data, bytes, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        data += put;
        bytes -= static_cast<std::size_t>(put);
    }
    return true;
}

bool receive_all(int socket, char* data, std::size_t bytes) {
    while (bytes > 0) {
        const ssize_t got = ::recv(socket, data, bytes, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        data += got;
        bytes -= static_cast<std::size_t>(got);
    }
    return true;
}

/// Bytes of private writable memory that this process has mapped, which is what RLIMIT_DATA counts.
std::int64_t data_bytes() {
    std::ifstream file("/proc/self/statm");
    std::int64_t pages[6] = {};
    for (auto& value : pages) file >> value;
    return file ? pages[5] * ::sysconf(_SC_PAGESIZE) : 0;
}

/// What a child changes about itself before it reads what others wrote.
void prepare_child(pid_t parent, int socket, std::int64_t memory_limit) {
    // The death of the parent is noticed even in an endless loop inside a decoder.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    // Ctrl-C goes to the whole process group; the parent decides what it means.
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
        std::signal(signal, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // Neither the parent's locks nor the sockets of other workers may live on in this process.
    if (socket > 3) ::close_range(3, static_cast<unsigned>(socket) - 1, 0);
    ::close_range(static_cast<unsigned>(socket) + 1, ~0U, 0);
    const rlimit no_core = {0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    if (memory_limit > 0) {
        const auto bytes = static_cast<rlim_t>(data_bytes() + memory_limit);
        const rlimit memory = {bytes, bytes};
        ::setrlimit(RLIMIT_DATA, &memory);
    }
}

/// Reads one file and sends what it holds. False if the process had better not go on.
bool serve_file(int socket, const std::string& file, const ReadFile& read) {
    std::string stream;
    const auto send = [&](const auto& message) {
        stream.clear();
        append_message(message, stream);
        if (!send_all(socket, stream.data(), stream.size())) ::_exit(0);
    };
    const auto end = [&](Status status, const std::string& detail) {
        send(EndOfFile{SkippedRow{0, status, detail}, ""});
    };
    try {
        read(file,
             {[&](Spectrum&& spectrum) { send(spectrum); }, [&](SkippedRow&& row) { send(row); }});
        send(EndOfFile{});
    } catch (const SpectrumError& error) {
        end(error.status, error.detail);
    } catch (const UsageError& error) {
        send(EndOfFile{std::nullopt, error.what()});
    } catch (const IoError& error) {
        end(Status::not_a_file, error.reason);
    } catch (const std::bad_alloc&) {
        stream.clear();
        stream.shrink_to_fit();
        end(Status::out_of_memory, "needs more memory than a file may");
        return false;  // the heap may stay in pieces
    } catch (const std::exception& error) {
        end(Status::decoder_failed, error.what());
    }
    return true;
}

[[noreturn]] void serve(int socket, const ReadFile& read) {
    for (;;) {
        std::uint64_t length = 0;
        if (!receive_all(socket, reinterpret_cast<char*>(&length), sizeof(length))) break;
        std::string file(length, '\0');
        if (!receive_all(socket, file.data(), file.size())) break;
        if (!serve_file(socket, file, read)) ::_exit(wants_replacement);
    }
    // Without the destructors and buffers of the parent, which are copies here.
    ::_exit(0);
}

}  // namespace

WorkerProcess::WorkerProcess(const ReadFile& read, std::int64_t memory_limit) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        throw IoError("worker process", std::strerror(errno));
    }
    const pid_t parent = ::getpid();
    process_ = ::fork();
    if (process_ == 0) {
        try {
            prepare_child(parent, ends[1], memory_limit);
            serve(ends[1], read);
        } catch (...) {
            ::_exit(1);
        }
    }
    const int error = errno;
    ::close(ends[1]);
    socket_ = ends[0];
    if (process_ < 0) {
        ::close(std::exchange(socket_, -1));
        throw IoError("worker process", std::strerror(error));
    }
}

WorkerProcess::~WorkerProcess() {
    end();
}

WorkerProcess::WorkerProcess(WorkerProcess&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      socket_(std::exchange(other.socket_, -1)),
      has_closed_(other.has_closed_) {}

WorkerProcess& WorkerProcess::operator=(WorkerProcess&& other) noexcept {
    std::swap(process_, other.process_);
    std::swap(socket_, other.socket_);
    std::swap(has_closed_, other.has_closed_);
    return *this;
}

void WorkerProcess::ask(const std::string& file) {
    const std::uint64_t length = file.size();
    std::string request(reinterpret_cast<const char*>(&length), sizeof(length));
    request += file;
    // If it is dead, receive() says so.
    send_all(socket_, request.data(), request.size());
}

bool WorkerProcess::receive(std::string& stream) {
    constexpr std::size_t most = std::size_t{1} << 18;
    const std::size_t before = stream.size();
    stream.resize(before + most);
    ssize_t got = -1;
    do {
        got = ::recv(socket_, stream.data() + before, most, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    const bool is_waiting = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    stream.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    has_closed_ = got <= 0 && !is_waiting;
    return !has_closed_;
}

int WorkerProcess::end() {
    int status = 0;
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    const pid_t process = std::exchange(process_, -1);
    if (process < 0) return status;
    const auto is_over = [&](int milliseconds) {
        for (int i = 0; i <= milliseconds; ++i) {
            if (::waitpid(process, &status, WNOHANG) == process) return true;
            ::usleep(1000);
        }
        return false;
    };
    // One that is about to end by itself is let to, since how it does is of interest.
    if (has_closed_ && is_over(100)) return status;
    ::kill(process, SIGKILL);
    // A read from a file server that does not answer cannot be killed: nobody waits for it.
    return is_over(2000) ? status : SIGKILL;
}

SkippedRow failure_of(int wait_status) {
    if (WIFEXITED(wait_status)) {
        return {0, Status::decoder_failed,
                fmt::format("reading it ended the process with exit code {}",
                            WEXITSTATUS(wait_status))};
    }
    const int signal = WTERMSIG(wait_status);
    if (signal == SIGKILL) {
        return {0, Status::out_of_memory,
                "the process that read it was killed (SIGKILL), as happens when the machine runs "
                "out of memory"};
    }
    const char* name = ::sigabbrev_np(signal);
    return {0, Status::decoder_failed,
            fmt::format("reading it crashed with SIG{} ({})", name != nullptr ? name : "?",
                        ::strsignal(signal))};
}

}  // namespace balmer::data
