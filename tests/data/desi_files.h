#pragma once
// Small files in DESI's layouts, in memory.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/data/fits_builder.h"
#include "tests/data/survey_files.h"

namespace balmer::data {

/// The pixels of one arm, for every spectrum of the file.
struct DesiArmImages {
    std::vector<double> wavelength;
    std::vector<std::vector<float>> flux;
    std::vector<std::vector<float>> ivar;
    std::vector<std::vector<std::int32_t>> mask;  ///< as stored: the bits less 2^31
};

/// A coadd of two targets: arms of 160 pixels of 0.8 A from 5000 A on that overlap by ten.
struct DesiFile {
    static constexpr std::size_t arm_pixels = 160;
    static constexpr std::size_t overlap = 10;
    static constexpr std::size_t merged_pixels = 3 * arm_pixels - 2 * overlap;
    static constexpr std::int32_t no_bits = INT32_MIN;

    explicit DesiFile(std::size_t spectra = 2) {
        for (std::size_t i = 0; i < spectra; ++i) {
            targets.push_back(39633345008634465 + static_cast<std::int64_t>(i));
            ra.push_back(105.5 + static_cast<double>(i));
            dec.push_back(56.5 - static_cast<double>(i));
            types.push_back("TGT");
        }
        std::size_t first = 0;
        for (const char* const name : {"B", "R", "Z"}) {
            DesiArmImages& arm = arms[name];
            for (std::size_t i = 0; i < arm_pixels; ++i) {
                // Arms round differently, as in the survey's files.
                arm.wavelength.push_back(5000.0 + 0.8 * static_cast<double>(first + i) +
                                         (first > 0 ? 3e-10 : 0.0));
            }
            for (std::size_t row = 0; row < spectra; ++row) {
                arm.flux.emplace_back();
                for (std::size_t i = 0; i < arm_pixels; ++i) {
                    arm.flux[row].push_back(1.0F + 10.0F * static_cast<float>(row) +
                                            0.01F * static_cast<float>(first + i));
                }
                arm.ivar.emplace_back(arm_pixels, 4.0F);
                arm.mask.emplace_back(arm_pixels, no_bits);
            }
            first += arm_pixels - overlap;
        }
    }

    std::vector<fits_builder::Column> fibermap() const {
        return {fits_builder::numbers("TARGETID", targets), fits_builder::numbers("TARGET_RA", ra),
                fits_builder::numbers("TARGET_DEC", dec),
                fits_builder::strings("OBJTYPE", types, 3)};
    }
    std::string fibermap_bytes() const {
        return fits_builder::binary_table(fibermap(), static_cast<std::int64_t>(targets.size()),
                                          "FIBERMAP");
    }
    static std::string arm_bytes(const std::string& name, const DesiArmImages& arm) {
        using fits_builder::card;
        using fits_builder::image;
        return image<double>(name + "_WAVELENGTH", {arm.wavelength}, {}, true) +
               image(name + "_FLUX", arm.flux) + image(name + "_IVAR", arm.ivar) +
               image(name + "_MASK", arm.mask, {card("BSCALE", 1), card("BZERO", 2147483648)});
    }
    /// The HDUs in an order of their own: readers go by name.
    std::string bytes() const {
        std::string all = fits_builder::primary();
        for (const auto& [name, arm] : arms) all += arm_bytes(name, arm);
        return all + fibermap_bytes();
    }

    std::map<std::string, DesiArmImages> arms;
    std::vector<std::int64_t> targets;
    std::vector<double> ra;
    std::vector<double> dec;
    std::vector<std::string> types;
};

/// A redshift table as redrock writes it.
struct RedrockFile {
    explicit RedrockFile(std::vector<std::int64_t> ids) : targets(std::move(ids)) {
        for (std::size_t i = 0; i < targets.size(); ++i) {
            z.push_back(0.25 + static_cast<double>(i));
            types.emplace_back(i % 2 == 0 ? "GALAXY" : "STAR");
            subtypes.emplace_back(i % 2 == 0 ? "" : "G");
        }
    }
    std::vector<fits_builder::Column> columns() const {
        const std::size_t rows = targets.size();
        return {fits_builder::numbers("TARGETID", targets),
                fits_builder::numbers("Z", z),
                fits_builder::numbers("ZERR", std::vector<double>(rows, 1e-5)),
                fits_builder::numbers("ZWARN", std::vector<std::int64_t>(rows, 4)),
                fits_builder::strings("SPECTYPE", types, 6),
                fits_builder::strings("SUBTYPE", subtypes, 20)};
    }
    std::string bytes(const std::string& name = "REDSHIFTS") const {
        return fits_builder::primary() +
               fits_builder::binary_table(columns(), static_cast<std::int64_t>(targets.size()),
                                          name);
    }

    std::vector<std::int64_t> targets;
    std::vector<double> z;
    std::vector<std::string> types;
    std::vector<std::string> subtypes;
};

/// Spectra as columns of a table; the pixels of the overlap stand twice, 1e-9 A apart.
struct DesiColumnsFile {
    explicit DesiColumnsFile(std::size_t pixels = 300) {
        for (std::size_t i = 0; i < pixels; ++i) {
            const double wavelength = 5000.0 + 0.8 * static_cast<double>(i);
            const auto value = 1.0 + 0.01 * static_cast<double>(i);
            const bool twice = i >= 100 && i < 110;
            for (int copy = 0; copy < (twice ? 2 : 1); ++copy) {
                wave.push_back(wavelength + 1e-9 * copy);
                first.push_back(value + copy);
                second.push_back(-value);
            }
        }
    }
    std::vector<fits_builder::Column> columns() const {
        return {fits_builder::numbers("WAVE", wave),
                fits_builder::numbers("TARGET35185923939371431", first),
                fits_builder::numbers("TARGET35185923939371001", second)};
    }
    std::string bytes() const { return with_columns(columns()); }
    std::string with_columns(const std::vector<fits_builder::Column>& changed) const {
        return fits_builder::primary() +
               fits_builder::binary_table(changed, static_cast<std::int64_t>(wave.size()));
    }

    std::vector<double> wave;
    std::vector<double> first;
    std::vector<double> second;
};

}  // namespace balmer::data
