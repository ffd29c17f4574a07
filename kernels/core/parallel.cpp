#include "kernels/core/parallel.h"

#include <omp.h>

#include <algorithm>
#include <exception>

namespace balmer {

void parallel_ranges(const Context& context, std::int64_t count, std::int64_t grain,
                     const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
    if (count <= 0) return;
    const std::int64_t step = std::max<std::int64_t>(grain, 1);
    const auto threads =
        static_cast<int>(std::min<std::int64_t>((count + step - 1) / step, thread_count(context)));
    if (threads <= 1 || omp_in_parallel() != 0) return body(0, count);
    std::exception_ptr failure;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int part = 0; part < threads; ++part) {
        try {
            body(count * part / threads, count * (part + 1) / threads);
        } catch (...) {
#pragma omp critical(balmer_parallel_failure)
            failure = std::current_exception();
        }
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace balmer
