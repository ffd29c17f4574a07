#include "data/spectrum.h"

#include <algorithm>
#include <cmath>

namespace balmer::data {

const char* name_of(Status status) {
    switch (status) {
        case Status::ok:
            return "OK";
        case Status::not_a_file:
            return "NOT_A_FILE";
        case Status::not_fits:
            return "NOT_FITS";
        case Status::truncated:
            return "TRUNCATED";
        case Status::bad_structure:
            return "BAD_STRUCTURE";
        case Status::compressed_image:
            return "COMPRESSED_IMAGE";
        case Status::bad_checksum:
            return "BAD_CHECKSUM";
        case Status::bad_gzip:
            return "BAD_GZIP";
        case Status::unknown_layout:
            return "UNKNOWN_LAYOUT";
        case Status::not_observed:
            return "NOT_OBSERVED";
        case Status::label_table:
            return "LABEL_TABLE";
        case Status::sky_fibre:
            return "SKY_FIBRE";
        case Status::missing_column:
            return "MISSING_COLUMN";
        case Status::no_rows:
            return "NO_ROWS";
        case Status::length_mismatch:
            return "LENGTH_MISMATCH";
        case Status::bad_wavelength:
            return "BAD_WAVELENGTH";
        case Status::unknown_wavelength_unit:
            return "UNKNOWN_WAVELENGTH_UNIT";
        case Status::little_coverage:
            return "LITTLE_COVERAGE";
        case Status::no_data:
            return "NODATA";
        case Status::no_overlap:
            return "NO_OVERLAP";
        case Status::decoder_failed:
            return "DECODER_FAILED";
        case Status::timeout:
            return "TIMEOUT";
        case Status::out_of_memory:
            return "OUT_OF_MEMORY";
    }
    return "?";
}

std::optional<double> signal_to_noise(const Spectrum& spectrum) {
    if (!spectrum.inverse_variance_known) return std::nullopt;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < spectrum.flux.size(); ++i) {
        if (spectrum.mask[i] == 0) {
            ratios.push_back(double{spectrum.flux[i]} *
                             std::sqrt(double{spectrum.inverse_variance[i]}));
        }
    }
    if (ratios.empty()) return std::nullopt;
    const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
    std::nth_element(ratios.begin(), middle, ratios.end());
    if (ratios.size() % 2 == 1) return *middle;
    return 0.5 * (*middle + *std::max_element(ratios.begin(), middle));
}

std::int64_t good_pixels(const Spectrum& spectrum) {
    return std::count(spectrum.mask.begin(), spectrum.mask.end(), std::uint8_t{0});
}

}  // namespace balmer::data
