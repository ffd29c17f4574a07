#pragma once
// Reference values in files, and how far results are from them.

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tensor/ops.h"
#include "tests/temporary_folder.h"
#include "weights/safetensors.h"

namespace balmer::testing {

inline std::string golden(const std::string& name) {
    return std::string(BALMER_TEST_DATA) + "/" + name;
}

/// A tensor of a safetensors file with the dtype it is stored in.
inline Tensor stored_tensor(const std::string& path, const std::string& name) {
    const weights::SafetensorsFile file(path);
    const auto& info = file.info(name);
    const auto dtype = weights::dtype_of_stored(info.type);
    const Tensor tensor = Tensor::empty(info.shape, dtype.value());
    file.read_into(name, tensor.view().data,
                   static_cast<std::size_t>(info.shape.numel()) * size_of(*dtype));
    return tensor;
}

/// ||actual - expected|| / ||expected||, in f64.
inline double relative_error(const Tensor& actual, const Tensor& expected) {
    EXPECT_EQ(actual.numel(), expected.numel());
    const auto a = cast(actual.detach(), DType::f64).to_vector<double>();
    const auto b = cast(expected, DType::f64).to_vector<double>();
    double difference = 0.0;
    double norm = 0.0;
    for (std::size_t i = 0; i < b.size(); ++i) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return std::sqrt(difference / norm);
}

}  // namespace balmer::testing
