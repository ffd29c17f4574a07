// data/readers: HDF5 files of the Multimodal Universe, made here through libhdf5. The numbers in
// the names are those of the project's list of faults.

#include <gtest/gtest.h>
#include <hdf5.h>

#include <limits>

#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

constexpr hsize_t row_count = 3;
constexpr hsize_t length = 320;
constexpr hsize_t padding = 15;

/// A file that is being written, with helpers that create one dataset each.
class Writer {
  public:
    explicit Writer(const std::string& path)
        : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
    ~Writer() { H5Fclose(file_); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    hid_t file() const { return file_; }

    template <class T>
    void numbers(const char* name, const std::vector<T>& values, hid_t type, hid_t stored = -1,
                 bool packed = false) {
        std::vector<hsize_t> shape = {values.size()};
        if (values.size() > row_count) shape = {values.size() / length, length};
        put(name, shape, stored < 0 ? type : stored, type, values.data(), packed);
    }
    /// As h5py stores booleans: an enumeration of bytes.
    void booleans(const char* name, const std::vector<std::int8_t>& values) {
        const hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
        std::int8_t no = 0;
        std::int8_t yes = 1;
        H5Tenum_insert(type, "FALSE", &no);
        H5Tenum_insert(type, "TRUE", &yes);
        numbers(name, values, type);
        H5Tclose(type);
    }
    void texts(const char* name, const std::vector<std::string>& values, std::size_t width) {
        std::string cells;
        for (std::string value : values) {
            value.resize(width, '\0');
            cells += value;
        }
        const hid_t type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, width);
        H5Tset_strpad(type, H5T_STR_NULLPAD);
        put(name, {values.size()}, type, type, cells.data(), false);
        H5Tclose(type);
    }
    void long_texts(const char* name, const std::vector<const char*>& values) {
        const hid_t type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, H5T_VARIABLE);
        put(name, {values.size()}, type, type, values.data(), false);
        H5Tclose(type);
    }

  private:
    void put(const char* name, const std::vector<hsize_t>& shape, hid_t stored, hid_t type,
             const void* values, bool packed) {
        const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
        const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
        if (packed) {
            H5Pset_chunk(creation, static_cast<int>(shape.size()), shape.data());
            H5Pset_deflate(creation, 4);
        }
        const hid_t dataset =
            H5Dcreate2(file_, name, stored, space, H5P_DEFAULT, creation, H5P_DEFAULT);
        H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        H5Dclose(dataset);
        H5Pclose(creation);
        H5Sclose(space);
    }

    hid_t file_;
};

/// Three spectra as the project's script for SDSS writes them.
struct MultimodalFile {
    MultimodalFile() {
        for (hsize_t row = 0; row < row_count; ++row) {
            for (hsize_t i = 0; i < length; ++i) {
                const bool is_padding = row == 1 && i >= length - padding;
                flux.push_back(static_cast<float>(100 * row) + static_cast<float>(i) * 0.5F);
                ivar.push_back(is_padding ? 0.0F : 4.0F);
                lambda.push_back(is_padding ? -1.0F : 3800.0F + static_cast<float>(i));
                mask.push_back(is_padding || i == 7 ? 1 : 0);
            }
        }
    }
    std::string write(const TemporaryFolder& folder, const std::string& name = "001.hdf5") const {
        std::string path = folder / name;
        Writer writer(path);
        if (!flux.empty()) writer.numbers("spectrum_flux", flux, H5T_NATIVE_FLOAT, -1, true);
        writer.numbers("spectrum_ivar", ivar, H5T_NATIVE_FLOAT, H5T_IEEE_F32BE);
        if (!lambda.empty()) writer.numbers("spectrum_lambda", lambda, H5T_NATIVE_FLOAT);
        writer.booleans("spectrum_mask", mask);
        writer.texts("object_id", {"1412691008340273152", "11258999741428506624", " 7"}, 22);
        writer.texts("SPECOBJID", {"1", "2", "3"}, 22);
        writer.texts("CLASS", {"GALAXY", "QSO   ", "STAR"}, 6);
        writer.long_texts("SUBCLASS", {"STARFORMING", "", "F5"});
        writer.numbers<float>("Z", {0.125F, 2.5F, not_a_number}, H5T_NATIVE_FLOAT);
        writer.numbers<float>("Z_ERR", {1e-5F, -1.0F, 0.0F}, H5T_NATIVE_FLOAT);
        writer.numbers<int>("ZWARNING", {0, 4, 16}, H5T_NATIVE_INT, H5T_STD_I16BE);
        writer.numbers<double>("ra", {10.5, 11.5, 12.5}, H5T_NATIVE_DOUBLE);
        writer.numbers<double>("dec", {-1.0, 0.0, 1.0}, H5T_NATIVE_DOUBLE);
        writer.numbers<float>("SN_MEDIAN_ALL", {3.0F, 4.0F, 5.0F}, H5T_NATIVE_FLOAT);
        writer.numbers<float>("ELODIE_TEFF", {0.0F, 0.0F, 6500.0F}, H5T_NATIVE_FLOAT);
        writer.numbers<float>("ELODIE_LOGG", {0.0F, 0.0F, 4.0F}, H5T_NATIVE_FLOAT);
        writer.numbers<float>("ELODIE_FEH", {0.0F, 0.0F, 0.0F}, H5T_NATIVE_FLOAT);
        return path;
    }

