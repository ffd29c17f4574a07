// In place of everything else in this folder where cuDNN's headers are not installed.

#include "bench/cudnn/cudnn.h"
#include "kernels/core/error.h"

namespace balmer::bench::cudnn {

std::unique_ptr<Cudnn> Cudnn::on_device(const Context&) {
    throw DeviceError("cuDNN: this build did not find cudnn_backend.h");
}

std::unique_ptr<Cudnn> Cudnn::for_described_device(const std::string&) {
    throw DeviceError("cuDNN: this build did not find cudnn_backend.h");
}

bool Cudnn::has_attention_backward() {
    return false;
}

}  // namespace balmer::bench::cudnn
