#include "data/readers/sdss_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace balmer::data {
namespace {

constexpr std::int64_t bit(int number) {
    return std::int64_t{1} << number;
}

/// FULLREJECT, NOSKY, BRIGHTSKY, NODATA, BADFLUXFACTOR, BADSKYCHI, REDMONSTER.
constexpr std::int64_t pixel_bits =
    bit(18) | bit(22) | bit(23) | bit(24) | bit(26) | bit(27) | bit(28);
/// These tell about the whole fibre, not the pixel.
constexpr std::int64_t fibre_bits = bit(16) - 1;

/// "26" is 26, "v5_7_0" is (5 - 5) * 10000 + 7 * 100 + 0; anything else counts as 0.
std::int64_t run_number(const std::string& run2d) {
    std::array<std::int64_t, 3> parts{};
    const bool version = run2d.starts_with('v');
    const char* next = run2d.data() + (version ? 1 : 0);
    const char* const end = run2d.data() + run2d.size();
    for (std::size_t i = 0; i < (version ? parts.size() : 1); ++i) {
        const auto parsed = std::from_chars(next, end, parts[i]);
        if (parsed.ec != std::errc{}) return 0;
        next = parsed.ptr + (parsed.ptr != end && *parsed.ptr == '_' ? 1 : 0);
    }
    if (!version) return parts[0];
    return (parts[0] - 5) * 10000 + parts[1] * 100 + parts[2];
}

}  // namespace

Labels sdss_labels(const SdssTableRow& row) {
    Labels labels;
    labels.object_class = row.text("CLASS").value_or("");
    labels.subclass = row.text("SUBCLASS").value_or("");
    labels.z = row.real("Z");
    labels.z_err = row.real("Z_ERR");
    if (labels.z_err && *labels.z_err <= 0) labels.z_err.reset();
    labels.zwarn = row.integer("ZWARNING");
    // Without a fitted star the three are 0 together; [Fe/H] = 0 alone is the Sun's.
    const auto teff = row.real("ELODIE_TEFF");
    if (teff && *teff > 0) {
        labels.teff = teff;
        labels.logg = row.real("ELODIE_LOGG");
        labels.feh = row.real("ELODIE_FEH");
    }
    return labels;
}

std::optional<double> sdss_snr(const SdssTableRow& row) {
    const auto snr = row.real("SN_MEDIAN_ALL");
    return snr ? snr : row.real("SN_MEDIAN");
}

void identify_sdss(const SdssObservation& observation, std::optional<std::int64_t> specobjid,
                   Spectrum& spectrum) {
    const auto& [plate, mjd, fiber, run2d] = observation;
    const bool known = plate >= 0 && plate < bit(14) && mjd >= 50000 && mjd - 50000 < bit(14) &&
                       fiber >= 0 && fiber < bit(12);
    if (known) spectrum.object_name = fmt::format("{:04}-{:05}-{:04}", plate, mjd, fiber);
    if (!specobjid && known) {
        const std::int64_t run = run_number(run2d) & (bit(14) - 1);
        specobjid = static_cast<std::int64_t>(static_cast<std::uint64_t>(plate) << 50U |
                                              static_cast<std::uint64_t>(fiber) << 38U |
                                              static_cast<std::uint64_t>(mjd - 50000) << 24U |
                                              static_cast<std::uint64_t>(run) << 10U);
    }
    spectrum.object_id = specobjid.value_or(0);
}

void mask_sdss_pixels(const std::vector<std::int64_t>& and_mask, bool strict, Spectrum& spectrum) {
    const std::int64_t rejecting = strict ? pixel_bits | fibre_bits : pixel_bits;
    const std::size_t pixels = std::min(and_mask.size(), spectrum.mask.size());
    for (std::size_t i = 0; i < pixels; ++i) {
        if ((and_mask[i] & rejecting) != 0) spectrum.mask[i] = 1;
        if ((and_mask[i] & fibre_bits) != 0) spectrum.flags |= fibre_flagged;
    }
}

}  // namespace balmer::data
