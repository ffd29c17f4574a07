#include "data/readers/label_table.h"

#include <algorithm>
#include <array>

namespace balmer::data {
namespace {

/// One number or text a row, not an array.
bool has_scalar(const Hdu& hdu, const char* name) {
    const FitsColumn* const column = hdu.column(name);
    return column != nullptr && (column->repeat == 1 || column->type == 'A');
}

template <class Accepts>
const Hdu* first_table(const FitsFile& file, Accepts accepts) {
    const auto found = std::find_if(file.hdus().begin(), file.hdus().end(),
                                    [&](const Hdu& hdu) { return hdu.is_table() && accepts(hdu); });
    return found == file.hdus().end() ? nullptr : &*found;
}

}  // namespace

const Hdu* label_table_of(const FitsFile& file) {
    static constexpr std::array ids = {"TARGETID", "SPECOBJID", "THING_ID", "FIBERID", "OBSID"};
    static constexpr std::array labels = {"Z", "TEFF"};
    return first_table(file, [](const Hdu& hdu) {
        const auto has = [&](const char* name) { return has_scalar(hdu, name); };
        return std::any_of(ids.begin(), ids.end(), has) &&
               std::any_of(labels.begin(), labels.end(), has);
    });
}

const Hdu* redshift_table_of(const FitsFile& file) {
    return first_table(file, [](const Hdu& hdu) {
        return has_scalar(hdu, "TARGETID") && has_scalar(hdu, "Z") && has_scalar(hdu, "SPECTYPE");
    });
}

}  // namespace balmer::data
