#pragma once
// What the kernel tests share: operands in guarded memory, the ways to run an operation, and
// comparisons that say how to rerun the one case.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/random.h"
#include "kernels/core/runtime.h"
#include "kernels/core/stream.h"
#include "kernels/core/view.h"
#include "kernels/simt/schedule.h"

namespace balmer::kernels::testing {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// The distance from 1 to the next number: relative rounding errors are half of it.
inline double ulp_of(DType dtype) {
    if (dtype == DType::f64) return 0x1p-52;
    return dtype == DType::bf16 ? 0x1p-7 : 0x1p-23;
}

/// How an operand lies in memory.
enum class Layout : std::uint8_t {
    contiguous,
    aligned,         ///< contiguous, from an address divisible by 16
    aligned_padded,  ///< the same, with 16 unused elements after every row
    padded,          ///< unused elements after every row and every matrix
    transposed,      ///< the last two dimensions change places
    reversed,        ///< all dimensions in the opposite order
    spread           ///< every other element
};

inline Strides strides_of(const Shape& shape, Layout layout) {
    Strides strides = contiguous_strides(shape);
    const int rank = shape.rank();
    if (layout == Layout::padded) {
        std::int64_t step = 1;
        for (int i = rank - 1; i >= 0; --i) {
            strides[i] = step;
            step = step * shape[i] + 3;
        }
    } else if (layout == Layout::aligned_padded) {
        for (int i = rank - 2; i >= 0; --i) {
            strides[i] = strides[i + 1] * shape[i + 1] + (i == rank - 2 ? 16 : 0);
        }
    } else if (layout == Layout::transposed && rank >= 2) {
        strides[-2] = 1;
        strides[-1] = shape[-2];
    } else if (layout == Layout::reversed) {
        std::int64_t step = 1;
        for (int i = 0; i < rank; ++i) {
            strides[i] = step;
            step *= shape[i];
        }
    } else if (layout == Layout::spread) {
        for (int i = 0; i < rank; ++i) strides[i] *= 2;
    }
    return strides;
}

/// Memory that every device reaches, so that one operand serves them all: managed memory where
/// there is a GPU, else the host's.
template <class T>
struct ReachableAllocator {
    using value_type = T;

    ReachableAllocator() = default;
    template <class U>
    explicit ReachableAllocator(const ReachableAllocator<U>&) {}

    T* allocate(std::size_t count) {
        void* memory = pinning_runtime().take_managed(count * sizeof(T));
        if (memory == nullptr) throw std::bad_alloc();
        return static_cast<T*>(memory);
    }
    void deallocate(T* memory, std::size_t) noexcept {
        pinning_runtime().give_managed_back(memory);
    }
    bool operator==(const ReachableAllocator&) const = default;
};
using ReachableBytes = std::vector<std::uint8_t, ReachableAllocator<std::uint8_t>>;

/// What the address of an operand's first element is a multiple of.
enum class Alignment : std::uint8_t {
    element,  ///< one element and not more: kernels have to do without vector accesses
    vector    ///< 64 bytes
};

/// An operand whose memory is surrounded, and interleaved where the layout leaves room, by bytes
/// that an operation must not touch. Under the address sanitizer it ends where its memory does, so
/// that reads beyond it are seen too.
class Operand {
  public:
    Operand() = default;
    Operand(DType dtype, const Shape& shape, Layout layout = Layout::contiguous,
            Alignment alignment = Alignment::element)
        : shape_(shape), strides_(strides_of(shape, layout)), dtype_(dtype), start_(guard) {
        const bool is_aligned = alignment == Alignment::vector || layout == Layout::aligned ||
                                layout == Layout::aligned_padded;
        if (!is_aligned) start_ += size_of(dtype);
        std::int64_t last = 0;
        for (int i = 0; i < shape.rank(); ++i) last += (shape[i] - 1) * strides_[i];
        span_ = shape.numel() == 0 ? 0 : last + 1;
        bytes_.assign(std::max<std::size_t>(1, start_ + size_of(dtype) * span_ + guard), pattern);
        is_own_.assign(span_, false);
        for_each([this](std::int64_t, std::int64_t offset) { is_own_[offset] = true; });
        poison();
    }

    View view(const Context& context = {}) const {
        View result(data(), dtype_, shape_, context.device);
        result.strides = strides_;
        return result;
    }
    explicit operator bool() const { return !bytes_.empty(); }
    DType dtype() const { return dtype_; }
    const Shape& shape() const { return shape_; }
    std::int64_t numel() const { return bytes_.empty() ? 0 : shape_.numel(); }
    std::uint8_t* data() const { return const_cast<std::uint8_t*>(bytes_.data()) + start_; }

    /// Fills the elements with NaN (all bits of integers): what an operation forgets to write
    /// shows.
    void poison() {
        for_each([this](std::int64_t, std::int64_t offset) {
            std::memset(data() + offset * size_of(dtype_), 0xFF, size_of(dtype_));
        });
    }

