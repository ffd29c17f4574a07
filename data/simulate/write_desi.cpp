#include <fmt/format.h>

#include "data/simulate/fits_builder.h"
#include "data/simulate/survey_files.h"

namespace balmer::data {

using simulation::DesiArm;
using simulation::FitsBuilder;
using simulation::FitsColumn;

namespace {

FitsColumn double_column(const char* name, std::vector<double> values, const char* unit = "") {
    return {name, "D", unit, {}, std::move(values), {}, {}};
}

FitsColumn integer_column(const char* name, const char* format, std::vector<std::int64_t> values) {
    return {name, format, "", {}, {}, std::move(values), {}};
}

FitsColumn text_column(const char* name, std::size_t width, std::vector<std::string> values) {
    // CFITSIO pads texts, but writes nothing for one that is empty.
    for (std::string& value : values) {
        if (value.empty()) value = " ";
    }
    return {name, fmt::format("{}A", width), "", {}, {}, {}, std::move(values)};
}

template <class Get>
auto collect(std::span<const SimulatedSpectrum> targets, Get get) {
    std::vector<std::decay_t<decltype(get(targets[0]))>> values;
    for (const SimulatedSpectrum& target : targets) values.push_back(get(target));
    return values;
}

/// The rows of one of an arm's arrays behind one another.
template <class T>
std::vector<T> rows_of(std::span<const SimulatedSpectrum> targets, std::size_t arm,
                       std::vector<T> DesiArm::*array) {
    std::vector<T> all;
    for (const SimulatedSpectrum& target : targets) {
        const std::vector<T>& row = target.arms[arm].*array;
        all.insert(all.end(), row.begin(), row.end());
    }
    return all;
}

void write_primary(FitsBuilder& fits, const SimulatedSpectrum& target) {
    fits.empty_primary();
    fits.card("SURVEY", std::string("sim"), "simulated, not observed");
    fits.card("PROGRAM", std::string("dark"), "");
    fits.card("HPXPIXEL", target.plate, "number of the file, no sky pixel");
    fits.card("ORIGIN", std::string("Balmer simulator"), "software that made these spectra");
}

void write_fibermap(FitsBuilder& fits, std::span<const SimulatedSpectrum> targets) {
    const auto rows = static_cast<std::int64_t>(targets.size());
    const auto coordinate = [](const std::optional<double>& value) { return value.value_or(0.0); };
    fits.table(
        "FIBERMAP", rows,
        {integer_column("TARGETID", "K",
                        collect(targets, [](const auto& t) { return t.spectrum.object_id; })),
         integer_column("FIBER", "J", collect(targets, [](const auto& t) { return t.fibre; })),
         integer_column("COADD_FIBERSTATUS", "J", std::vector<std::int64_t>(targets.size(), 0)),
         double_column("TARGET_RA",
                       collect(targets, [&](const auto& t) { return coordinate(t.spectrum.ra); }),
                       "deg"),
         double_column("TARGET_DEC",
                       collect(targets, [&](const auto& t) { return coordinate(t.spectrum.dec); }),
                       "deg"),
         text_column("OBJTYPE", 3, std::vector<std::string>(targets.size(), "TGT"))});
}

void name_image(FitsBuilder& fits, char arm, const char* what, const char* unit) {
    fits.card("EXTNAME", fmt::format("{}_{}", arm, what), "");
    if (unit[0] != '\0') fits.card("BUNIT", std::string(unit), "");
}

std::vector<std::uint8_t> write_coadd(std::span<const SimulatedSpectrum> targets) {
    FitsBuilder fits;
    write_primary(fits, targets[0]);
    write_fibermap(fits, targets);
    const auto rows = static_cast<std::int64_t>(targets.size());
    for (std::size_t a = 0; a < targets[0].arms.size(); ++a) {
        const DesiArm& arm = targets[0].arms[a];
        const auto pixels = static_cast<std::int64_t>(arm.flux.size());
        fits.image(arm.wavelengths());
        name_image(fits, arm.name, "WAVELENGTH", "Angstrom");
        fits.image(pixels, rows, rows_of(targets, a, &DesiArm::flux));
        name_image(fits, arm.name, "FLUX", "10**-17 erg/(s cm2 Angstrom)");
        fits.image(pixels, rows, rows_of(targets, a, &DesiArm::inverse_variance));
        name_image(fits, arm.name, "IVAR", "10**+34 (s2 cm4 Angstrom2) / erg2");
        fits.image(pixels, rows, rows_of(targets, a, &DesiArm::mask));
        name_image(fits, arm.name, "MASK", "");
    }
    return fits.finish();
}

std::vector<std::uint8_t> write_redrock(std::span<const SimulatedSpectrum> targets) {
    const auto label = [&](auto get) {
        return collect(targets, [&](const auto& t) { return get(t.spectrum.labels); });
    };
    FitsBuilder fits;
    write_primary(fits, targets[0]);
    fits.table(
        "REDSHIFTS", static_cast<std::int64_t>(targets.size()),
        {integer_column("TARGETID", "K",
                        collect(targets, [](const auto& t) { return t.spectrum.object_id; })),
         double_column("Z", label([](const Labels& l) { return l.z.value_or(0.0); })),
         double_column("ZERR", label([](const Labels& l) { return l.z_err.value_or(0.0); })),
         integer_column("ZWARN", "K", label([](const Labels& l) { return l.zwarn.value_or(0); })),
         double_column("CHI2", std::vector<double>(targets.size(), 7781.0)),
         integer_column("NPIXELS", "K", std::vector<std::int64_t>(targets.size(), 7958)),
         text_column("SPECTYPE", 6, label([](const Labels& l) { return l.object_class; })),
         text_column("SUBTYPE", 20, label([](const Labels& l) { return l.subclass; })),
         double_column("DELTACHI2", std::vector<double>(targets.size(), 1000.0))});
    write_fibermap(fits, targets);
    return fits.finish();
}

}  // namespace

DesiFiles write_desi(std::span<const SimulatedSpectrum> targets) {
    if (targets.empty()) throw UsageError("a DESI file of no targets");
    return {write_coadd(targets), write_redrock(targets)};
}

}  // namespace balmer::data
