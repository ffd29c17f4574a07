#include "render/image_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/core/nearest_name.h"
#include "render/image.h"
#include "render/map2d/colour_map.h"

namespace balmer::render {
namespace {

template <class Number>
Number parse_number(const std::string& key, std::string_view text) {
    Number number{};
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || end != text.data() + text.size()) {
        throw UsageError(fmt::format("image option {}: '{}' is not {}", key, text,
                                     std::is_integral_v<Number> ? "an integer" : "a number"));
    }
    return number;
}

bool parse_flag(const std::string& key, const std::string& text) {
    if (text != "true" && text != "false") {
        throw UsageError(fmt::format("image option {}: '{}' is neither true nor false", key, text));
    }
    return text == "true";
}

/// The one of `values` that has this name.
template <class Value>
Value parse_name(const char* what, const std::string& text, std::initializer_list<Value> values) {
    std::vector<std::string> known;
    for (const Value value : values) {
        if (text == name_of(value)) return value;
        known.emplace_back(name_of(value));
    }
    throw unknown_name(what, text, known);
}

/// "a,b,c", each read by `parse`; `what` it should have been.
template <class Parse>
auto parse_three(const std::string& key, const char* what, std::string_view text,
                 const Parse& parse) {
    std::array<decltype(parse(text)), 3> three{};
    for (std::size_t c = 0; c < three.size(); ++c) {
        const auto comma = c < 2 ? text.find(',') : text.size();
        if (comma == std::string_view::npos) {
            throw UsageError(fmt::format("image option {}: three {} are needed", key, what));
        }
        three[c] = parse(text.substr(0, comma));
        text.remove_prefix(std::min(text.size(), comma + 1));
    }
    return three;
}

std::array<float, 3> parse_numbers(const std::string& key, std::string_view text) {
    return parse_three(key, "numbers", text,
                       [&](std::string_view part) { return parse_number<float>(key, part); });
}

std::array<SpectralChannel, 3> parse_channels(const std::string& key, std::string_view text) {
    return parse_three(key, "names", text, [](std::string_view part) {
        using enum SpectralChannel;
        return parse_name("channel", std::string(part),
                          {shape, sharp_lines, broad_lines, flux, continuum, continuum_normalised,
                           derivative, inverse_variance, good_pixels, none});
    });
}

std::string written(const std::array<float, 3>& numbers) {
    return fmt::format("{},{},{}", numbers[0], numbers[1], numbers[2]);
}

std::string written(const std::array<SpectralChannel, 3>& channels) {
    return fmt::format("{},{},{}", name_of(channels[0]), name_of(channels[1]),
                       name_of(channels[2]));
}

void expect_within(const char* option, int value, int low, int high) {
    if (value < low || value > high) {
        throw UsageError(
            fmt::format("image option {} is {}, it must be {} to {}", option, value, low, high));
    }
}

}  // namespace

const char* name_of(FillOrder order) {
    return order == FillOrder::standard ? "standard" : "boustrophedon";
}

const char* name_of(ColourRange range) {
    switch (range) {
        case ColourRange::fixed:
            return "fixed";
        case ColourRange::minmax:
            return "minmax";
        case ColourRange::percentile:
            return "percentile";
        case ColourRange::asinh:
            return "asinh";
    }
    return "?";
}

const char* name_of(SpectralChannel channel) {
    switch (channel) {
        case SpectralChannel::shape:
            return "shape";
        case SpectralChannel::sharp_lines:
            return "sharp-lines";
        case SpectralChannel::broad_lines:
            return "broad-lines";
        case SpectralChannel::flux:
            return "flux";
        case SpectralChannel::continuum:
            return "continuum";
        case SpectralChannel::continuum_normalised:
            return "continuum-normalised";
        case SpectralChannel::derivative:
            return "derivative";
        case SpectralChannel::inverse_variance:
            return "inverse-variance";
        case SpectralChannel::good_pixels:
            return "good-pixels";
        case SpectralChannel::none:
            return "none";
    }
    return "?";
}

const char* name_of(MaskedPixels masked) {
    switch (masked) {
        case MaskedPixels::bridge_short:
            return "bridge-short";
        case MaskedPixels::interpolate:
            return "interpolate";
        case MaskedPixels::colour:
            return "colour";
    }
    return "?";
}

