#pragma once
// A module is a tree of named parameters. Layers, blocks and models are modules; what they compute
// is their own member function.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace balmer::nn {

class Module {
  public:
    struct NamedParameter {
        std::string name;  ///< names along the way from the root, joined with '.'
        Tensor tensor;
    };

    virtual ~Module() = default;
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;

    /// Every parameter below this module: its own first, then its children's, each in the order of
    /// registration. The tensors are handles: writing to them changes the module.
    std::vector<NamedParameter> parameters() const;

    /// The parameter of that full name; UsageError if there is none.
    Tensor parameter(const std::string& name) const;

    /// The number of elements of all parameters together.
    std::int64_t parameter_count() const;

    /// Says for every parameter below this module whether it is trained. What is not costs nothing
    /// in the backward pass.
    void set_requires_grad(bool value);

  protected:
    Module() = default;

    /// Gives `parameter` a name in this module, lets it require a gradient and returns it. A name
    /// is not empty, holds no '.', and is unique in its module, else UsageError.
    Tensor register_parameter(const std::string& name, Tensor parameter);

    /// Takes over a child under a name (unique here, '.' allowed) and returns it.
    template <class M>
    M& register_module(const std::string& name, std::unique_ptr<M> module) {
        M& reference = *module;
        adopt(name, std::move(module));
        return reference;
    }

  private:
    void adopt(const std::string& name, std::unique_ptr<Module> module);
    void expect_new_name(const std::string& name) const;
    void collect(const std::string& prefix, std::vector<NamedParameter>& into) const;

    std::vector<NamedParameter> own_;
    std::vector<std::pair<std::string, std::unique_ptr<Module>>> children_;
};

}  // namespace balmer::nn
