#include "data/catalogue/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "data/fits/fits_card.h"
#include "kernels/core/error.h"
#include "kernels/core/nearest_name.h"

namespace balmer::data {
namespace {

constexpr int deepest_nesting = 100;

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return lower;
}

enum class TokenKind : std::uint8_t { name, number, text, symbol, end };

struct Token {
    TokenKind kind = TokenKind::end;
    std::string_view spelling;
    std::size_t position = 0;
    Value value;  ///< of a number or text
};

/// Cuts an expression into tokens, one at a time.
class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) { advance(); }

    const Token& token() const { return token_; }

    void advance() {
        while (next_ < text_.size() && (text_[next_] == ' ' || text_[next_] == '\t')) ++next_;
        token_ = {TokenKind::end, "", next_, {}};
        if (next_ == text_.size()) return;
        const char c = text_[next_];
        if (is_letter(c)) {
            std::size_t end = next_;
            while (end < text_.size() &&
                   (is_letter(text_[end]) || is_digit(text_[end]) || text_[end] == '.')) {
                ++end;
            }
            take(TokenKind::name, end - next_);
        } else if (is_digit(c) || c == '.' || c == '-' || c == '+') {
            take_number();
        } else if (c == '\'' || c == '"') {
            take_text(c);
        } else {
            take_symbol();
        }
    }

    [[noreturn]] void fail(const std::string& problem, std::size_t position) const {
        throw UsageError(
            fmt::format("'{}' at character {}: {}", printable(text_, 200), position + 1, problem));
    }

  private:
    void take(TokenKind kind, std::size_t length) {
        token_ = {kind, text_.substr(next_, length), next_, {}};
        next_ += length;
    }

    void take_number() {
        std::size_t end = next_ + 1;
        while (end < text_.size() &&
               (is_letter(text_[end]) || is_digit(text_[end]) || text_[end] == '.' ||
                ((text_[end] == '-' || text_[end] == '+') &&
                 lower_case(text_.substr(end - 1, 1)) == "e"))) {
            ++end;
        }
        take(TokenKind::number, end - token_.position);
        const auto number = parse_literal(token_.spelling);
        if (!number) {
            fail(fmt::format("'{}' is no number", printable(token_.spelling)), token_.position);
        }
        token_.value = *number;
    }

    /// As parse_number, but -9999 is a number here.
    static std::optional<Value> parse_literal(std::string_view spelling) {
        if (spelling.starts_with("-9999")) {
            double real = 0;
            const char* const end = spelling.data() + spelling.size();
            const auto parsed = std::from_chars(spelling.data(), end, real);
            if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
            return real;
        }
        const auto number = parse_number(spelling);
        return number && is_missing(*number) ? std::nullopt : number;
    }

    void take_text(char quote) {
        const std::size_t end = text_.find(quote, next_ + 1);
        if (end == std::string_view::npos) fail("a quote that never closes", next_);
        const std::string_view content = text_.substr(next_ + 1, end - next_ - 1);
        take(TokenKind::text, end + 1 - next_);
        token_.value = content;
    }

    void take_symbol() {
        static constexpr std::array<std::string_view, 12> symbols = {
            "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", ","};
        const auto* const found = std::find_if(symbols.begin(), symbols.end(), [&](auto symbol) {
            return text_.substr(next_).starts_with(symbol);
        });
        if (found != symbols.end()) return take(TokenKind::symbol, found->size());
        const char c = text_[next_];
        const char* const hint = c == '='   ? " (equality is ==)"
                                 : c == '&' ? " (and is &&)"
                                 : c == '|' ? " (or is ||)"
                                            : "";
        fail(fmt::format("'{}' makes no sense{}", printable(text_.substr(next_, 1)), hint), next_);
    }

    std::string_view text_;
    std::size_t next_ = 0;
    Token token_;
};

/// A column or a constant.
struct Operand {
    std::optional<std::size_t> column;
    Value constant;
    std::size_t position = 0;
};

bool holds(std::string_view comparison, int order) {
    if (comparison == "==") return order == 0;
    if (comparison == "!=") return order != 0;
    if (comparison == "<") return order < 0;
    if (comparison == "<=") return order <= 0;
    if (comparison == ">") return order > 0;
    return order >= 0;
}

