#include "kernels/simt/schedule.h"

#include <cstdlib>
#include <string>

#include "kernels/core/error.h"

namespace balmer::simt {

Schedule Schedule::of_seed(std::uint64_t seed) {
    Schedule schedule;
    schedule.seed = seed;
    schedule.order = seed % 2 == 1 ? Order::warps : Order::threads;
    schedule.is_shuffled = seed != 0;
    return schedule;
}

Schedule Schedule::from_environment() {
    std::uint64_t seed = 0;
    if (const char* text = std::getenv("BALMER_SIMT_SEED")) {
        char* end = nullptr;
        seed = std::strtoull(text, &end, 10);
        if (end == text || *end != '\0') {
            throw UsageError("BALMER_SIMT_SEED: '" + std::string(text) + "' is not a number");
        }
    }
    Schedule schedule = of_seed(seed);
    const char* races = std::getenv("BALMER_SIMT_RACES");
    schedule.checks_races = races != nullptr && std::string(races) == "1";
    return schedule;
}

}  // namespace balmer::simt
