#pragma once
// Parameters of a library's stars that stand in a text table beside the spectra.

#include <optional>
#include <string>

namespace balmer::data {

struct StarParameters {
    std::string name;           ///< the star's; empty if no table names it
    std::string spectral_type;  ///< empty if missing
    std::optional<double> teff;
    std::optional<double> logg;
    std::optional<double> feh;
};

/// What the tables in the folder of `file` say of the star whose number stands in their column
/// `key_title`, such as "0221" in the column "MILES"; empty if none lists it.
///
/// A table is a text file whose first lines hold a row of titles, at least two blanks apart, with
/// `key_title` and "Teff" among them (others used: "Name", "SpT", "log g", "[Fe/H]"). A word
/// belongs to the last title that begins before the word ends. "--", 9999 and 99999 mean missing.
std::optional<StarParameters> find_star(const std::string& file, const std::string& key_title,
                                        const std::string& key);

}  // namespace balmer::data
