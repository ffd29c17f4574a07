#pragma once
// What a model is: everything needed to build it again, as config.json keeps it.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace balmer::vit {

struct ModelConfig {
    std::string architecture = "vit";  ///< "vit" or "transformer-1d"
    std::string preset;                ///< the preset it began as, or ""

    int image_size = 224;
    int patch_size = 16;
    int channels = 3;
    int width = 768;
    int layers = 12;
    int attention_heads = 12;
    int mlp_width = 3072;
    double layer_norm_epsilon = 1e-12;
    bool qkv_bias = true;

    int patch_pixels = 1;   ///< transformer-1d: pixels a token
    int max_length = 8192;  ///< transformer-1d: pixels whose position table is kept ready

    /// Probability of dropping a branch of the last block; earlier blocks have less, linearly from
    /// 0 (stochastic depth).
    double drop_path = 0.0;

    /// What is predicted from the features: a class among `labels`, or a number where there are
    /// none: value = inverse of `transform` at (mean + deviation * output).
    struct Head {
        std::string target;  ///< "class", "subclass", "z", "teff", "logg", "feh", ...
        std::vector<std::string> labels;
        double mean = 0.0;
        double deviation = 1.0;
        std::string transform = "identity";  ///< or "log1p": value = expm1(...)

        bool is_classification() const { return !labels.empty(); }
        /// Width of the output: the number of labels, or 1.
        int outputs() const { return labels.empty() ? 1 : static_cast<int>(labels.size()); }
        bool operator==(const Head&) const = default;
    };
    int head_layers = 1;  ///< linear layers of every head, with ReLU between
    std::vector<Head> heads;

    /// Pixels are normalised as (pixel / 255 - mean) / deviation, per channel.
    std::array<double, 3> image_mean = {0.5, 0.5, 0.5};
    std::array<double, 3> image_deviation = {0.5, 0.5, 0.5};
    /// How spectra become images; kept with the model, not read by it.
    std::map<std::string, std::string> image;

    /// Patches along one side of the image.
    int grid() const { return image_size / patch_size; }

    bool operator==(const ModelConfig&) const = default;
};

/// The named configurations: vit-ti16, vit-s16, vit-b16, vit-l16 (Dosovitskiy et al. 2021,
/// arXiv:2010.11929; Touvron et al. 2021, arXiv:2012.12877) and transformer-1d. Without heads.
/// UsageError listing the names, with the nearest one suggested, for another name.
ModelConfig preset(const std::string& name);
std::vector<std::string> preset_names();

/// UsageError naming the key and its value unless a model can be built: sizes positive,
/// `attention_heads` divides `width`, `patch_size` divides `image_size`, targets unique, labels
/// unique and at least two, deviations finite and positive, transforms known, ...
void validate(const ModelConfig& config);

/// The value that a regression head's output stands for, and back. UsageError for an unknown
/// transform.
double target_value(const ModelConfig::Head& head, double output);
double target_output(const ModelConfig::Head& head, double value);

}  // namespace balmer::vit
