// Matrix products on the CPU by oneDNN (dnnl::matmul), which picks AVX2, AVX-512 or AMX code at run
// time. Transposes are strides; bias, C and GELU are fused; the other epilogues are one more pass.
// Making a primitive costs about as much as a small product, so each thread keeps those it made.

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/parallel.h"
#include "kernels/core/wide_vectors.h"
#include "kernels/gelu/gelu_math.h"
#include "kernels/gemm/gemm_cpu.h"

namespace balmer::kernels {
namespace {

using dnnl::memory;
using Kind = memory::data_type;

/// Everything that decides which primitive is needed.
struct Key {
    GemmSpec spec;
    bool has_bias = false;
    bool has_separate_c = false;
    bool is_gelu_fused = false;
    int threads = 1;

    bool operator==(const Key&) const = default;
};

struct KeyHash {
    std::size_t operator()(const Key& key) const {
        const GemmSpec& s = key.spec;
        std::size_t hash = 0;
        for (const std::int64_t value :
             {s.m, s.n, s.k, s.batch, s.lda, s.ldb, s.ldd, s.stride_a, s.stride_b, s.stride_d}) {
            hash = (hash ^ static_cast<std::size_t>(value)) * 0x100000001b3ULL;
        }
        const int flags = (s.transpose_a ? 1 : 0) + (s.transpose_b ? 2 : 0) +
                          (key.has_bias ? 4 : 0) + (key.has_separate_c ? 8 : 0) +
                          (key.is_gelu_fused ? 16 : 0) + 32 * static_cast<int>(s.input) +
                          512 * static_cast<int>(s.output) + 8192 * key.threads;
        return (hash ^ static_cast<std::size_t>(flags)) * 0x100000001b3ULL;
    }
};

/// The number of threads oneDNN may use while this lives (OpenMP keeps it for each thread).
class ThreadLimit {
  public:
    explicit ThreadLimit(int threads) : before_(omp_get_max_threads()) {
        omp_set_num_threads(threads);
    }
    ~ThreadLimit() { omp_set_num_threads(before_); }
    ThreadLimit(const ThreadLimit&) = delete;
    ThreadLimit& operator=(const ThreadLimit&) = delete;

  private:
    int before_;
};

Kind kind_of(DType dtype) {
    return dtype == DType::bf16 ? Kind::bf16 : Kind::f32;
}

/// rows x columns with leading dimension `leading` (of the transposed matrix where `transposed`),
/// one of a batch where batch > 1.
memory::desc describe(const GemmSpec& spec, std::int64_t rows, std::int64_t columns, DType dtype,
                      std::int64_t leading, bool transposed, std::int64_t stride) {
    memory::dims sizes = {rows, columns};
    memory::dims strides = {leading, 1};
    if (transposed) std::swap(strides[0], strides[1]);
    if (spec.batch > 1) {
        sizes.insert(sizes.begin(), stride == 0 ? 1 : spec.batch);
        strides.insert(strides.begin(), stride == 0 ? rows * columns : stride);
    }
    return {sizes, kind_of(dtype), strides};
}

/// One primitive with the memory objects it is executed on.
class Product {
  public:
    explicit Product(const Key& key) {
        const GemmSpec& s = key.spec;
        const auto a = describe(s, s.m, s.k, s.input, s.lda, s.transpose_a, s.stride_a);
        const auto b = describe(s, s.k, s.n, s.input, s.ldb, s.transpose_b, s.stride_b);
        const auto d = describe(s, s.m, s.n, s.output, s.ldd, false, s.stride_d);
        const memory::dims bias_sizes =
            s.batch > 1 ? memory::dims{1, 1, s.n} : memory::dims{1, s.n};
        const memory::desc bias(bias_sizes, Kind::f32,
                                s.batch > 1 ? memory::dims{s.n, s.n, 1} : memory::dims{s.n, 1});
        const dnnl::matmul::primitive_desc description(
            key.has_bias ? dnnl::matmul::desc(a, b, bias, d) : dnnl::matmul::desc(a, b, d),
            attributes_of(key, d), engine_);
        const std::string implementation = description.impl_info_str();
        if (implementation.starts_with("ref")) {
            refusal_ = "oneDNN has only its reference implementation";
            return;
        }
        primitive_ = dnnl::matmul(description);
        add(DNNL_ARG_SRC, a);
        add(DNNL_ARG_WEIGHTS, b);
        add(DNNL_ARG_DST, d);
        if (key.has_bias) add(DNNL_ARG_BIAS, bias);
        if (key.has_separate_c) add(c_argument, d);
    }