    Operand& set(const std::vector<double>& values) {
        for_each([&](std::int64_t i, std::int64_t offset) { put(offset, values.at(i)); });
        return *this;
    }

    Operand& randomise(Random& random, double deviation = 1.0, double mean = 0.0) {
        for_each([&](std::int64_t, std::int64_t offset) {
            put(offset, mean + deviation * random.normal());
        });
        return *this;
    }

    /// The elements in row-major order.
    std::vector<double> values() const {
        std::vector<double> result(numel());
        for_each([&](std::int64_t i, std::int64_t offset) { result[i] = get(offset); });
        return result;
    }

    /// The whole memory, guards included.
    const ReachableBytes& bytes() const { return bytes_; }

    /// True if every byte outside the elements is as it was.
    bool guards_are_intact() const {
        for (std::size_t i = 0; i < bytes_.size(); ++i) {
            const auto at = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(start_);
            const auto element = at / static_cast<std::int64_t>(size_of(dtype_));
            if (at >= 0 && element < span_ && is_own_[element]) continue;
            if (bytes_[i] != pattern) return false;
        }
        return true;
    }

  private:
#if defined(__SANITIZE_ADDRESS__)
    static constexpr std::size_t guard = 0;
#else
    static constexpr std::size_t guard = 256;
#endif
    static constexpr std::uint8_t pattern = 0xA5;

    void for_each(const std::function<void(std::int64_t, std::int64_t)>& body) const {
        for (std::int64_t i = 0; i < numel(); ++i) {
            std::int64_t rest = i;
            std::int64_t offset = 0;
            for (int d = shape_.rank() - 1; d >= 0; --d) {
                offset += rest % shape_[d] * strides_[d];
                rest /= shape_[d];
            }
            body(i, offset);
        }
    }

    void put(std::int64_t offset, double value) {
        dispatch_all(dtype_, [&](auto tag) {
            using T = typename decltype(tag)::type;
            const T element = static_cast<T>(value);
            std::memcpy(data() + offset * sizeof(T), &element, sizeof(T));
        });
    }

    double get(std::int64_t offset) const {
        return dispatch_all(dtype_, [&](auto tag) {
            using T = typename decltype(tag)::type;
            T element;
            std::memcpy(&element, data() + offset * sizeof(T), sizeof(T));
            return static_cast<double>(element);
        });
    }

    Shape shape_;
    Strides strides_;
    DType dtype_ = DType::f32;
    std::int64_t span_ = 0;
    std::size_t start_ = 0;
    ReachableBytes bytes_;
    std::vector<bool> is_own_;
};

/// A device and the implementation forced on it.
struct Way {
    std::string choice;
    Context context;
};

/// The simt device under the schedule of a seed.
inline Context simt_context(std::uint64_t seed) {
    static std::map<std::uint64_t, simt::Schedule> schedules;
    simt::Schedule& schedule = schedules[seed];
    schedule = simt::Schedule::of_seed(seed);
    schedule.checks_races = simt::Schedule::from_environment().checks_races;
    Context context;
    context.device = {DeviceType::simt, 0};
    context.stream = &schedule;
    return context;
}

/// The schedules under which simt runs a test: seed 0, and 1 and 2 or the one that BALMER_SIMT_SEED
/// names.
inline std::vector<std::uint64_t> simt_seeds() {
    const std::uint64_t named = simt::Schedule::from_environment().seed;
    if (named != 0) return {0, named};
    return {0, 1, 2};
}

/// The first GPU, on a stream of the tests.
inline Context cuda_context() {
    static const Stream stream({DeviceType::cuda, 0});
    return stream.context();
}

/// A context of each device that this build and machine have.
inline std::vector<Context> contexts() {
    std::vector<Context> result = {Context{}};
    if (device_count(DeviceType::simt) > 0) result.push_back(simt_context(0));
    if (device_count(DeviceType::cuda) > 0) result.push_back(cuda_context());
    return result;
}

/// Every device this build and machine can test, with each of the named implementations: those of
/// the CPU in the order of the choice table, "plain" the last, and those of the device kernels,
/// which simt runs under several schedules and a GPU twice.
inline std::vector<Way> ways_of(const std::vector<std::string>& choices,
                                const std::vector<std::string>& device_choices = {}) {
    std::vector<Way> ways;
    for (const auto& choice : choices) ways.push_back({choice, {}});
    for (const auto& choice : device_choices) {
        if (device_count(DeviceType::simt) > 0) {
            for (const std::uint64_t seed : simt_seeds()) {
                ways.push_back({choice, simt_context(seed)});
            }
        }
        if (device_count(DeviceType::cuda) > 0) {
            for (int i = 0; i < 2; ++i) ways.push_back({choice, cuda_context()});
        }
    }
    return ways;
}

/// The CPU with this many threads.
inline Context with_threads(int threads) {
    Context context;
    context.threads = threads;
    return context;
}

/// Sets an environment variable while it lives.
class ScopedVariable {
  public:
    ScopedVariable(const char* name, const std::string& value) : name_(name) {
        if (const char* before = std::getenv(name)) before_ = before;
        setenv(name, value.c_str(), 1);
    }
    ~ScopedVariable() {
        if (before_) {
            setenv(name_, before_->c_str(), 1);
        } else {
            unsetenv(name_);
        }
    }
    ScopedVariable(const ScopedVariable&) = delete;
    ScopedVariable& operator=(const ScopedVariable&) = delete;