bool is_comparison(std::string_view symbol) {
    return symbol == "==" || symbol == "!=" || symbol == "<" || symbol == "<=" || symbol == ">" ||
           symbol == ">=";
}

/// A text where a number is needed counts as the number it spells, and the other way round.
std::optional<int> compare_cells(const Value& left, const Value& right) {
    if (const auto order = compare(left, right)) return order;
    const auto number_in = [](const Value& value) {
        const auto* text = std::get_if<std::string_view>(&value);
        return text == nullptr ? value : parse_number(*text).value_or(Value{});
    };
    return compare(number_in(left), number_in(right));
}

}  // namespace

struct Expression::Node {
    enum class Kind : std::uint8_t { all, any, negation, comparison, membership, missing };
    Kind kind = Kind::all;
    std::vector<Node> children;
    std::string comparison;
    std::vector<Operand> operands;  ///< comparison: two; membership: the first against the rest

    bool matches(const std::function<Value(std::size_t)>& value) const {
        const auto holds_child = [&](const Node& child) { return child.matches(value); };
        const auto cell = [&](const Operand& operand) {
            return operand.column ? value(*operand.column) : operand.constant;
        };
        switch (kind) {
            case Kind::all:
                return std::all_of(children.begin(), children.end(), holds_child);
            case Kind::any:
                return std::any_of(children.begin(), children.end(), holds_child);
            case Kind::negation:
                return !children[0].matches(value);
            case Kind::missing:
                return is_missing(cell(operands[0]));
            case Kind::comparison: {
                const auto order = compare_cells(cell(operands[0]), cell(operands[1]));
                return order && holds(comparison, *order);
            }
            case Kind::membership: {
                const Value wanted = cell(operands[0]);
                return std::any_of(operands.begin() + 1, operands.end(), [&](const Operand& one) {
                    return compare_cells(wanted, cell(one)) == 0;
                });
            }
        }
        return false;
    }
};

/// Recursive descent: any = all {|| all}; all = one {&& one}; one = !one, (any), missing(column) or
/// a comparison.
class Expression::Parser {
  public:
    explicit Parser(Expression& expression) : expression_(expression), lexer_(*expression.text_) {}

    Node parse() {
        if (lexer_.token().kind == TokenKind::end) lexer_.fail("nothing is asked for", 0);
        Node node = parse_any();
        if (lexer_.token().kind != TokenKind::end) expected("&& or ||");
        return node;
    }

  private:
    [[noreturn]] void expected(const std::string& what) const {
        const Token& token = lexer_.token();
        const std::string found = token.kind == TokenKind::end
                                      ? "the end"
                                      : fmt::format("'{}'", printable(token.spelling));
        lexer_.fail(fmt::format("expected {}, found {}", what, found), token.position);
    }

    bool accept(std::string_view symbol) {
        if (lexer_.token().kind != TokenKind::symbol || lexer_.token().spelling != symbol) {
            return false;
        }
        lexer_.advance();
        return true;
    }
    void require(std::string_view symbol) {
        if (!accept(symbol)) expected(fmt::format("'{}'", symbol));
    }
    bool accept_word(std::string_view word) {
        const Token& token = lexer_.token();
        if (token.kind != TokenKind::name || lower_case(token.spelling) != word) return false;
        lexer_.advance();
        return true;
    }

    Node parse_any() {
        if (++depth_ > deepest_nesting) {
            lexer_.fail("too many parentheses in each other", lexer_.token().position);
        }
        Node node{Node::Kind::any, {}, "", {}};
        do node.children.push_back(parse_all());
        while (accept("||"));
        --depth_;
        return node;
    }

    Node parse_all() {
        Node node{Node::Kind::all, {}, "", {}};
        do node.children.push_back(parse_one());
        while (accept("&&"));
        return node;
    }

    Node parse_one() {
        bool negated = false;
        while (accept("!")) negated = !negated;
        Node node = parse_plain();
        if (!negated) return node;
        Node negation{Node::Kind::negation, {}, "", {}};
        negation.children.push_back(std::move(node));
        return negation;
    }

