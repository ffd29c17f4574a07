#include "bench/runner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "kernels/core/error.h"

namespace balmer::bench {

namespace {

constexpr std::int64_t most_compared = std::int64_t{1} << 24;

struct Squares {
    double difference = 0.0;
    double reference = 0.0;
};

void add_squares(BenchDevice& device_a, const Output& a, BenchDevice& device_b, const Output& b,
                 std::int64_t first, std::int64_t count, Squares& squares) {
    const std::vector<double> own = to_host(device_a, a.view, first, count);
    const std::vector<double> reference = to_host(device_b, b.view, first, count);
    for (std::int64_t i = 0; i < count; ++i) {
        if (a.period > 0 && (first + i) % a.period < a.skip) continue;
        const auto index = static_cast<std::size_t>(i);
        const double difference = own[index] - reference[index];
        squares.difference += difference * difference;
        squares.reference += reference[index] * reference[index];
    }
}

}  // namespace

double relative_difference(BenchDevice& device_a, const Output& a, BenchDevice& device_b,
                           const Output& b, std::int64_t count) {
    Squares squares;
    const std::int64_t head = std::min(count, most_compared);
    add_squares(device_a, a, device_b, b, 0, head, squares);
    const std::int64_t tail = std::min(count - head, most_compared);
    if (tail > 0) add_squares(device_a, a, device_b, b, count - tail, tail, squares);
    if (!std::isfinite(squares.difference)) return std::numeric_limits<double>::infinity();
    if (squares.difference == 0.0) return 0.0;
    return std::sqrt(squares.difference / squares.reference);
}

PreparedCase::PreparedCase(BenchDevice& device, Peers* peers, const BenchCase& bench_case,
                           const RunOptions& options)
    : device_(device), case_(bench_case), options_(options) {
    row_.name = case_.name;
    row_.model = case_.model;
    row_.shape = case_.shape;
    row_.batch = case_.batch;
    row_.dtype = case_.dtype;
    row_.work = case_.work;
    const auto add_slot = [&] {
        operands_.push_back(std::make_unique<Operands>(device_, case_.dtype, case_.dtype,
                                                       options_.seed + operands_.size()));
        calls_.push_back(case_.make(*operands_.back(), peers, case_.batch));
    };
    if (peers != nullptr) peers->begin_case();
    add_slot();
    verify(peers);
    const int slots = rotations(operands_.front()->bytes(), device_.facts().cache_bytes);
    while (static_cast<int>(operands_.size()) < slots) add_slot();

    std::vector<std::function<void()>> own;
    std::vector<std::function<void()>> peer;
    for (const Calls& calls : calls_) {
        own.push_back(calls.own.run);
        if (calls.peer) peer.push_back(calls.peer->run);
    }
    own_ = std::make_unique<Contestant>(device_, std::move(own), options_.warm_up,
                                        options_.repetition);
    if (row_.peer_note.empty() && !peer.empty()) {
        peer_ = std::make_unique<Contestant>(device_, std::move(peer), options_.warm_up,
                                             options_.repetition);
    }
}

void PreparedCase::verify(Peers* peers) {
    const Calls& calls = calls_.front();
    calls.own.run();
    device_.synchronize();
    compare_with_cpu();
    if (peers == nullptr) return;
    if (calls.peer) {
        row_.peer_name = peers->name();
        compare_with_peer();
    } else {
        row_.peer_note = peers->missing();
    }
}

void PreparedCase::compare_with_cpu() {
    if (calls_.front().own.outputs.empty()) return;
    const std::unique_ptr<BenchDevice> cpu = open_device("cpu");
    Operands reference_operands(*cpu, DType::f32, case_.dtype, options_.seed);
    const Calls reference = case_.make(reference_operands, nullptr, 1);
    reference.own.run();
    // What a batch sums up is compared on a batch of one, the rest on the whole batch too.
    Operands single_operands(device_, case_.dtype, case_.dtype, options_.seed);
    const Calls single = case_.make(single_operands, nullptr, 1);
    single.own.run();
    device_.synchronize();
    for (std::size_t i = 0; i < reference.own.outputs.size(); ++i) {
        const Output& wanted = reference.own.outputs[i];
        const std::int64_t count = wanted.view.numel();
        double difference =
            relative_difference(device_, single.own.outputs[i], *cpu, wanted, count);
        if (wanted.leads_with_batch) {
            difference = std::max(
                difference,
                relative_difference(device_, calls_.front().own.outputs[i], *cpu, wanted, count));
        }
        row_.reference_difference = std::max(row_.reference_difference, difference);
        if (!(difference <= case_.tolerance)) {
            throw NumericalError(fmt::format("{} differs by {:.2e} from f32 on the CPU (limit {})",
                                             wanted.name, difference, case_.tolerance));
        }
    }
}

void PreparedCase::compare_with_peer() {
    const Calls& calls = calls_.front();
    calls.peer->run();
    device_.synchronize();
    for (std::size_t i = 0; i < calls.peer->outputs.size(); ++i) {
        const Output& theirs = calls.peer->outputs[i];
        const double difference = relative_difference(device_, calls.own.outputs[i], device_,
                                                      theirs, theirs.view.numel());
        row_.peer_difference = std::max(row_.peer_difference, difference);
        // Balmer's agrees with the CPU, so this is the peer's: it is not timed.
        if (!(difference <= 2.0 * case_.tolerance)) {
            row_.peer_note =
                fmt::format("{}: {} differs by {:.2e}", row_.peer_name, theirs.name, difference);
        }
    }
}

double PreparedCase::repeat() {
    own_seconds_.push_back(own_->repeat());
    if (peer_) peer_seconds_.push_back(peer_->repeat());
    return own_seconds_.back();
}

Row PreparedCase::row() const {
    Row row = row_;
    row.own = summarise(own_seconds_);
    row.own.calls = own_->calls();
    row.own.is_graph = own_->is_graph();
    if (peer_) {
        row.peer = summarise(peer_seconds_);
        row.peer->calls = peer_->calls();
        row.peer->is_graph = peer_->is_graph();
    }
    return row;
}

}  // namespace balmer::bench
