#include "train/optimiser.h"

#include <algorithm>

#include "kernels/core/error.h"
#include "kernels/reduce/reduce.h"

namespace balmer::train {

namespace {

std::vector<View> views_of(const std::vector<Tensor>& tensors) {
    std::vector<View> views;
    for (const Tensor& tensor : tensors) views.push_back(tensor.view());
    return views;
}

}  // namespace

bool decays(const std::string& name, const Tensor& parameter) {
    for (const char* part : {"cls_token", "position_embedding", "pos_embed"}) {
        if (name.find(part) != std::string::npos) return false;
    }
    return parameter.rank() >= 2;
}

AdamW::AdamW(const std::vector<NamedTensor>& parameters, const AdamWOptions& options)
    : options_(options) {
    for (const NamedTensor& parameter : parameters) {
        const Tensor& tensor = parameter.tensor;
        if (!tensor.requires_grad()) continue;
        parameters_.push_back(parameter);
        for (auto* moments : {&first_moments_, &second_moments_}) {
            moments->push_back(Tensor::zeros(tensor.shape(), tensor.dtype(), tensor.context()));
        }
    }
}

std::vector<Tensor> AdamW::gradients() const {
    std::vector<Tensor> gradients;
    for (const NamedTensor& parameter : parameters_) {
        const Tensor gradient = parameter.tensor.grad();
        if (gradient.defined()) gradients.push_back(gradient);
    }
    return gradients;
}

double AdamW::gradient_norm() const {
    const std::vector<Tensor> all = gradients();
    return all.empty() ? 0.0 : kernels::global_norm(all.front().context(), views_of(all));
}

void AdamW::gradient_norm(const View& out) const {
    const std::vector<Tensor> all = gradients();
    if (all.empty()) throw Error("gradient norm: there is no gradient");
    kernels::global_norm(all.front().context(), views_of(all), out);
}

void AdamW::step(double learning_rate, double gradient_scale) {
    ++steps_;
    update({.parameters = {},
            .learning_rate = learning_rate,
            .step = steps_,
            .gradient_scale = gradient_scale});
}

void AdamW::step(const kernels::AdamWDeviceScalars& scalars) {
    update({.parameters = {}, .on_device = scalars});
}

void AdamW::update(kernels::AdamWArguments arguments) {
    std::vector<Tensor> gradients;
    std::vector<kernels::AdamWParameter> updates;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const auto& [name, tensor] = parameters_[i];
        const Tensor gradient = tensor.grad();
        if (!gradient.defined()) continue;
        gradients.push_back(gradient);
        const Tensor low_precision = tensor.cached_low_precision();
        updates.push_back({.parameter = tensor.view(),
                           .gradient = gradient.view(),
                           .first_moment = first_moments_[i].view(),
                           .second_moment = second_moments_[i].view(),
                           .low_precision = low_precision.defined() ? low_precision.view() : View(),
                           .weight_decay = decays(name, tensor) ? options_.weight_decay : 0.0});
    }
    if (updates.empty()) return;
    arguments.parameters = updates;
    arguments.beta1 = options_.beta1;
    arguments.beta2 = options_.beta2;
    arguments.epsilon = options_.epsilon;
    kernels::adamw(gradients.front().context(), arguments);
    for (const NamedTensor& parameter : parameters_) {
        if (parameter.tensor.grad().defined()) parameter.tensor.mark_changed(true);
    }
}

void AdamW::clear_gradients() const {
    for (const NamedTensor& parameter : parameters_) parameter.tensor.clear_grad();
}

std::vector<NamedTensor> AdamW::moments() const {
    std::vector<NamedTensor> state;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        state.push_back({"first_moment." + parameters_[i].name, first_moments_[i]});
        state.push_back({"second_moment." + parameters_[i].name, second_moments_[i]});
    }
    return state;
}

double clip_factor(double norm, double limit) {
    return limit > 0.0 ? std::min(1.0, limit / (norm + 1e-6)) : 1.0;
}

}  // namespace balmer::train
