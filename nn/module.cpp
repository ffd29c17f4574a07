#include "nn/module.h"

#include "kernels/core/error.h"

namespace balmer::nn {

std::vector<Module::NamedParameter> Module::parameters() const {
    std::vector<NamedParameter> all;
    collect("", all);
    return all;
}

Tensor Module::parameter(const std::string& name) const {
    for (const auto& [known, tensor] : parameters()) {
        if (known == name) return tensor;
    }
    throw UsageError("no parameter is called '" + name + "'");
}

std::int64_t Module::parameter_count() const {
    std::int64_t count = 0;
    for (const auto& [name, tensor] : parameters()) count += tensor.numel();
    return count;
}

void Module::set_requires_grad(bool value) {
    for (auto& [name, tensor] : parameters()) tensor.set_requires_grad(value);
}

Tensor Module::register_parameter(const std::string& name, Tensor parameter) {
    if (name.find('.') != std::string::npos) {
        throw UsageError("a parameter cannot be called '" + name + "': '.' joins names");
    }
    expect_new_name(name);
    parameter.set_requires_grad();
    own_.push_back({name, parameter});
    return parameter;
}

void Module::adopt(const std::string& name, std::unique_ptr<Module> module) {
    expect_new_name(name);
    children_.emplace_back(name, std::move(module));
}

void Module::expect_new_name(const std::string& name) const {
    bool is_known = name.empty();
    for (const auto& parameter : own_) is_known = is_known || parameter.name == name;
    for (const auto& child : children_) is_known = is_known || child.first == name;
    if (is_known) throw UsageError("the name '" + name + "' is empty or taken in this module");
}

void Module::collect(const std::string& prefix, std::vector<NamedParameter>& into) const {
    for (const auto& [name, tensor] : own_) into.push_back({prefix + name, tensor});
    for (const auto& [name, child] : children_) child->collect(prefix + name + '.', into);
}

}  // namespace balmer::nn
