#include "kernels/resample/resample.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/resample/resample_cpu.h"
#include "kernels/resample/resample_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<ResampleBatch> choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_resample_device, resample_device){
        "plain", accepts_cpu<ResampleBatch>, resample_plain}};

}  // namespace

void resample_to_common_grid(const Context& context, const ResampleBatch& arguments) {
    const char* operation = "resample_to_common_grid";
    const Check check(operation, context);
    check.rank(arguments.offsets, "offsets", 1, "[B + 1]");
    check.rank(arguments.wavelength, "wavelength", 1, "[P]");
    const std::int64_t batch = arguments.offsets.shape[0] - 1;
    if (batch < 0) throw ShapeError(std::string(operation) + ": offsets must be [B + 1], got [0]");
    const Shape pixels = arguments.wavelength.shape;
    const Shape rows = {batch, common_grid_pixels};
    check.contiguous_operand(arguments.offsets, "offsets", DType::i64, {batch + 1});
    check.contiguous_operand(arguments.wavelength, "wavelength", DType::f64, pixels);
    check.contiguous_operand(arguments.flux, "flux", DType::f32, pixels);
    check.contiguous_operand(arguments.inverse_variance, "inverse_variance", DType::f32, pixels);
    check.contiguous_operand(arguments.mask, "mask", DType::u8, pixels);
    if (arguments.grid_start) {
        check.contiguous_operand(arguments.grid_start, "grid_start", DType::i64, {batch});
    }
    check.contiguous_operand(arguments.out_flux, "out_flux", DType::f32, rows);
    check.contiguous_operand(arguments.out_inverse_variance, "out_inverse_variance", DType::f32,
                             rows);
    check.contiguous_operand(arguments.out_mask, "out_mask", DType::u8, rows);
    run_choice<ResampleBatch>(operation, choices, context, arguments);
}

}  // namespace balmer::kernels