  private:
    const char* name_;
    std::optional<std::string> before_;
};

/// Runs `body` with the way's implementation forced for `operation`; false if that implementation
/// declines the arguments or is not part of this build. "plain" may do neither.
inline bool run_way(const Way& way, const std::string& operation,
                    const std::function<void(const Context&)>& body) {
    const ScopedVariable forced("BALMER_CHOICE", operation + "=" + way.choice);
    try {
        body(way.context);
        synchronize(way.context);
        return true;
    } catch (const Error& error) {
        const std::string message = error.what();
        const bool declines = message.find("no implementation") != std::string::npos;
        if (!declines || way.choice == "plain") throw;
        return false;
    }
}

/// " on simt, rerun: BALMER_SIMT_SEED=2 BALMER_CHOICE=gemm=eigen bin/kernels_test
/// --gtest_filter=...".
inline std::string rerun(const Way& way, const std::string& operation) {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string command;
    if (way.context.device.type == DeviceType::simt) {
        const auto* schedule = static_cast<const simt::Schedule*>(way.context.stream);
        command += "BALMER_SIMT_SEED=" + std::to_string(schedule->seed) + " ";
        if (schedule->checks_races) command += "BALMER_SIMT_RACES=1 ";
    }
    return " on " + name_of(way.context.device) + "\nrerun: " + command + "BALMER_CHOICE='" +
           operation + "=" + way.choice + "' " + program_invocation_name +
           " --gtest_filter=" + info->test_suite_name() + "." + info->name();
}

/// Device kernels give the same bits under every schedule of simt, and each time on a GPU:
/// remembers each output of a device's first run and compares those of the others with it.
class SameBits {
  public:
    void expect(const Way& way, const std::string& output, const Operand& operand) {
        if (way.context.device.type == DeviceType::cpu) return;
        const auto [entry, is_first] = first_.try_emplace(
            name_of(way.context.device) + " " + way.choice + " " + output, operand.bytes());
        if (is_first) return;
        EXPECT_TRUE(entry->second == operand.bytes())
            << output << ": bits depend on the order of execution" << rerun(way, "*");
    }

  private:
    std::map<std::string, ReachableBytes> first_;
};

/// The largest absolute value among the finite ones.
inline double scale_of(const std::vector<double>& values) {
    double scale = 0.0;
    for (const double value : values) {
        if (std::isfinite(value)) scale = std::max(scale, std::abs(value));
    }
    return scale;
}

/// The largest absolute difference, infinite where one side alone is NaN or infinite.
inline double error_of(const std::vector<double>& actual, const std::vector<double>& expected) {
    double error = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double a = actual[i];
        const double e = expected[i];
        if (a == e || (std::isnan(a) && std::isnan(e))) continue;
        const double difference = std::abs(a - e);
        error = std::max(error, std::isnan(difference) ? infinity : difference);
    }
    return error;
}

/// Every |actual - expected| <= tolerance[i] (one tolerance for all if it has one element). NaN
/// equals NaN, infinity itself.
inline void expect_close(const std::vector<double>& actual, const std::vector<double>& expected,
                         const std::vector<double>& tolerance, const std::string& what) {
    ASSERT_EQ(actual.size(), expected.size()) << what;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double a = actual[i];
        const double e = expected[i];
        if (a == e || (std::isnan(a) && std::isnan(e))) continue;
        const double allowed = tolerance.size() == 1 ? tolerance[0] : tolerance[i];
        if (std::abs(a - e) <= allowed) continue;
        ADD_FAILURE() << what << ": element " << i << " is " << a << ", expected " << e
                      << " within " << allowed;
        return;
    }
}

inline void expect_close(const std::vector<double>& actual, const std::vector<double>& expected,
                         double tolerance, const std::string& what) {
    expect_close(actual, expected, std::vector<double>{tolerance}, what);
}

/// The rule for low precision (after flash-attention's tests): a fast implementation may be at most
/// twice as far from the f64 result as the plain one of the same precision, plus 4 ulp of the
/// output's scale.
inline double low_precision_tolerance(const std::vector<double>& plain,
                                      const std::vector<double>& expected, DType dtype) {
    return 2.0 * error_of(plain, expected) + 4.0 * ulp_of(dtype) * scale_of(expected);
}

/// Asserts that `call` throws E with exactly this message.
template <class E>
void expect_error(const std::function<void()>& call, const std::string& message) {
    try {
        call();
    } catch (const E& error) {
        EXPECT_EQ(std::string(error.what()), message);
        return;
    } catch (const std::exception& error) {
        ADD_FAILURE() << "another exception: " << error.what();
        return;
    }
    ADD_FAILURE() << "no exception; expected: " << message;
}

}  // namespace balmer::kernels::testing
