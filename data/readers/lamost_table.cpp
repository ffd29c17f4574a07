// LAMOST low-resolution spectra from DR8 on: HDU 1 is a table of one row whose columns are arrays,
// FLUX, IVAR, WAVELENGTH, ANDMASK and ORMASK; the primary header is that of the image layout
// (lamost.cpp). Source: LAMOST DR8 data release document, "1D spectra FITS file".

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/readers/lamost_header.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

/// The table behind an empty primary HDU of LAMOST; nullptr if there is none.
const Hdu* table_of(const FitsFile& file) {
    static constexpr std::array names = {"FLUX", "IVAR", "WAVELENGTH", "ANDMASK"};
    const auto& hdus = file.hdus();
    if (hdus.size() < 2 || !hdus[0].axes.empty() || hdus[1].kind != HduKind::binary_table) {
        return nullptr;
    }
    const auto found = std::count_if(names.begin(), names.end(), [&](const char* name) {
        return hdus[1].column(name) != nullptr;
    });
    return found >= 2 && is_lamost(file) ? &hdus[1] : nullptr;
}

std::vector<double> wavelength_of(const FitsFile& file, const Hdu& table, std::size_t pixels) {
    const bool written = table.column("WAVELENGTH") != nullptr;
    auto wavelength = lamost_wavelength(
        file, pixels, written ? file.double_column(table, "WAVELENGTH") : std::vector<double>{});
    if (!written && wavelength.empty()) file.double_column(table, "WAVELENGTH");
    return wavelength;
}

Spectrum read(const FitsFile& file) {
    const Hdu& table = *table_of(file);
    if (table.rows() != 1) {
        throw SpectrumError(
            file.path(), table.rows() == 0 ? Status::no_rows : Status::bad_structure,
            fmt::format("HDU {}: the table has {} rows, one is needed", table.index, table.rows()));
    }
    Spectrum spectrum;
    spectrum.flux = file.float_column(table, "FLUX");
    const std::size_t pixels = spectrum.flux.size();
    spectrum.wavelength = wavelength_of(file, table, pixels);
    spectrum.inverse_variance_known = table.column("IVAR") != nullptr;
    spectrum.inverse_variance = spectrum.inverse_variance_known ? file.float_column(table, "IVAR")
                                                                : std::vector<float>(pixels, 1.0F);
    spectrum.mask.assign(pixels, 0);
    if (table.column("ANDMASK") != nullptr) {
        mask_lamost_pixels(file.float_column(table, "ANDMASK"), spectrum);
    }
    describe_lamost(file, spectrum);
    return spectrum;
}

}  // namespace

SpectrumReader lamost_table_reader() {
    return {"lamost", "table: one row of arrays",
            [](const SourceFile& source) {
                return source.fits() != nullptr && table_of(*source.fits()) != nullptr;
            },
            [](const SourceFile& source, const ReadOptions&, const ReadSink& sink) {
                sink.spectrum(read(*source.fits()));
            }};
}

}  // namespace balmer::data