    static constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> flux;
    std::vector<float> ivar;
    std::vector<float> lambda;
    std::vector<std::int8_t> mask;
};

Refusal refusal_of_file(const std::string& path) {
    return refusal_of([&] { return read_spectra(path); });
}

TEST(MultimodalUniverse, ReadsRowsWithoutTheirPadding) {
    const TemporaryFolder folder;
    const MultimodalFile file;
    const ReadResult result = read_spectra(file.write(folder));
    ASSERT_EQ(result.spectra.size(), 3U);
    EXPECT_TRUE(result.skipped.empty());
    const Spectrum& galaxy = result.spectra[0];
    EXPECT_EQ(galaxy.survey, "sdss");
    EXPECT_EQ(galaxy.pixels(), length);
    EXPECT_EQ(galaxy.flux, std::vector<float>(file.flux.begin(), file.flux.begin() + length));
    EXPECT_EQ(galaxy.wavelength[9], 3809.0) << "in vacuum already";
    EXPECT_EQ(galaxy.inverse_variance[0], 4.0F);
    EXPECT_EQ(galaxy.mask[7], 1) << "true is bad";
    EXPECT_EQ(good_pixels(galaxy), static_cast<std::int64_t>(length) - 1);
    const Spectrum& quasar = result.spectra[1];
    EXPECT_EQ(quasar.row, 1);
    EXPECT_EQ(quasar.pixels(), length - padding);
    EXPECT_EQ(quasar.flux[0], 100.0F);
    EXPECT_EQ(quasar.wavelength.back(), 3800.0 + length - padding - 1);
}

TEST(MultimodalUniverse, ReadsIdsAndLabels) {
    const TemporaryFolder folder;
    const auto spectra = read_spectra(MultimodalFile().write(folder)).spectra;
    ASSERT_EQ(spectra.size(), 3U);
    EXPECT_EQ(spectra[0].object_id, 1412691008340273152);
    EXPECT_EQ(static_cast<std::uint64_t>(spectra[1].object_id), 11258999741428506624ULL)
        << "Fault 30";
    EXPECT_EQ(spectra[2].object_id, 7);
    EXPECT_EQ(spectra[0].ra, 10.5);
    EXPECT_EQ(spectra[2].dec, 1.0);
    EXPECT_EQ(spectra[1].survey_snr, 4.0);
    EXPECT_EQ(spectra[0].labels.object_class, "GALAXY");
    EXPECT_EQ(spectra[1].labels.object_class, "QSO");
    EXPECT_EQ(spectra[0].labels.subclass, "STARFORMING");
    EXPECT_EQ(spectra[1].labels.subclass, "");
    EXPECT_EQ(spectra[0].labels.z, 0.125);
    EXPECT_EQ(static_cast<float>(*spectra[0].labels.z_err), 1e-5F);
    EXPECT_FALSE(spectra[1].labels.z_err || spectra[2].labels.z) << "Fault 28";
    EXPECT_EQ(spectra[1].labels.zwarn, 4);
    EXPECT_FALSE(spectra[0].labels.teff || spectra[0].labels.feh);
    EXPECT_EQ(spectra[2].labels.teff, 6500.0);
    EXPECT_EQ(spectra[2].labels.feh, 0.0);
}

TEST(MultimodalUniverse, ReadsTheColumnsOfDesi) {
    const TemporaryFolder folder;
    const MultimodalFile file;
    const std::string path = folder / "desi.h5";
    {
        Writer writer(path);
        writer.numbers("spectrum_flux", file.flux, H5T_NATIVE_FLOAT);
        writer.numbers("spectrum_lambda", file.lambda, H5T_NATIVE_FLOAT);
        writer.numbers<std::int64_t>("object_id", {39627682, 1, (std::int64_t{1} << 53) + 1},
                                     H5T_NATIVE_INT64);
        writer.numbers<std::int64_t>("TARGETID", {39627682, 1, 2}, H5T_NATIVE_INT64);
        writer.numbers<double>("z", {0.25, 0.5, 0.75}, H5T_NATIVE_DOUBLE);
        writer.numbers<double>("ZERR", {1e-4, 1e-4, 1e-4}, H5T_NATIVE_DOUBLE);
        writer.booleans("ZWARN", {0, 1, 0});
        writer.texts("SPECTYPE", {"GALAXY", "QSO", "STAR"}, 6);
    }
    const auto spectra = read_spectra(path).spectra;
    ASSERT_EQ(spectra.size(), 3U);
    EXPECT_EQ(spectra[0].survey, "desi");
    EXPECT_EQ(spectra[2].object_id, (std::int64_t{1} << 53) + 1) << "Fault 30";
    EXPECT_FALSE(spectra[0].inverse_variance_known);
    EXPECT_EQ(spectra[1].labels.z, 0.5);
    EXPECT_EQ(spectra[1].labels.z_err, 1e-4);
    EXPECT_EQ(spectra[1].labels.zwarn, 1);
    EXPECT_EQ(spectra[1].labels.object_class, "QSO");
}

