#include "render/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <stb/stb_easy_font.h>

#include "kernels/core/error.h"
#include "kernels/core/view.h"
#include "render/png.h"

namespace balmer::render {
namespace {

constexpr int margin = 6;        // around every image
constexpr int line_height = 13;  // of the font
constexpr std::uint8_t paper = 255;
constexpr std::uint8_t ink = 40;

/// A white page.
struct Page {
    int width;
    int height;
    std::vector<std::uint8_t> pixels;

    Page(int page_width, int page_height)
        : width(page_width),
          height(page_height),
          pixels(static_cast<std::size_t>(page_width) * page_height * 3, paper) {}

    std::uint8_t* at(int x, int y) {
        return pixels.data() + (static_cast<std::size_t>(y) * width + x) * 3;
    }

    void fill(int left, int top, int right, int bottom) {
        for (int y = std::max(top, 0); y < std::min(bottom, height); ++y) {
            for (int x = std::max(left, 0); x < std::min(right, width); ++x) {
                std::fill_n(at(x, y), 3, ink);
            }
        }
    }

    /// Text from (left, top) on, no further than `right`.
    void write(std::string text, int left, int top, int right) {
        while (!text.empty() && stb_easy_font_width(text.data()) > right - left) text.pop_back();
        // The font is a list of quadrilaterals: four vertices of x, y, z (f32) and a colour each,
        // of which there are far fewer than 100 a character.
        struct Vertex {
            float x, y, z;
            std::array<unsigned char, 4> colour;
        };
        std::vector<Vertex> vertices(text.size() * 400 + 4);
        const int quads = stb_easy_font_print(static_cast<float>(left), static_cast<float>(top),
                                              text.data(), nullptr, vertices.data(),
                                              static_cast<int>(vertices.size() * sizeof(Vertex)));
        for (int i = 0; i < quads; ++i) {
            const Vertex& first = vertices[static_cast<std::size_t>(i) * 4];
            const Vertex& opposite = vertices[static_cast<std::size_t>(i) * 4 + 2];
            fill(static_cast<int>(first.x), static_cast<int>(first.y), static_cast<int>(opposite.x),
                 static_cast<int>(opposite.y));
        }
    }
};

}  // namespace

ContactSheet::ContactSheet(int image_size, int columns, int lines)
    : image_size_(image_size), columns_(columns), lines_(lines) {
    if (image_size < 1 || columns < 1 || lines < 1) {
        throw UsageError("a contact sheet needs images, columns and lines of text");
    }
}

void ContactSheet::add(Cell cell) {
    if (cell.pixels.size() != static_cast<std::size_t>(image_size_) * image_size_ * 3) {
        throw ShapeError("contact sheet: an image of " + std::to_string(cell.pixels.size()) +
                         " bytes among images of " + std::to_string(image_size_) +
                         " pixels a side");
    }
    cells_.push_back(std::move(cell));
}

void ContactSheet::write(const std::string& path) const {
    if (cells_.empty()) throw Error(path + ": a contact sheet without images");
    const int count = static_cast<int>(cells_.size());
    const int columns = std::min(columns_, count);
    const int rows = (count + columns - 1) / columns;
    const int cell_width = image_size_ + margin;
    const int cell_height = image_size_ + lines_ * line_height + margin;
    Page page(columns * cell_width + margin, rows * cell_height + margin);
    for (int i = 0; i < count; ++i) {
        const Cell& cell = cells_[static_cast<std::size_t>(i)];
        const int left = margin + i % columns * cell_width;
        const int top = margin + i / columns * cell_height;
        for (int y = 0; y < image_size_; ++y) {
            std::copy_n(cell.pixels.data() + static_cast<std::size_t>(y) * image_size_ * 3,
                        image_size_ * 3, page.at(left, top + y));
        }
        const int lines = std::min(lines_, static_cast<int>(cell.lines.size()));
        for (int line = 0; line < lines; ++line) {
            page.write(cell.lines[static_cast<std::size_t>(line)], left,
                       top + image_size_ + 3 + line * line_height, left + image_size_);
        }
    }
    write_png(path, View(page.pixels.data(), DType::u8, {page.height, page.width, 3}));
}

}  // namespace balmer::render
