#include <cmath>

#include <fmt/format.h>

#include "data/object_id.h"
#include "data/simulate/fits_builder.h"
#include "data/simulate/survey_files.h"

namespace balmer::data {

using simulation::FitsBuilder;
using simulation::FitsColumn;

namespace {

FitsColumn float_column(const char* name, std::vector<float> values, const char* unit = "") {
    const std::string format = "E";
    return {name, format, unit, std::move(values), {}, {}, {}};
}

FitsColumn double_column(const char* name, double value) {
    return {name, "D", "", {}, {value}, {}, {}};
}

FitsColumn integer_column(const char* name, const char* format, std::vector<std::int64_t> values) {
    return {name, format, "", {}, {}, std::move(values), {}};
}

FitsColumn text_column(const char* name, const std::string& value, std::size_t least = 1) {
    const std::size_t width = std::max(value.size(), least);
    return {name, fmt::format("{}A", width), "", {}, {}, {}, {value}};
}

}  // namespace

std::vector<std::uint8_t> write_sdss(const SimulatedSpectrum& simulated) {
    const Spectrum& spectrum = simulated.spectrum;
    const simulation::Exposure& exposure = simulated.exposure;
    const Labels& labels = spectrum.labels;
    const auto pixels = static_cast<std::int64_t>(exposure.flux.size());

    FitsBuilder fits;
    fits.empty_primary();
    fits.card("TELESCOP", std::string("SDSS 2.5-M"), "simulated, not observed");
    fits.card("ORIGIN", std::string("Balmer simulator"), "software that made this spectrum");
    fits.card("PLATEID", simulated.plate, "plate");
    fits.card("MJD", simulated.mjd, "modified Julian date");
    fits.card("FIBERID", simulated.fibre, "fibre");
    fits.card("PLUG_RA", spectrum.ra.value_or(0.0), 7, "right ascension of the fibre (deg)");
    fits.card("PLUG_DEC", spectrum.dec.value_or(0.0), 7, "declination of the fibre (deg)");
    fits.card("RADECSYS", std::string("FK5"), "");
    fits.card("EQUINOX", 2000.0, 1, "");
    fits.card("VACUUM", true, "wavelengths are in vacuum");
    fits.card("COEFF0", exposure.log10_wavelength(0), 4, "log10 wavelength of the first pixel");
    fits.card("COEFF1", 1e-4, 4, "log10 dispersion per pixel");
    fits.card("BUNIT", std::string("1E-17 erg/cm^2/s/Ang"), "");

    std::vector<float> loglam(static_cast<std::size_t>(pixels));
    for (std::int64_t i = 0; i < pixels; ++i)
        loglam[static_cast<std::size_t>(i)] = static_cast<float>(exposure.log10_wavelength(i));
    const std::vector<std::int64_t> and_mask(exposure.and_mask.begin(), exposure.and_mask.end());
    const std::vector<std::int64_t> or_mask(exposure.or_mask.begin(), exposure.or_mask.end());
    fits.table(
        "COADD", pixels,
        {float_column("flux", exposure.flux), float_column("loglam", loglam),
         float_column("ivar", exposure.inverse_variance), integer_column("and_mask", "J", and_mask),
         integer_column("or_mask", "J", or_mask), float_column("wdisp", exposure.dispersion),
         float_column("sky", exposure.sky), float_column("model", exposure.truth)});

    const auto real = [](const char* name, double value) {
        return float_column(name, {static_cast<float>(value)});
    };
    const bool has_atmosphere = labels.teff.has_value();
    const double snr = spectrum.survey_snr.value_or(0.0);
    fits.table("SPALL", 1,
               {text_column("SURVEY", simulated.boss ? "boss" : "sdss"),
                text_column("INSTRUMENT", simulated.boss ? "BOSS" : "SDSS"),
                text_column("PROGRAMNAME", "simulated"),
                text_column("PLATEQUALITY", "good"),
                text_column("SPECOBJID", id_text("sdss", spectrum.object_id), 22),
                integer_column("PLATE", "J", {simulated.plate}),
                integer_column("MJD", "J", {simulated.mjd}),
                integer_column("FIBERID", "J", {simulated.fibre}),
                integer_column("OBJID", "5J", {0, 0, 0, 0, simulated.object}),
                double_column("PLUG_RA", spectrum.ra.value_or(0.0)),
                double_column("PLUG_DEC", spectrum.dec.value_or(0.0)),
                text_column("CLASS", labels.object_class, 6),
                text_column("SUBCLASS", labels.subclass, 21),
                real("Z", labels.z.value_or(0.0)),
                real("Z_ERR", labels.z_err.value_or(0.0)),
                real("RCHI2", 1.0),
                integer_column("DOF", "J", {pixels}),
                integer_column("ZWARNING", "J", {labels.zwarn.value_or(0)}),
                real("WAVEMIN", spectrum.wavelength.front()),
                real("WAVEMAX", spectrum.wavelength.back()),
                real("SN_MEDIAN_ALL", snr),
                {"SN_MEDIAN", "5E", "", std::vector<float>(5, static_cast<float>(snr)), {}, {}, {}},
                real("ELODIE_TEFF", has_atmosphere ? *labels.teff : 0.0),
                real("ELODIE_LOGG", has_atmosphere ? labels.logg.value_or(0.0) : 0.0),
                real("ELODIE_FEH", has_atmosphere ? labels.feh.value_or(0.0) : 0.0)});

    fits.table(
        "SPZLINE", 1,
        {integer_column("PLATE", "J", {simulated.plate}),
         integer_column("MJD", "J", {simulated.mjd}),
         integer_column("FIBERID", "J", {simulated.fibre}), text_column("LINENAME", "H_alpha", 13),
         double_column("LINEWAVE", 6564.614), real("LINEZ", labels.z.value_or(0.0))});
    return fits.finish();
}

}  // namespace balmer::data
