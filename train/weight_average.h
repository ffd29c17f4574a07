#pragma once
// The exponential moving average of a model's weights over the updates: less noisy than the weights
// of any one update, most of all on small sets (Polyak & Juditsky 1992, SIAM J. Control Optim. 30,
// 838).

#include <cstdint>
#include <vector>

#include "train/optimiser.h"

namespace balmer::train {

class WeightAverage {
  public:
    /// Begins with the weights as they are. Parameters that require no gradient do not take part.
    WeightAverage(const std::vector<NamedTensor>& parameters, double decay);

    /// Takes in the weights after update number `step` (the first is 1):
    /// average = d average + (1 - d) weight, d = min(decay, (1 + step) / (10 + step)), so that the
    /// weights of the beginning are soon forgotten.
    void update(std::int64_t step);

    /// 1 - d of update number `step`.
    double share(std::int64_t step) const;
    /// The same update with 1 - d from the weights' device, f32 [1]; 0 leaves the average as it is.
    void update(const Tensor& share);

    /// Exchanges the average with the model's weights; a second call undoes it.
    void exchange();

    /// The whole state: "average.NAME"; sharing storage.
    std::vector<NamedTensor> tensors() const;

  private:
    double decay_of(std::int64_t step) const;

    std::vector<NamedTensor> parameters_;
    std::vector<Tensor> averages_;
    double decay_;
};

/// The model holds the averaged weights while this object lives. Null: nothing happens.
class AveragedWeights {
  public:
    explicit AveragedWeights(WeightAverage* average);
    ~AveragedWeights();
    AveragedWeights(const AveragedWeights&) = delete;
    AveragedWeights& operator=(const AveragedWeights&) = delete;

  private:
    WeightAverage* average_;
};

}  // namespace balmer::train
