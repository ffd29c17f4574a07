#pragma once
// Small SDSS plate files and their tables of redshifts, in memory.

#include <string>
#include <vector>

#include "tests/data/fits_builder.h"
#include "tests/data/survey_files.h"

namespace balmer::data {

/// An spPlate file of `fibres` spectra of 300 pixels; fibre 2 looks at the sky.
struct PlateFileBytes {
    explicit PlateFileBytes(std::size_t fibres = 3, std::size_t pixels = 300) {
        for (std::size_t row = 0; row < fibres; ++row) {
            flux.emplace_back();
            for (std::size_t i = 0; i < pixels; ++i) {
                flux[row].push_back(1.0F + 10.0F * static_cast<float>(row) +
                                    0.01F * static_cast<float>(i));
            }
            ivar.emplace_back(pixels, 4.0F);
            and_mask.emplace_back(pixels, 0);
            fiberid.push_back(static_cast<std::int32_t>(row) + 1);
            types.emplace_back(row == 1 ? "SKY" : "GALAXY");
            ra.push_back(150.0 + static_cast<double>(row));
            dec.push_back(2.0 + static_cast<double>(row));
        }
    }

    std::vector<std::string> cards() const {
        using fits_builder::card;
        return {fits_builder::text_card("TELESCOP", "SDSS 2.5-M"),
                card("PLATEID", 3655),
                card("MJD", 55240),
                fits_builder::text_card("RUN2D", run2d),
                card("COEFF0", coeff0),
                card("COEFF1", "0.0001")};
    }
    std::vector<fits_builder::Column> plugmap() const {
        return {fits_builder::strings("OBJTYPE", types, 16), fits_builder::numbers("RA", ra),
                fits_builder::numbers("DEC", dec), fits_builder::numbers("FIBERID", fiberid)};
    }
    std::string bytes() const {
        using fits_builder::image;
        return fits_builder::primary_image(flux, cards()) + image("IVAR", ivar) +
               image("ANDMASK", and_mask) + image("ORMASK", and_mask) + image("WAVEDISP", ivar) +
               fits_builder::binary_table(plugmap(), static_cast<std::int64_t>(fiberid.size()),
                                          "PLUGMAP") +
               image("SKY", flux);
    }

    std::vector<std::vector<float>> flux;
    std::vector<std::vector<float>> ivar;
    std::vector<std::vector<std::int32_t>> and_mask;
    std::vector<std::int32_t> fiberid;
    std::vector<std::string> types;
    std::vector<double> ra;
    std::vector<double> dec;
    std::string run2d = "v5_13_0";
    std::string coeff0 = "3.5798";
};

/// An spZbest file of that plate; its rows need not be in the order of the fibres.
struct PlateRedshifts {
    std::vector<std::int32_t> fiberid = {3, 1};
    std::int32_t mjd = 55240;

    std::string bytes() const {
        using fits_builder::numbers;
        using fits_builder::strings;
        const std::size_t rows = fiberid.size();
        std::vector<float> z;
        std::vector<std::string> classes;
        for (const std::int32_t fiber : fiberid) {
            z.push_back(0.125F * static_cast<float>(fiber));
            classes.emplace_back(fiber == 1 ? "QSO" : "STAR");
        }
        const std::vector<fits_builder::Column> columns = {
            numbers("PLATE", std::vector<std::int32_t>(rows, 3655)),
            numbers("MJD", std::vector<std::int32_t>(rows, mjd)),
            numbers("FIBERID", fiberid),
            strings("CLASS", classes, 6),
            strings("SUBCLASS", std::vector<std::string>(rows, "F5"), 21),
            numbers("Z", z),
            numbers("Z_ERR", std::vector<float>(rows, 1e-4F)),
            numbers("ZWARNING", std::vector<std::int32_t>(rows, 0)),
            numbers("SN_MEDIAN", std::vector<float>(rows, 7.5F)),
            numbers("ELODIE_TEFF", std::vector<float>(rows, 6000.0F)),
            numbers("ELODIE_LOGG", std::vector<float>(rows, 4.0F)),
            numbers("ELODIE_FEH", std::vector<float>(rows, -0.5F))};
        return fits_builder::primary() +
               fits_builder::binary_table(columns, static_cast<std::int64_t>(rows), "ZBEST");
    }
};

}  // namespace balmer::data
