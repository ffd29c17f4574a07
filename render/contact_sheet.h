#pragma once
// Images of one size beside and below each other, with lines of text under each: for people, not
// for models.

#include <cstdint>
#include <string>
#include <vector>

namespace balmer::render {

class ContactSheet {
  public:
    struct Cell {
        std::vector<std::uint8_t> pixels;  ///< u8 [S, S, 3]
        std::vector<std::string> lines;    ///< ASCII; cut where they are wider than the image
    };

    /// Images of `image_size` pixels a side, `columns` in a row, `lines` of text under each.
    /// UsageError unless all are positive.
    ContactSheet(int image_size, int columns, int lines);

    /// ShapeError if the image has another size.
    void add(Cell cell);

    bool empty() const { return cells_.empty(); }
    std::int64_t size() const { return static_cast<std::int64_t>(cells_.size()); }
    void clear() { cells_.clear(); }

    /// The sheet as a PNG (see write_png); Error if it is empty.
    void write(const std::string& path) const;

  private:
    int image_size_;
    int columns_;
    int lines_;
    std::vector<Cell> cells_;
};

}  // namespace balmer::render
