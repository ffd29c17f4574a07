#pragma once
// From host arrays to device tensors through pinned memory: the host goes on while the copies are
// under way.

#include <array>
#include <vector>

#include "kernels/core/buffer.h"
#include "tensor/tensor.h"

namespace balmer::train {

/// Two sets of pinned arrays, filled in turn: one may still be on its way while the other fills.
class Staging {
  public:
    explicit Staging(const Context& context) : context_(context) {}

    /// Begins the next set. The copies of the set before last must be done.
    void begin();

    /// Copies the contiguous `host` to `device`, in the order of the stream. `device` is made anew
    /// if it is undefined or of another shape or dtype, else it keeps its address. `host` may be
    /// used again at once.
    void put(const View& host, Tensor& device);

    /// The same of one value, to a tensor [1].
    template <class T>
    void put_value(T value, Tensor& device) {
        put(View(&value, dtype_of_v<T>, {1}), device);
    }

  private:
    struct Set {
        std::vector<PinnedBuffer> buffers;  ///< in the order of the calls of put()
        std::size_t used = 0;
    };

    Context context_;
    std::array<Set, 2> sets_;
    std::size_t current_ = 0;
};

}  // namespace balmer::train
