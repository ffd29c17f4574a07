#include "data/simulate/fits_builder.h"

#include <cstdlib>
#include <cstring>

#include <fitsio.h>
#include <fmt/format.h>

#include "kernels/core/error.h"

namespace balmer::data::simulation {

struct FitsBuilder::State {
    fitsfile* file = nullptr;
    void* memory = nullptr;  // CFITSIO grows it with realloc
    std::size_t size = 0;
    int status = 0;

    void check(const char* call) {
        if (status == 0) return;
        char text[FLEN_STATUS] = {};
        fits_get_errstatus(status, text);
        fits_clear_errmsg();
        throw Error(fmt::format("cannot build a FITS file: {}: {}", call, text));
    }

    template <class T>
    void image(int stored, int given, std::vector<LONGLONG> axes, const std::vector<T>& pixels) {
        fits_create_imgll(file, stored, static_cast<int>(axes.size()), axes.data(), &status);
        fits_write_img(file, given, 1, static_cast<LONGLONG>(pixels.size()),
                       const_cast<T*>(pixels.data()), &status);
        check("fits_write_img");
    }
};

FitsBuilder::FitsBuilder() : state_(std::make_unique<State>()) {
    State& s = *state_;
    // One zeroed block: CFITSIO takes the initial buffer for a file that exists and reads it.
    constexpr std::size_t block = 2880;
    s.size = block;
    s.memory = std::calloc(1, block);  // CFITSIO reallocates it
    if (s.memory == nullptr) throw OutOfMemoryError("no memory for a FITS file", block, 0);
    fits_create_memfile(&s.file, &s.memory, &s.size, 96 * block, &std::realloc, &s.status);
    if (s.status != 0) {
        std::free(s.memory);
        s.memory = nullptr;
    }
    s.check("fits_create_memfile");
}

FitsBuilder::~FitsBuilder() {
    if (state_->file != nullptr) {
        int status = 0;
        fits_close_file(state_->file, &status);
        fits_clear_errmsg();
    }
    std::free(state_->memory);
}

void FitsBuilder::empty_primary() {
    State& s = *state_;
    fits_create_img(s.file, BYTE_IMG, 0, nullptr, &s.status);
    s.check("fits_create_img");
}

void FitsBuilder::image(std::int64_t columns, std::int64_t rows, const std::vector<float>& pixels) {
    state_->image(FLOAT_IMG, TFLOAT, {columns, rows}, pixels);
}

void FitsBuilder::image(std::int64_t columns, std::int64_t rows,
                        const std::vector<std::uint32_t>& pixels) {
    state_->image(ULONG_IMG, TUINT, {columns, rows}, pixels);
}

void FitsBuilder::image(const std::vector<double>& pixels) {
    state_->image(DOUBLE_IMG, TDOUBLE, {static_cast<LONGLONG>(pixels.size())}, pixels);
}

void FitsBuilder::table(const std::string& name, std::int64_t rows,
                        const std::vector<FitsColumn>& columns) {
    State& s = *state_;
    std::vector<char*> types;
    std::vector<char*> formats;
    std::vector<char*> units;
    for (const FitsColumn& column : columns) {
        types.push_back(const_cast<char*>(column.name.c_str()));
        formats.push_back(const_cast<char*>(column.format.c_str()));
        units.push_back(const_cast<char*>(column.unit.c_str()));
    }
    fits_create_tbl(s.file, BINARY_TBL, rows, static_cast<int>(columns.size()), types.data(),
                    formats.data(), units.data(), name.c_str(), &s.status);
    s.check("fits_create_tbl");
    for (std::size_t k = 0; k < columns.size(); ++k) {
        const FitsColumn& column = columns[k];
        const int number = static_cast<int>(k) + 1;
        if (!column.floats.empty())
            fits_write_col(s.file, TFLOAT, number, 1, 1,
                           static_cast<LONGLONG>(column.floats.size()),
                           const_cast<float*>(column.floats.data()), &s.status);
        if (!column.doubles.empty())
            fits_write_col(s.file, TDOUBLE, number, 1, 1,
                           static_cast<LONGLONG>(column.doubles.size()),
                           const_cast<double*>(column.doubles.data()), &s.status);
        if (!column.integers.empty()) {
            std::vector<LONGLONG> values(column.integers.begin(), column.integers.end());
            fits_write_col(s.file, TLONGLONG, number, 1, 1, static_cast<LONGLONG>(values.size()),
                           values.data(), &s.status);
        }
        if (!column.strings.empty()) {
            std::vector<char*> values;
            for (const std::string& text : column.strings)
                values.push_back(const_cast<char*>(text.c_str()));
            fits_write_col(s.file, TSTRING, number, 1, 1, static_cast<LONGLONG>(values.size()),
                           values.data(), &s.status);
        }
        s.check(column.name.c_str());
    }
}

void FitsBuilder::card(const char* key, const std::string& value, const char* comment) {
    fits_write_key_str(state_->file, key, value.c_str(), comment, &state_->status);
    state_->check(key);
}

void FitsBuilder::card(const char* key, std::int64_t value, const char* comment) {
    fits_write_key_lng(state_->file, key, value, comment, &state_->status);
    state_->check(key);
}

void FitsBuilder::card(const char* key, double value, int decimals, const char* comment) {
    fits_write_key_fixdbl(state_->file, key, value, decimals, comment, &state_->status);
    state_->check(key);
}

void FitsBuilder::card(const char* key, bool value, const char* comment) {
    fits_write_key_log(state_->file, key, value ? 1 : 0, comment, &state_->status);
    state_->check(key);
}

std::vector<std::uint8_t> FitsBuilder::finish() {
    State& s = *state_;
    fits_flush_file(s.file, &s.status);
    s.check("fits_flush_file");
    // The buffer may be longer than the file: its end is that of the last HDU.
    int hdus = 0;
    LONGLONG end = 0;
    fits_get_num_hdus(s.file, &hdus, &s.status);
    fits_movabs_hdu(s.file, hdus, nullptr, &s.status);
    fits_get_hduaddrll(s.file, nullptr, nullptr, &end, &s.status);
    s.check("fits_get_hduaddrll");
    fits_close_file(s.file, &s.status);
    s.file = nullptr;
    s.check("fits_close_file");
    const auto* bytes = static_cast<const std::uint8_t*>(s.memory);
    return {bytes, bytes + end};
}

}  // namespace balmer::data::simulation