void validate(const ImageOptions& options) {
    find_image_type(options.type);
    find_colour_map(options.colour_map);
    expect_within("image_size", options.image_size, 1, largest_image);
    expect_within("block_size", options.block_size, 1, options.image_size);
    expect_within("patch_size", options.patch_size, 1, largest_image);
    if (options.type == "patch-rows" && options.image_size % options.patch_size != 0) {
        throw UsageError(fmt::format("patch-rows: patch_size {} does not divide image_size {}",
                                     options.patch_size, options.image_size));
    }
    if (!std::isfinite(options.vmin) || !std::isfinite(options.vmax) ||
        options.vmin >= options.vmax) {
        throw UsageError(fmt::format("image options vmin {} and vmax {}: vmin must be below vmax",
                                     options.vmin, options.vmax));
    }
    for (int c = 0; c < 3; ++c) {
        if (!std::isfinite(options.mean[c]) || !std::isfinite(options.standard_deviation[c]) ||
            options.standard_deviation[c] <= 0) {
            throw UsageError(fmt::format(
                "image options mean {} and standard_deviation {} must be finite, the latter "
                "positive",
                written(options.mean), written(options.standard_deviation)));
        }
    }
}

std::map<std::string, std::string> to_map(const ImageOptions& options) {
    return {
        {"type", options.type},
        {"image_size", fmt::to_string(options.image_size)},
        {"block_size", fmt::to_string(options.block_size)},
        {"patch_size", fmt::to_string(options.patch_size)},
        {"fill_order", name_of(options.fill_order)},
        {"interpolate", fmt::to_string(options.interpolate)},
        {"use_mask", fmt::to_string(options.use_mask)},
        {"colour_map", options.colour_map},
        {"range", name_of(options.range)},
        {"vmin", fmt::to_string(options.vmin)},
        {"vmax", fmt::to_string(options.vmax)},
        {"channels", written(options.channels)},
        {"masked", name_of(options.masked)},
        {"mean", written(options.mean)},
        {"standard_deviation", written(options.standard_deviation)},
    };
}

ImageOptions image_options_from_map(const std::map<std::string, std::string>& values,
                                    const ImageOptions& defaults) {
    ImageOptions options = defaults;
    for (const auto& [key, text] : values) {
        if (key == "type") {
            options.type = text;
        } else if (key == "image_size") {
            options.image_size = parse_number<int>(key, text);
        } else if (key == "block_size") {
            options.block_size = parse_number<int>(key, text);
        } else if (key == "patch_size") {
            options.patch_size = parse_number<int>(key, text);
        } else if (key == "fill_order") {
            options.fill_order =
                parse_name("fill order", text, {FillOrder::standard, FillOrder::boustrophedon});
        } else if (key == "interpolate") {
            options.interpolate = parse_flag(key, text);
        } else if (key == "use_mask") {
            options.use_mask = parse_flag(key, text);
        } else if (key == "colour_map") {
            options.colour_map = text;
        } else if (key == "range") {
            options.range = parse_name("colour range", text,
                                       {ColourRange::fixed, ColourRange::minmax,
                                        ColourRange::percentile, ColourRange::asinh});
        } else if (key == "vmin") {
            options.vmin = parse_number<double>(key, text);
        } else if (key == "vmax") {
            options.vmax = parse_number<double>(key, text);
        } else if (key == "channels") {
            options.channels = parse_channels(key, text);
        } else if (key == "masked") {
            options.masked = parse_name(
                "way of masked pixels", text,
                {MaskedPixels::bridge_short, MaskedPixels::interpolate, MaskedPixels::colour});
        } else if (key == "mean") {
            options.mean = parse_numbers(key, text);
        } else if (key == "standard_deviation") {
            options.standard_deviation = parse_numbers(key, text);
        } else {
            std::vector<std::string> known;
            for (const auto& [name, value] : to_map(defaults)) known.push_back(name);
            throw unknown_name("image option", key, known);
        }
    }
    validate(options);
    return options;
}

}  // namespace balmer::render
