// The twelve matrix products of a transformer block's linear layers (QKV, projection, fc1, fc2;
// each forward, by its input and by its weight), plain and with the epilogues of the engine. On
// CUDA they are cuBLASLt's: their best plain rate is the ceiling of everything that computes.

#include "kernels/gemm/gemm.h"

#include <fmt/format.h>

#include "bench/bench_case.h"
#include "bench/ceilings.h"

namespace balmer::bench {

namespace {

using kernels::Epilogue;
using kernels::GemmArguments;

/// What the engine runs after the product, by the layer and the direction.
enum class Finish : std::uint8_t { plain, bias, bias_residual, bias_gelu, gelu_gradient, bias_sum };

struct Product {
    std::string name;
    std::int64_t in = 0;
    std::int64_t out = 0;
    Finish finish = Finish::plain;
    enum class Direction : std::uint8_t {
        forward,
        input_gradient,
        weight_gradient
    } direction = Direction::forward;
};

std::vector<Product> products_of(const Workload& w) {
    const std::int64_t c = w.width;
    struct Layer {
        const char* name;
        std::int64_t in;
        std::int64_t out;
        Finish forward;
        Finish input_gradient;
    };
    const Layer layers[] = {{"qkv", c, 3 * c, Finish::bias, Finish::plain},
                            {"projection", c, c, Finish::bias_residual, Finish::plain},
                            {"fc1", c, w.mlp_width, Finish::bias_gelu, Finish::plain},
                            {"fc2", w.mlp_width, c, Finish::bias_residual, Finish::gelu_gradient}};
    using Direction = Product::Direction;
    std::vector<Product> products;
    for (const Layer& layer : layers) {
        const std::string name = fmt::format("gemm_{}", layer.name);
        products.push_back(
            {name + "_forward", layer.in, layer.out, layer.forward, Direction::forward});
        products.push_back({name + "_input_gradient", layer.in, layer.out, layer.input_gradient,
                            Direction::input_gradient});
        products.push_back({name + "_weight_gradient", layer.in, layer.out, Finish::bias_sum,
                            Direction::weight_gradient});
    }
    return products;
}

/// y [M, out] = x [M, in] weight [out, in]^T; dx = dy weight; dweight = dy^T x.
Calls make_product(const Product& product, std::int64_t rows, Operands& operands) {
    const DType dtype = operands.dtype();
    GemmArguments arguments;
    auto& spec = arguments.spec;
    spec.input = dtype;
    spec.output = dtype;
    View result;
    using Direction = Product::Direction;
    if (product.direction == Direction::weight_gradient) {
        arguments.a = operands.normal({rows, product.out}).data;
        arguments.b = operands.normal({rows, product.in}).data;
        spec.output = statistics_dtype(dtype);
        result = operands.output_statistics({product.out, product.in});
        spec.m = product.out;
        spec.n = product.in;
        spec.k = rows;
        spec.transpose_a = true;
        spec.lda = product.out;
        spec.ldb = product.in;
    } else {
        const bool is_forward = product.direction == Direction::forward;
        spec.m = rows;
        spec.n = is_forward ? product.out : product.in;
        spec.k = is_forward ? product.in : product.out;
        arguments.a = operands.normal({rows, spec.k}).data;
        arguments.b = operands.normal({product.out, product.in}, 0.05).data;
        result = operands.output({rows, spec.n});
        spec.transpose_b = is_forward;
        spec.lda = spec.k;
        spec.ldb = product.in;
    }
    spec.ldd = spec.n;
    arguments.d = result.data;
    const bool leads = product.direction != Direction::weight_gradient;
    std::vector<Output> outputs{{.name = "d", .view = result, .leads_with_batch = leads}};
    switch (product.finish) {
        case Finish::plain:
            break;
        case Finish::bias_residual:
            arguments.c = operands.normal({rows, spec.n}).data;
            spec.beta = 1.0;
            [[fallthrough]];
        case Finish::bias:
            spec.epilogue = Epilogue::bias;
            arguments.bias = operands.normal_statistics({spec.n}).data;
            break;
        case Finish::bias_gelu: {
            spec.epilogue = Epilogue::gelu;
            arguments.bias = operands.normal_statistics({spec.n}).data;
            const View auxiliary = operands.output({rows, spec.n});
            arguments.auxiliary = auxiliary.data;
            outputs.push_back({.name = "auxiliary", .view = auxiliary});
            break;
        }
        case Finish::gelu_gradient: {
            spec.epilogue = Epilogue::gelu_gradient;
            arguments.auxiliary = operands.normal({rows, spec.n}).data;
            const View sums = operands.output_statistics({spec.n});
            arguments.bias_gradient = sums.data;
            outputs.push_back({.name = "bias_gradient", .view = sums, .leads_with_batch = false});
            break;
        }
        case Finish::bias_sum: {
            spec.epilogue = Epilogue::row_sum_a;
            const View sums = operands.output_statistics({spec.m});
            arguments.bias_gradient = sums.data;
            outputs.push_back({.name = "bias_gradient", .view = sums, .leads_with_batch = false});
            break;
        }
    }
    return {.own = {.run = [arguments,
                            context = operands.context()] { kernels::gemm(context, arguments); },
                    .outputs = std::move(outputs)},
            .peer = {}};
}

double bytes_of(const Product& product, double rows, double size) {
    const auto in = static_cast<double>(product.in);
    const auto out = static_cast<double>(product.out);
    const bool is_weight = product.direction == Product::Direction::weight_gradient;
    double bytes = rows * (in + out) * size + in * out * (is_weight ? 4.0 : size);
    if (product.finish == Finish::bias_residual || product.finish == Finish::bias_gelu) {
        bytes += rows * out * size;
    }
    if (product.finish == Finish::gelu_gradient) bytes += rows * in * size;
    return bytes;
}

BenchCase case_of(const Workload& w, const Product& product, std::int64_t batch) {
    const auto rows = static_cast<double>(batch * w.tokens);
    const double flops =
        2.0 * rows * static_cast<double>(product.in) * static_cast<double>(product.out);
    return {.name = product.name,
            .model = w.model,
            .shape = fmt::format("M={} in={} out={}", batch * w.tokens, product.in, product.out),
            .batch = batch,
            .dtype = w.dtype,
            .work = {flops, bytes_of(product, rows, static_cast<double>(size_of(w.dtype)))},
            .make =
                [product, tokens = w.tokens](Operands& operands, Peers*, std::int64_t count) {
                    return make_product(product, count * tokens, operands);
                },
            .tolerance = tolerance_of(w.dtype)};
}

}  // namespace

std::vector<BenchCase> ceiling_cases(const Workload& w, std::int64_t batch) {
    std::vector<BenchCase> cases;
    for (Product product : products_of(w)) {
        product.finish = Finish::plain;
        cases.push_back(case_of(w, product, batch));
    }
    return cases;
}

std::vector<BenchCase> gemm_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    for (const std::int64_t batch : w.batches) {
        for (const Product& product : products_of(w)) cases.push_back(case_of(w, product, batch));
    }
    return cases;
}

}  // namespace balmer::bench
