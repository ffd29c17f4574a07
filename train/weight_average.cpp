#include "train/weight_average.h"

#include <algorithm>

#include "kernels/elementwise/elementwise.h"

namespace balmer::train {

using kernels::BinaryOperation;

WeightAverage::WeightAverage(const std::vector<NamedTensor>& parameters, double decay)
    : decay_(decay) {
    for (const NamedTensor& parameter : parameters) {
        if (!parameter.tensor.requires_grad()) continue;
        parameters_.push_back(parameter);
        averages_.push_back(parameter.tensor.clone());
    }
}

double WeightAverage::decay_of(std::int64_t step) const {
    const auto count = static_cast<double>(step);
    return std::min(decay_, (1.0 + count) / (10.0 + count));
}

double WeightAverage::share(std::int64_t step) const {
    return 1.0 - decay_of(step);
}

void WeightAverage::update(const Tensor& share) {
    for (std::size_t i = 0; i < averages_.size(); ++i) {
        const View average = averages_[i].view();
        const Context& context = averages_[i].context();
        const Tensor difference = parameters_[i].tensor.clone();
        const View change = difference.view();
        kernels::binary(context, {BinaryOperation::subtract, change, average, change});
        kernels::binary(context, {BinaryOperation::multiply, change, share.view(), change});
        kernels::binary(context, {BinaryOperation::add, average, change, average});
    }
}

void WeightAverage::update(std::int64_t step) {
    const double decay = decay_of(step);
    for (std::size_t i = 0; i < averages_.size(); ++i) {
        const View average = averages_[i].view();
        const Context& context = averages_[i].context();
        const Tensor share = parameters_[i].tensor.clone();
        kernels::affine(context, {.x = share.view(), .scale = 1.0 - decay, .out = share.view()});
        kernels::affine(context, {.x = average, .scale = decay, .out = average});
        kernels::binary(context, {BinaryOperation::add, average, share.view(), average});
    }
}

void WeightAverage::exchange() {
    for (std::size_t i = 0; i < averages_.size(); ++i) {
        const Tensor& weight = parameters_[i].tensor;
        const Context& context = weight.context();
        const Tensor kept = weight.clone();
        kernels::copy(context, {.x = averages_[i].view(), .out = weight.view()});
        kernels::copy(context, {.x = kept.view(), .out = averages_[i].view()});
        weight.mark_changed();
    }
}

std::vector<NamedTensor> WeightAverage::tensors() const {
    std::vector<NamedTensor> state;
    for (std::size_t i = 0; i < averages_.size(); ++i) {
        state.push_back({"average." + parameters_[i].name, averages_[i]});
    }
    return state;
}

AveragedWeights::AveragedWeights(WeightAverage* average) : average_(average) {
    if (average_ != nullptr) average_->exchange();
}

AveragedWeights::~AveragedWeights() {
    if (average_ != nullptr) average_->exchange();
}

}  // namespace balmer::train
