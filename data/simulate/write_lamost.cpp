#include <fmt/format.h>

#include "data/simulate/fits_builder.h"
#include "data/simulate/survey_files.h"

namespace balmer::data {

std::vector<std::uint8_t> write_lamost(const SimulatedSpectrum& simulated) {
    const Spectrum& spectrum = simulated.spectrum;
    const simulation::Exposure& exposure = simulated.exposure;
    const Labels& labels = spectrum.labels;
    const std::size_t pixels = exposure.flux.size();

    std::vector<float> rows;
    rows.reserve(5 * pixels);
    rows.insert(rows.end(), exposure.flux.begin(), exposure.flux.end());
    rows.insert(rows.end(), exposure.inverse_variance.begin(), exposure.inverse_variance.end());
    rows.insert(rows.end(), spectrum.wavelength.begin(), spectrum.wavelength.end());
    // LAMOST counts exposures in its masks: 0 is good.
    for (const auto* mask : {&exposure.and_mask, &exposure.or_mask})
        for (const std::int32_t bits : *mask) rows.push_back(bits == 0 ? 0.0F : 1.0F);

    simulation::FitsBuilder fits;
    fits.image(static_cast<std::int64_t>(pixels), 5, rows);
    fits.card("FILENAME", survey_file_name(simulated), "");
    fits.card("OBSID", spectrum.object_id, "Unique number ID of this spectrum");
    fits.card("AUTHOR", std::string("Balmer simulator"), "simulated, not observed");
    fits.card("DATA_V", std::string("simulated"), "Data release version");
    fits.card("EXTNAME", std::string("Flux"), "");
    fits.card("TELESCOP", std::string("LAMOST"), "");
    fits.card("LMJD", simulated.mjd, "Local Modified Julian Day");
    fits.card("MJD", simulated.mjd - 1, "Modified Julian Day");
    fits.card("PLANID", fmt::format("SIM{:05d}", simulated.plate), "Plan ID in use");
    fits.card("RA", spectrum.ra.value_or(0.0), 6, "[deg] Right ascension of object");
    fits.card("DEC", spectrum.dec.value_or(0.0), 6, "[deg] Declination of object");
    fits.card("DESIG", fmt::format("SIM J{:08d}", simulated.object), "Designation of the target");
    fits.card("FIBERID", simulated.fibre, "Fiber ID of Object");
    fits.card("SPID", simulated.spectrograph, "Spectrograph ID");
    fits.card("EQUINOX", 2000.0, 2, "");
    fits.card("VACUUM", true, "Wavelengths are in vacuum");
    fits.card("WFITTYPE", std::string("LOG-LINEAR"), "Linear-log10 dispersion");
    fits.card("COEFF0", exposure.log10_wavelength(0), 4,
              "Central wavelength (log10) of first pixel");
    fits.card("COEFF1", 1e-4, 4, "Log10 dispersion per pixel");
    fits.card("CRVAL1", exposure.log10_wavelength(0), 4,
              "Central wavelength (log10) of first pixel");
    fits.card("CD1_1", 1e-4, 4, "Log10 dispersion per pixel");
    fits.card("CRPIX1", std::int64_t{1}, "Starting pixel (1-indexed)");
    fits.card("CTYPE1", std::string("LINEAR"), "");
    fits.card("DC-FLAG", std::int64_t{1}, "Log-linear flag");
    fits.card("BUNIT", std::string("counts"), "relative flux");
    const double snr = spectrum.survey_snr.value_or(0.0);
    // Blue bands see less; these ratios are those of a solar star.
    fits.card("SNRU", 0.25 * snr, 2, "SNR of u filter");
    fits.card("SNRG", 0.75 * snr, 2, "SNR of g filter");
    fits.card("SNRR", 1.10 * snr, 2, "SNR of r filter");
    fits.card("SNRI", 1.25 * snr, 2, "SNR of i filter");
    fits.card("SNRZ", 0.90 * snr, 2, "SNR of z filter");
    fits.card("CLASS", labels.object_class, "Class of object");
    fits.card("SUBCLASS", labels.subclass.empty() ? std::string("Non") : labels.subclass,
              "Subclass of object");
    fits.card("Z", labels.z.value_or(0.0), 8, "Redshift of object");
    fits.card("Z_ERR", labels.z_err.value_or(0.0), 8, "Redshift error of object");
    return fits.finish();
}

}  // namespace balmer::data
