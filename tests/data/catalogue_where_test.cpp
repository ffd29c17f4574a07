// The language of --where.

#include <gtest/gtest.h>

#include "data/catalogue/expression.h"
#include "kernels/core/error.h"

namespace balmer::data {
namespace {

/// The value of the expression for z = 0.5, zwarn = 0, class = "STAR", teff missing, id = 2^63 + 1.
bool holds(const std::string& text) {
    const Expression where(text);
    return where.matches([&](std::size_t i) -> Value {
        const std::string& name = where.columns()[i].name;
        if (name == "z") return 0.5;
        if (name == "zwarn") return std::int64_t{0};
        if (name == "class") return std::string_view("STAR");
        if (name == "plate") return std::string_view("3655");
        if (name == "id") return (std::uint64_t{1} << 63U) + 1;
        return {};
    });
}

std::string refusal(const std::string& text) {
    try {
        const Expression where(text);
        where.require_columns({{"zwarn", ColumnKind::number},
                               {"z", ColumnKind::number},
                               {"class", ColumnKind::text},
                               {"plate", ColumnKind::any}});
    } catch (const UsageError& error) {
        return error.what();
    }
    return "nothing was refused";
}

TEST(Where, ComparesNumbersAndTexts) {
    for (const char* const text :
         {"z == 0.5", "z >= 0.5", "z <= 5e-1", "z > -1", "0.4 < z", "z != 1", "class == 'STAR'",
          "class != \"QSO\"", "class < 'T'", "zwarn == 0", "zwarn == +0.0", "plate == 3655",
          "plate == '3655'", "plate > 999", "CLASS == 'STAR'"}) {
        EXPECT_TRUE(holds(text)) << text;
    }
    for (const char* const text : {"z == 1", "z > 0.5", "z < .5", "class == 'star'", "zwarn != 0",
                                   "zwarn > -9999 && z == -9999", "class == 'QSO'"}) {
        EXPECT_FALSE(holds(text)) << text;
    }
}

TEST(Where, Fault30ComparesIdsAsIntegers) {
    EXPECT_TRUE(holds("id == 9223372036854775809"));
    EXPECT_FALSE(holds("id == 9223372036854775808"));
    EXPECT_TRUE(holds("id > 9223372036854775808 && id > -1"));
}

TEST(Where, JoinsWithTheUsualPrecedence) {
    EXPECT_TRUE(holds("z == 0.5 || z == 1 && z == 2"));
    EXPECT_FALSE(holds("(z == 0.5 || z == 1) && z == 2"));
    EXPECT_TRUE(holds("!(z == 1) && !!(z == 0.5)"));
    EXPECT_TRUE(holds("! z == 1 || z==1"));
    EXPECT_TRUE(holds("class in ('QSO', 'STAR') && zwarn in (0,4)"));
    EXPECT_FALSE(holds("class in ('QSO')"));
}

TEST(Where, AComparisonWithAMissingValueIsFalse) {
    for (const char* const text :
         {"teff > 0", "teff <= 0", "teff == 0", "teff != 0", "teff == logg", "teff in (0, 1)"}) {
        EXPECT_FALSE(holds(text)) << text;
    }
    EXPECT_TRUE(holds("!(teff > 0)"));
    EXPECT_TRUE(holds("missing(teff) && !missing(z)"));
    EXPECT_FALSE(holds("missing(class)"));
}

TEST(Where, SaysWhereItMakesNoSense) {
    EXPECT_EQ(refusal(""), "'' at character 1: nothing is asked for");
    EXPECT_EQ(refusal("z = 1"), "'z = 1' at character 3: '=' makes no sense (equality is ==)");
    EXPECT_EQ(refusal("z > 1 & z < 2"),
              "'z > 1 & z < 2' at character 7: '&' makes no sense (and is &&)");
    EXPECT_EQ(
        refusal("z >"),
        "'z >' at character 4: expected a column, a number or a text in quotes, found the end");
    EXPECT_EQ(refusal("z > 1 z < 2"), "'z > 1 z < 2' at character 7: expected && or ||, found 'z'");
    EXPECT_EQ(refusal("(z > 1"), "'(z > 1' at character 7: expected ')', found the end");
    EXPECT_EQ(refusal("class == 'STAR"),
              "'class == 'STAR' at character 10: a quote that never closes");
    EXPECT_EQ(refusal("z > 1x"), "'z > 1x' at character 5: '1x' is no number");
    EXPECT_EQ(refusal("z"),
              "'z' at character 2: expected a comparison (== != < <= > >= or in), found the end");
    EXPECT_EQ(refusal("z in (1, zwarn)"),
              "'z in (1, zwarn)' at character 10: expected a number or a text in quotes, found "
              "'zwarn'");
    EXPECT_NE(refusal("missing(3)").find("expected a column"), std::string::npos);
    EXPECT_NE(refusal(std::string(500, '(')).find("too many parentheses"), std::string::npos);
    EXPECT_EQ(refusal("plate == 1 && plate == 'a'"),
              "'plate == 1 && plate == 'a'' at character 15: 'plate' is compared with a number and "
              "with a text");
}

TEST(Where, Fault42SuggestsTheNearestColumn) {
    const std::string message = refusal("z > 1 && zwran == 0");
    EXPECT_NE(message.find("at character 10: unknown column 'zwran', did you mean 'zwarn'?"),
              std::string::npos)
        << message;
    EXPECT_NE(refusal("class == 1").find("'class' holds texts, it is compared with a number"),
              std::string::npos);
    EXPECT_NE(refusal("z == '1'").find("'z' holds numbers, it is compared with a text"),
              std::string::npos);
    EXPECT_EQ(refusal("plate == 1"), "nothing was refused");
}

TEST(Where, OutlivesTheTextItWasMadeFrom) {
    std::vector<Expression> kept;
    for (const char* const text : {"class == 'STAR'", "class == 'QSO'"}) kept.emplace_back(text);
    const auto star = [](std::size_t) -> Value { return std::string_view("STAR"); };
    EXPECT_TRUE(kept[0].matches(star));
    EXPECT_FALSE(kept[1].matches(star));
}

}  // namespace
}  // namespace balmer::data
