#pragma once
// The language of --where: which rows a user wants.
//
//   zwarn == 0 && snr > 5
//   class in ('STAR', 'QSO') && !(subclass == 'M0' || missing(teff))
//
// Numbers, texts in '...' or "...", names of columns (any case), == != < <= > >=, in (...),
// missing(column), && || !, parentheses. A comparison with a missing value is false, so its
// negation is true; missing() asks for it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/catalogue/value.h"

namespace balmer::data {

enum class ColumnKind : std::uint8_t { number, text, any };

/// A column by name, with what it holds or is compared with.
struct NamedColumn {
    std::string name;
    ColumnKind kind = ColumnKind::any;
};

class Expression {
  public:
    /// UsageError naming the position (the first character is 1) of what makes no sense.
    explicit Expression(std::string text);

    const std::string& text() const { return *text_; }
    /// The columns it uses, in lower case, each once.
    const std::vector<NamedColumn>& columns() const { return columns_; }

    /// UsageError where a column is not among `known`, with the nearest name, or is compared with
    /// what it never holds.
    void require_columns(const std::vector<NamedColumn>& known) const;

    /// `value(i)` is the cell of columns()[i].
    bool matches(const std::function<Value(std::size_t column)>& value) const;

  private:
    struct Node;
    class Parser;

    std::shared_ptr<const std::string> text_;  ///< constants are views into it
    std::vector<NamedColumn> columns_;
    std::vector<std::size_t> positions_;  ///< where each column stands first
    std::shared_ptr<const Node> root_;
};

}  // namespace balmer::data
