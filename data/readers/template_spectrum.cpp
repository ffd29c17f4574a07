// Files that look like spectra but hold none of one object: eigenspectra (SDSS spEigen, redrock
// templates), archetypes and means over many objects. A spectrum of the sky carries what was
// observed, when or with what; these carry a wavelength grid and nothing of that. They are refused
// by name, so that none slips into a set as an observation.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/readers/image_axis.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

/// True when the header tells an object, a time, a place or an instrument. OBJECT holding a mere
/// class ('GALAXY') tells none.
bool names_an_observation(const FitsFile& file, const Hdu& primary) {
    static constexpr std::array keywords = {
        "TELESCOP", "INSTRUME", "DATE-OBS", "MJD",     "MJD-OBS",  "RA",     "PLUG_RA", "OBJRA",
        "PLATEID",  "OBSID",    "TARGETID", "OBJNAME", "STARIDEN", "TPLLIB", "EXPTIME"};
    static constexpr std::array classes = {"GALAXY", "QSO", "STAR", "CVSTAR"};
    if (std::any_of(keywords.begin(), keywords.end(),
                    [&](const char* keyword) { return file.text_key(primary, keyword); })) {
        return true;
    }
    const auto object = file.text_key(primary, "OBJECT");
    return object && std::none_of(classes.begin(), classes.end(),
                                  [&](const char* one) { return same_name(*object, one); });
}

/// Why the file holds no observation; empty if it may.
std::string template_reason(const FitsFile& file) {
    const Hdu& primary = file.hdus()[0];
    if (file.real_key(primary, "EIGEN0")) return "eigenspectra (EIGEN0)";
    if (names_an_observation(file, primary)) return {};
    const bool is_image = primary.kind == HduKind::image && !primary.axes.empty();
    if (is_image && has_wavelength_axis(file, primary)) {
        if (file.text_key(primary, "RRTYPE")) return "a template of redrock (RRTYPE)";
        if (!is_one_row(primary)) {
            return fmt::format(
                "{} rows on one wavelength grid and no object, date or telescope: "
                "templates",
                primary.axes[1]);
        }
        if (file.hdu_named("SRES") != nullptr) {
            return "a mean with its resolution (SRES) and no object, date or telescope";
        }
        if (file.real_key(primary, "COEFF0")) {
            return "a grid of COEFF0 and COEFF1 and no object, date or telescope: a template";
        }
    }
    if (file.hdus().size() == 2 && file.hdus()[1].rows() == 1) {
        const FitsColumn* const grid = file.hdus()[1].column("LOGLAM");
        const FitsColumn* const flux = file.hdus()[1].column("FLUX");
        if (file.hdus()[1].columns.size() == 2 && grid != nullptr && flux != nullptr &&
            grid->repeat > 1 && grid->repeat == flux->repeat) {
            return "one row of LOGLAM and FLUX and no object, date or telescope: a template";
        }
    }
    return {};
}

}  // namespace

SpectrumReader template_reader() {
    return {"generic", "templates and means",
            [](const SourceFile& source) {
                return source.fits() != nullptr && !template_reason(*source.fits()).empty();
            },
            [](const SourceFile& source, const ReadOptions&, const ReadSink&) {
                throw SpectrumError(source.path(), Status::not_observed,
                                    template_reason(*source.fits()));
            }};
}

}  // namespace balmer::data