TEST(MultimodalUniverse, SkipsOnlyTheRowsThatAreUnusable) {
    const TemporaryFolder folder;
    MultimodalFile file;
    for (hsize_t i = 0; i < length; ++i) file.mask[i] = 1;
    file.lambda[2 * length + 5] = 1.0F;
    const ReadResult result = read_spectra(file.write(folder));
    ASSERT_EQ(result.spectra.size(), 1U);
    EXPECT_EQ(result.spectra[0].row, 1);
    ASSERT_EQ(result.skipped.size(), 2U);
    EXPECT_EQ(result.skipped[0].status, Status::no_data) << "Fault 14";
    EXPECT_EQ(result.skipped[1].status, Status::bad_wavelength) << "Fault 18";
    EXPECT_EQ(result.skipped[1].row, 2);
}

TEST(MultimodalUniverse, Fault11NamesTheDatasetsFound) {
    const TemporaryFolder folder;
    MultimodalFile file;
    file.lambda.clear();
    const auto missing = refusal_of_file(file.write(folder));
    EXPECT_EQ(missing.status, Status::missing_column);
    EXPECT_TRUE(missing.mentions("no dataset 'spectrum_lambda'") &&
                missing.mentions("spectrum_flux [3, 320]"))
        << missing;
    file.flux.clear();
    const auto other = refusal_of_file(file.write(folder));
    EXPECT_EQ(other.status, Status::unknown_layout);
    EXPECT_TRUE(other.mentions("HDF5 with CLASS [3]")) << other;
}

TEST(MultimodalUniverse, Fault21RefusesDatasetsOfDifferentLength) {
    const TemporaryFolder folder;
    MultimodalFile file;
    file.ivar.resize(2 * length);
    const auto refusal = refusal_of_file(file.write(folder));
    EXPECT_EQ(refusal.status, Status::length_mismatch);
    EXPECT_TRUE(refusal.mentions("spectrum_ivar has 2 rows, spectrum_flux 3")) << refusal;
}

TEST(MultimodalUniverse, Fault02RefusesCutAndGarbledFiles) {
    const TemporaryFolder folder;
    MultimodalFile().write(folder, "whole.h5");
    const std::string bytes = folder.read("whole.h5");
    const auto cut = refusal_of_file(folder.write("cut.h5", bytes.substr(0, bytes.size() - 100)));
    EXPECT_EQ(cut.status, Status::truncated) << cut;
    const auto garbage = refusal_of_file(folder.write("bad.h5", bytes.substr(0, 8) + "garbage"));
    EXPECT_NE(garbage.status, Status::ok) << garbage;
    for (std::size_t at = 8; at < bytes.size(); at += 97) {
        std::string garbled = bytes;
        garbled[at] = static_cast<char>(garbled[at] ^ 0x55);
        const auto refusal = refusal_of_file(folder.write("flip.h5", garbled));
        EXPECT_FALSE(refusal.detail.empty()) << at;
    }
}

TEST(MultimodalUniverse, Fault04RefusesShapesThatTheFileCannotHold) {
    const TemporaryFolder folder;
    for (const auto& [rows, columns] : {std::pair<hsize_t, hsize_t>{hsize_t{1} << 40, 300},
                                        std::pair<hsize_t, hsize_t>{2, hsize_t{1} << 40}}) {
        const std::string path = folder / "huge.h5";
        {
            const Writer writer(path);
            const std::array<hsize_t, 2> shape = {rows, columns};
            const std::array<hsize_t, 2> chunk = {1, 100};
            const hid_t space = H5Screate_simple(2, shape.data(), nullptr);
            const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
            H5Pset_chunk(creation, 2, chunk.data());
            H5Dclose(H5Dcreate2(writer.file(), "spectrum_flux", H5T_NATIVE_FLOAT, space,
                                H5P_DEFAULT, creation, H5P_DEFAULT));
            H5Pclose(creation);
            H5Sclose(space);
        }
        const auto refusal = refusal_of_file(path);
        EXPECT_EQ(refusal.status, Status::bad_structure) << refusal;
    }
}

TEST(MultimodalUniverse, Fault32LeavesLinksOutOfTheFileAlone) {
    const TemporaryFolder folder;
    MultimodalFile().write(folder, "other.h5");
    const std::string path = folder / "links.h5";
    {
        const Writer writer(path);
        H5Lcreate_external("other.h5", "spectrum_flux", writer.file(), "spectrum_flux", H5P_DEFAULT,
                           H5P_DEFAULT);
        H5Lcreate_soft("/nowhere", writer.file(), "spectrum_lambda", H5P_DEFAULT, H5P_DEFAULT);
    }
    const auto refusal = refusal_of_file(path);
    EXPECT_EQ(refusal.status, Status::unknown_layout);
    EXPECT_TRUE(refusal.mentions("HDF5 with nothing")) << refusal;
}

}  // namespace
}  // namespace balmer::data