    Node parse_plain() {
        if (accept("(")) {
            Node node = parse_any();
            require(")");
            return node;
        }
        const Token first = lexer_.token();
        if (accept_word("missing")) {
            require("(");
            Node node{Node::Kind::missing, {}, "", {}};
            if (lexer_.token().kind != TokenKind::name) expected("a column");
            node.operands.push_back(parse_operand());
            require(")");
            return node;
        }
        Node node{Node::Kind::comparison, {}, "", {}};
        node.operands.push_back(parse_operand());
        if (accept_word("in")) {
            node.kind = Node::Kind::membership;
            require("(");
            do node.operands.push_back(parse_constant());
            while (accept(","));
            require(")");
        } else {
            const Token symbol = lexer_.token();
            if (symbol.kind != TokenKind::symbol || !is_comparison(symbol.spelling)) {
                expected("a comparison (== != < <= > >= or in)");
            }
            lexer_.advance();
            node.comparison = symbol.spelling;
            node.operands.push_back(parse_operand());
        }
        note_kinds(node, first.position);
        return node;
    }

    Operand parse_constant() {
        if (lexer_.token().kind == TokenKind::name) expected("a number or a text in quotes");
        return parse_operand();
    }

    Operand parse_operand() {
        const Token token = lexer_.token();
        Operand operand{std::nullopt, token.value, token.position};
        if (token.kind == TokenKind::name) {
            operand.column = column(token);
        } else if (token.kind != TokenKind::number && token.kind != TokenKind::text) {
            expected("a column, a number or a text in quotes");
        }
        lexer_.advance();
        return operand;
    }

    std::size_t column(const Token& token) {
        const std::string name = lower_case(token.spelling);
        auto& columns = expression_.columns_;
        const auto found = std::find_if(columns.begin(), columns.end(),
                                        [&](const auto& one) { return one.name == name; });
        const auto index = static_cast<std::size_t>(found - columns.begin());
        if (found == columns.end()) {
            columns.push_back({name, ColumnKind::any});
            expression_.positions_.push_back(token.position);
        }
        return index;
    }

    /// Remembers of each column whether it is compared with numbers or with texts.
    void note_kinds(const Node& node, std::size_t position) {
        for (const Operand& constant : node.operands) {
            if (constant.column) continue;
            const bool is_text = std::holds_alternative<std::string_view>(constant.constant);
            const ColumnKind kind = is_text ? ColumnKind::text : ColumnKind::number;
            for (const Operand& operand : node.operands) {
                if (!operand.column) continue;
                NamedColumn& named = expression_.columns_[*operand.column];
                if (named.kind != ColumnKind::any && named.kind != kind) {
                    lexer_.fail(
                        fmt::format("'{}' is compared with a number and with a text", named.name),
                        position);
                }
                named.kind = kind;
            }
        }
    }

    Expression& expression_;
    Lexer lexer_;
    int depth_ = 0;
};

Expression::Expression(std::string text)
    : text_(std::make_shared<const std::string>(std::move(text))) {
    root_ = std::make_shared<const Node>(Parser(*this).parse());
}

void Expression::require_columns(const std::vector<NamedColumn>& known) const {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        const NamedColumn& used = columns_[i];
        const auto found = std::find_if(known.begin(), known.end(),
                                        [&](const auto& one) { return one.name == used.name; });
        const std::string place =
            fmt::format("'{}' at character {}: ", printable(*text_, 200), positions_[i] + 1);
        if (found == known.end()) {
            std::vector<std::string> names;
            names.reserve(known.size());
            for (const NamedColumn& one : known) names.push_back(one.name);
            throw UsageError(place + unknown_name("column", used.name, names).what());
        }
        const bool differs = found->kind != ColumnKind::any && used.kind != ColumnKind::any &&
                             found->kind != used.kind;
        if (!differs) continue;
        const bool is_text = found->kind == ColumnKind::text;
        throw UsageError(fmt::format("{}'{}' holds {}, it is compared with {}", place, used.name,
                                     is_text ? "texts" : "numbers",
                                     is_text ? "a number" : "a text"));
    }
}

bool Expression::matches(const std::function<Value(std::size_t)>& value) const {
    return root_->matches(value);
}

}  // namespace balmer::data
