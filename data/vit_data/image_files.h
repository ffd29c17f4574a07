#pragma once
// Where the images of `vit-data render` go: a file each, contact sheets, or comparisons of types.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/spectrum.h"
#include "render/contact_sheet.h"

namespace balmer::data::commands {

/// An image with what is to be said of it.
struct DrawnImage {
    std::vector<std::uint8_t> pixels;  ///< u8 [S, S, 3]
    std::string type;                  ///< of the image
};

/// "QSO  z 2.103  S/N 5.3": what is known of these.
std::string caption_of(const Spectrum& spectrum, std::optional<double> signal_to_noise);

/// Names files and writes them. Files that exist are IoErrors unless `overwrite`.
class ImageFiles {
  public:
    struct Options {
        std::string folder;
        int image_size = 224;
        bool overwrite = false;
        bool is_comparison = false;  ///< the images of a spectrum side by side in one file
        int columns = 0;             ///< of a contact sheet; 0: no sheets
        int rows = 0;
    };
    explicit ImageFiles(Options options);

    /// The images of one spectrum: one, or several to be compared. `is_only`: its file holds no
    /// other spectrum, so that its row need not be in the name.
    void add(const Spectrum& spectrum, bool is_only, std::optional<double> signal_to_noise,
             std::vector<DrawnImage> images);

    /// Writes the sheet that is not full.
    void finish();

  private:
    std::string path_named(const std::string& name) const;
    std::string name_of(const Spectrum& spectrum, bool is_only);
    void write_sheet();

    Options options_;
    std::set<std::string> names_;
    std::optional<render::ContactSheet> sheet_;
    int sheets_ = 0;
};

}  // namespace balmer::data::commands
