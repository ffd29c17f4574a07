#include "weights/weight_checks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tests/weights/file_testing.h"

namespace balmer::weights {
namespace {

TEST(CompareNames, AcceptsAgreement) {
    compare_names("f", {{"a", {2, 3}}, {"b", {}}}, {{"a", {2, 3}}, {"b", {}}});
}

TEST(CompareNames, Fault37ListsEveryDifferenceInOneMessage) {
    const auto comparing = [] {
        compare_names("f", {{"a", {2, 3}}, {"b", {4}}, {"c", {5}}, {"d", {1, 1}}, {"e", {6}}},
                      {{"a", {3, 2}}, {"c", {5}}, {"d", {1}}, {"x", {7}}, {"y", {}}});
    };
    EXPECT_EQ(message_of<FormatError>(comparing),
              "f: the tensors do not fit the model; missing: 'b' [4], 'e' [6]; not in the model: "
              "'x' [7], 'y' []; of another shape: 'a' expected [2, 3] got [3, 2], 'd' expected "
              "[1, 1] got [1]");
}

template <class T>
class ExpectFinite : public testing::Test {};
using FloatingTypes = testing::Types<float, double, bfloat16>;
TYPED_TEST_SUITE(ExpectFinite, FloatingTypes);

TYPED_TEST(ExpectFinite, Fault38NamesTheTensorAndTheFirstBadElement) {
    std::vector<TypeParam> values(10, TypeParam(1.0F));
    const View view(values.data(), dtype_of_v<TypeParam>, {2, 5});
    expect_finite("f", "w", view);
    values[7] = TypeParam(NAN);
    EXPECT_EQ(message_of<FormatError>([&] { expect_finite("f", "w", view); }),
              "f: tensor 'w' holds NaN at element 7 (1 of 10 values are not finite)");
    values[3] = TypeParam(-INFINITY);
    EXPECT_EQ(message_of<FormatError>([&] { expect_finite("f", "w", view); }),
              "f: tensor 'w' holds infinity at element 3 (2 of 10 values are not finite)");
}

TEST(ExpectFiniteArguments, MustBeFloating) {
    std::vector<std::int32_t> values(2);
    const View view(values.data(), DType::i32, {2});
    EXPECT_EQ(message_of<DTypeError>([&] { expect_finite("f", "w", view); }),
              "expect_finite: expected f32, f64 or bf16, got i32");
}

}  // namespace
}  // namespace balmer::weights
