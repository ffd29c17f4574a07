#include "data/simulate/survey_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "data/object_id.h"
#include "kernels/core/parallel.h"
#include "weights/atomic_file.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

/// Writes beside the target and renames, so that no half-written file ever has the final name.
/// Without fsync, which would cost more than the simulation: the catalogue, written last and
/// durably, says that the set is complete.
void write_atomically(const fs::path& path, const void* bytes, std::size_t size) {
    fs::path temporary = path;
    temporary += ".tmp";
    const auto fail = [&](int error) {
        std::error_code ignored;
        fs::remove(temporary, ignored);
        throw IoError(path.string(), std::strerror(error));
    };
    {
        struct Close {
            void operator()(std::FILE* file) const { std::fclose(file); }
        };
        std::unique_ptr<std::FILE, Close> file(std::fopen(temporary.c_str(), "wb"));
        if (file == nullptr) fail(errno);
        const bool written =
            std::fwrite(bytes, 1, size, file.get()) == size && std::fflush(file.get()) == 0;
        if (!written) fail(errno);
    }
    std::error_code error;
    fs::rename(temporary, path, error);
    if (error) fail(error.value());
}

void write_bytes(const fs::path& path, const std::vector<std::uint8_t>& bytes) {
    write_atomically(path, bytes.data(), bytes.size());
}

void write_desi_files(const fs::path& folder, const std::vector<SimulatedSpectrum>& targets) {
    const DesiFiles files = write_desi(targets);
    const std::string coadd = survey_file_name(targets[0]);
    write_bytes(folder / ("redrock" + coadd.substr(coadd.find('-'))), files.redrock);
    write_bytes(folder / coadd, files.coadd);
}

std::string number(const std::optional<double>& value, int decimals) {
    return value ? fmt::format("{:.{}f}", *value, decimals) : std::string();
}

void prepare_folder(const fs::path& folder, bool overwrite) {
    std::error_code error;
    if (fs::exists(folder, error) && !fs::is_directory(folder, error))
        throw UsageError(fmt::format("{}: not a folder", folder.string()));
    fs::create_directories(folder, error);
    if (error) throw IoError(folder.string(), error.message());
    const bool empty = fs::is_empty(folder, error);
    if (error) throw IoError(folder.string(), error.message());
    if (!empty && !overwrite)
        throw UsageError(fmt::format("{}: the folder is not empty (--overwrite writes into it)",
                                     folder.string()));
}

}  // namespace

std::string survey_file_name(const SimulatedSpectrum& simulated) {
    if (simulated.spectrum.survey == "desi")
        return fmt::format("coadd-sim-dark-{:05d}.fits", simulated.plate);
    if (simulated.spectrum.survey == "lamost")
        return fmt::format("spec-{}-SIM{:05d}_sp{:02d}-{:03d}.fits", simulated.mjd, simulated.plate,
                           simulated.spectrograph, simulated.fibre);
    return fmt::format("spec-{:04d}-{}-{:04d}.fits", simulated.plate, simulated.mjd,
                       simulated.fibre);
}

std::string catalog_header() {
    return "file,survey,object_id,ra,dec,class,subclass,z,z_err,zwarn,teff,logg,feh,snr";
}

std::string catalog_row(const SimulatedSpectrum& simulated) {
    const Spectrum& s = simulated.spectrum;
    const Labels& l = s.labels;
    return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}", survey_file_name(simulated),
                       s.survey, id_text(s.survey, s.object_id), number(s.ra, 7), number(s.dec, 7),
                       l.object_class, l.subclass, number(l.z, 7), number(l.z_err, 7),
                       l.zwarn ? fmt::format("{}", *l.zwarn) : std::string(), number(l.teff, 1),
                       number(l.logg, 3), number(l.feh, 3), number(s.survey_snr, 3));
}

void simulate_survey(const std::string& out_dir, const SimulationOptions& options,
                     const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
    const fs::path folder(out_dir);
    prepare_folder(folder, options.overwrite);
    const Simulator simulator(options);
    Context context;
    context.threads = options.threads;
    const bool desi = options.survey == "desi";
    const std::int64_t block = desi ? targets_per_desi_file : 64;
    std::string catalog = catalog_header() + "\n";
    std::vector<SimulatedSpectrum> spectra;
    for (std::int64_t begin = 0; begin < options.count; begin += block) {
        const std::int64_t end = std::min(begin + block, options.count);
        spectra.assign(static_cast<std::size_t>(end - begin), {});
        parallel_for(context, end - begin, 1, [&](std::int64_t k) {
            spectra[static_cast<std::size_t>(k)] = simulator.simulate(begin + k);
        });
        if (desi) write_desi_files(folder, spectra);
        for (const SimulatedSpectrum& simulated : spectra) {
            if (!desi) {
                write_bytes(folder / survey_file_name(simulated), options.survey == "lamost"
                                                                      ? write_lamost(simulated)
                                                                      : write_sdss(simulated));
            }
            catalog += catalog_row(simulated) + "\n";
        }
        if (progress) progress(end, options.count);
    }
    weights::write_file_atomically((folder / "catalog.csv").string(), catalog);
}

}  // namespace balmer::data