    const std::string& refusal() const { return refusal_; }

    void run(const GemmArguments& arguments, void* d) {
        point(DNNL_ARG_SRC, arguments.a);
        point(DNNL_ARG_WEIGHTS, arguments.b);
        point(DNNL_ARG_DST, d);
        if (arguments_.contains(DNNL_ARG_BIAS)) point(DNNL_ARG_BIAS, arguments.bias);
        if (arguments_.contains(c_argument)) point(c_argument, arguments.c);
        primitive_.execute(stream_, arguments_);
        stream_.wait();
    }

  private:
    static constexpr int c_argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;

    static dnnl::primitive_attr attributes_of(const Key& key, const memory::desc& d) {
        dnnl::post_ops after;
        if (key.has_separate_c) {
            after.append_binary(dnnl::algorithm::binary_add, d);
        } else if (key.spec.beta != 0.0) {
            after.append_sum(static_cast<float>(key.spec.beta));
        }
        if (key.is_gelu_fused) {
            after.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
        }
        dnnl::primitive_attr attributes;
        attributes.set_post_ops(after);
        if (key.spec.alpha != 1.0) {
            attributes.set_output_scales(0, {static_cast<float>(key.spec.alpha)});
        }
        return attributes;
    }

    void add(int argument, const memory::desc& description) {
        arguments_[argument] = memory(description, engine_, nullptr);
    }

    void point(int argument, const void* data) {
        arguments_.at(argument).set_data_handle(const_cast<void*>(data));
    }

    dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream_{engine_};
    dnnl::matmul primitive_;
    std::unordered_map<int, memory> arguments_;
    std::string refusal_;
};

/// The product for `key`, made at its first use in this thread.
Product& product_for(const Key& key) {
    constexpr std::size_t most = 512;
    thread_local std::unordered_map<Key, std::unique_ptr<Product>, KeyHash> products;
    const auto found = products.find(key);
    if (found != products.end()) return *found->second;
    if (products.size() >= most) products.clear();
    return *products.emplace(key, std::make_unique<Product>(key)).first->second;
}

/// Where the product itself goes: GELU with `auxiliary` is a second pass, from there to D.
void* product_target(const GemmArguments& arguments) {
    const bool is_kept =
        arguments.spec.epilogue == Epilogue::gelu && arguments.auxiliary != nullptr;
    return is_kept ? arguments.auxiliary : arguments.d;
}

Key key_of(const Context& context, const GemmArguments& arguments) {
    Key key;
    key.spec = arguments.spec;
    const Epilogue epilogue = key.spec.epilogue;
    key.has_bias =
        arguments.bias != nullptr && (epilogue == Epilogue::bias || epilogue == Epilogue::gelu);
    key.has_separate_c = key.spec.beta != 0.0 && arguments.c != product_target(arguments);
    key.is_gelu_fused = epilogue == Epilogue::gelu && arguments.auxiliary == nullptr;
    key.spec.epilogue = Epilogue::none;
    key.threads = thread_count(context);
    return key;
}

bool has_bfloat16() {
    const auto have = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
    return (have & needed) == needed;
}

/// First element of row `row`, counted through the batch, of D or auxiliary.
template <class Out>
Out* row_of(void* data, const GemmSpec& spec, std::int64_t row) {
    return static_cast<Out*>(data) + row / spec.m * spec.stride_d + row % spec.m * spec.ldd;
}

template <class Out>
void gelu_pass(const Context& context, const GemmArguments& arguments) {
    const GemmSpec& spec = arguments.spec;
    parallel_for(context, spec.batch * spec.m, 1 + 4096 / spec.n, [&](std::int64_t row) {
        const Out* p = row_of<Out>(arguments.auxiliary, spec, row);
        Out* d = row_of<Out>(arguments.d, spec, row);
        const std::int64_t n = spec.n;
        with_widest_vectors([=] {
#pragma GCC ivdep
            for (std::int64_t j = 0; j < n; ++j) d[j] = Out(gelu_value(float(p[j])));
        });
    });
}

/// D *= gelu'(auxiliary), and the sums over its rows: for chunks of rows, whose number depends on
/// the shape alone, then over the chunks.
template <class Out>
void gelu_gradient_pass(const Context& context, const GemmArguments& arguments) {
    const GemmSpec& spec = arguments.spec;
    const std::int64_t rows = spec.batch * spec.m;
    const std::int64_t chunks = std::clamp<std::int64_t>(rows / 32, 1, 64);
    std::vector<float> partial(chunks * spec.n, 0.0F);
    parallel_for(context, chunks, 1, [&](std::int64_t chunk) {
        float* sums = partial.data() + chunk * spec.n;
        for (auto row = rows * chunk / chunks; row < rows * (chunk + 1) / chunks; ++row) {
            const Out* p = row_of<Out>(arguments.auxiliary, spec, row);
            Out* d = row_of<Out>(arguments.d, spec, row);
            const std::int64_t n = spec.n;
            with_widest_vectors([=] {
#pragma GCC ivdep
                for (std::int64_t j = 0; j < n; ++j) {
                    // Rounded twice: a named Out would keep the loop from being vectorised.
                    const float value = float(d[j]) * gelu_derivative(float(p[j]));
                    d[j] = Out(value);
                    sums[j] += float(Out(value));
                }
            });
        }
    });
    if (arguments.bias_gradient == nullptr) return;
    auto* gradient = static_cast<float*>(arguments.bias_gradient);
    std::copy_n(partial.data(), spec.n, gradient);
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
        const float* sums = partial.data() + chunk * spec.n;
        for (std::int64_t j = 0; j < spec.n; ++j) gradient[j] += sums[j];
    }
}

template <class Out>
void finish(const Context& context, const GemmArguments& arguments) {
    const Epilogue epilogue = arguments.spec.epilogue;
    if (epilogue == Epilogue::gelu && arguments.auxiliary != nullptr) {
        gelu_pass<Out>(context, arguments);
    } else if (epilogue == Epilogue::gelu_gradient) {
        gelu_gradient_pass<Out>(context, arguments);
    } else {
        finish_bias_gradient(context, arguments);
    }
}

}  // namespace

std::string accepts_onednn(const Context& context, const GemmArguments& arguments) {
    const GemmSpec& spec = arguments.spec;
    if (context.device.type != DeviceType::cpu) return "runs on the cpu only";
    if (spec.input == DType::f64) return "has no f64";
    if (spec.m == 0 || spec.n == 0 || spec.k == 0 || spec.batch == 0) return "an empty product";
    if (spec.input == DType::bf16 && !has_bfloat16()) {
        return "this CPU has neither avx512_bf16 nor AMX";
    }
    const Key key = key_of(context, arguments);
    if (key.has_bias && spec.alpha != 1.0) return "would scale the bias by alpha";
    if (key.has_separate_c && spec.beta != 1.0) return "adds a C apart from D with beta 1 only";
    try {
        const ThreadLimit limit(key.threads);
        return product_for(key).refusal();
    } catch (const dnnl::error& error) {
        return std::string("oneDNN: ") + error.what();
    }
}

void gemm_onednn(const Context& context, const GemmArguments& arguments) {
    const Key key = key_of(context, arguments);
    try {
        const ThreadLimit limit(key.threads);
        product_for(key).run(arguments, product_target(arguments));
    } catch (const dnnl::error& error) {
        throw DeviceError(std::string("gemm: oneDNN: ") + error.what());
    }
    if (arguments.spec.output == DType::bf16) {
        finish<bfloat16>(context, arguments);
    } else {
        finish<float>(context, arguments);
    }
}

}  // namespace balmer::kernels
