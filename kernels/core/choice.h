#pragma once
// Which implementation of an operation runs: a short ordered table, fastest first, the plain
// version last. The first entry that accepts the arguments runs.

#include <span>
#include <string>

#include "kernels/core/context.h"
#include "kernels/core/dtype.h"
#include "kernels/core/error.h"
#include "kernels/core/profile.h"

namespace balmer {

/// One entry of a choice table. `accepts` returns an empty string for yes, else the reason for no.
template <class Arguments>
struct Choice {
    const char* name;
    std::string (*accepts)(const Context&, const Arguments&);
    void (*run)(const Context&, const Arguments&);
};

/// The implementation the user forces for `operation`, or "" if none. Read from the environment
/// variable BALMER_CHOICE, a comma-separated list such as "gemm=eigen,attention=plain"; "*" as the
/// operation ("*=plain") speaks for every table that has an entry of that name.
std::string forced_choice(const char* operation, bool& is_wildcard);

/// Runs the first entry that accepts, or the forced one, in a profiler's range of the operation's
/// name. Throws DeviceError naming the operation
/// and every entry's reason if none accepts, UsageError if a forced name is not in the table.
template <class Arguments>
void run_choice(const char* operation, std::span<const Choice<Arguments>> table,
                const Context& context, const Arguments& arguments) {
    bool is_wildcard = false;
    const std::string forced = forced_choice(operation, is_wildcard);
    std::string reasons;
    bool is_known = false;
    for (const auto& entry : table) is_known = is_known || forced == entry.name;
    if (!forced.empty() && !is_known && !is_wildcard) {
        throw UsageError("BALMER_CHOICE: " + std::string(operation) + " has no implementation '" +
                         forced + "'");
    }
    for (const auto& entry : table) {
        if (is_known && forced != entry.name) continue;
        const std::string reason = entry.accepts(context, arguments);
        if (reason.empty()) {
            const ProfileRange range(operation);
            return entry.run(context, arguments);
        }
        reasons += std::string(reasons.empty() ? "" : "; ") + entry.name + ": " + reason;
    }
    throw DeviceError(std::string(operation) + ": no implementation for device " +
                      name_of(context.device) + " accepts the arguments (" + reasons + ")");
}

/// Entries of a choice table for the device kernels of this build, one a device: `accepts_function`
/// and `run_function` are templates over the DeviceType, defined in a `*_cuda.cu` file.
#if defined(BALMER_HAS_CUDA)
#define BALMER_CUDA_CHOICE(name, accepts_function, run_function) \
    {name, accepts_function<DeviceType::cuda>, run_function<DeviceType::cuda>},
#else
#define BALMER_CUDA_CHOICE(name, accepts_function, run_function)
#endif
#if defined(BALMER_HAS_SIMT)
#define BALMER_SIMT_CHOICE(name, accepts_function, run_function) \
    {name, accepts_function<DeviceType::simt>, run_function<DeviceType::simt>},
#else
#define BALMER_SIMT_CHOICE(name, accepts_function, run_function)
#endif
#define BALMER_DEVICE_CHOICES(name, accepts_function, run_function) \
    BALMER_CUDA_CHOICE(name, accepts_function, run_function)        \
    BALMER_SIMT_CHOICE(name, accepts_function, run_function)

/// For `accepts` functions of device kernels: "" if the context's device is the one they are
/// compiled for and the data are f32 or bf16, else the reason.
inline std::string accepts_on(DeviceType device, const Context& context, DType dtype) {
    if (context.device.type != device) return "runs on " + name_of(Device{device}) + " only";
    if (dtype != DType::f32 && dtype != DType::bf16) return "takes f32 and bf16 only";
    return "";
}

/// `accepts` of entries that serve every argument on the CPU.
template <class Arguments>
std::string accepts_cpu(const Context& context, const Arguments&) {
    return context.device.type == DeviceType::cpu ? "" : "runs on the cpu only";
}

}  // namespace balmer
