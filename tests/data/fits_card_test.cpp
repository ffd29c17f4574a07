// Values of header cards.

#include "data/fits/fits_card.h"

#include <gtest/gtest.h>

#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

TEST(FitsCard, GivesAnyValueAsText) {
    EXPECT_EQ(card_value("OBSID   =                  123 / comment"), "123");
    EXPECT_EQ(card_value("OBSID   =123/comment"), std::nullopt) << "no value indicator";
    EXPECT_EQ(card_value("OBSID   = 123/comment"), "123");
    EXPECT_EQ(card_value("CLASS   = 'O''Neil '           / comment"), "O'Neil");
    EXPECT_EQ(card_value("CLASS   = ''"), "");
    EXPECT_EQ(card_value("CLASS   = 'no end"), std::nullopt);
    EXPECT_EQ(card_value("CLASS   =            / undefined"), std::nullopt);
    EXPECT_EQ(card_value("COMMENT text"), std::nullopt);
}

TEST(FitsCard, ParsesNumbersAsFitsWritesThem) {
    EXPECT_EQ(parse_fits_real("-1.5"), -1.5);
    EXPECT_EQ(parse_fits_real(" +3 "), 3.0);
    EXPECT_EQ(parse_fits_real("1.5D-3"), 1.5e-3);
    EXPECT_EQ(parse_fits_real("2.E+02"), 200.0);
    EXPECT_EQ(parse_fits_real(".5"), 0.5);
    for (const char* none : {"", "+", "+-3", "1.5 2", "1,5", "INDEF", "T", "1.5D-3D"}) {
        EXPECT_EQ(parse_fits_real(none), std::nullopt) << none;
    }
    EXPECT_EQ(parse_fits_integer("9223372036854775807"), 9223372036854775807);
    EXPECT_EQ(parse_fits_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(parse_fits_integer("+42 "), 42);
    EXPECT_EQ(parse_fits_integer("55000."), 55000);
    for (const char* none : {"9223372036854775808", "1e300", "0.5", "nan", "", "x"}) {
        EXPECT_EQ(parse_fits_integer(none), std::nullopt) << none;
    }
}

/// A LAMOST file whose OBSID is `value`.
std::string with_obsid(const std::string& value) {
    return with_card(LamostFile().bytes(), "OBSID", card("OBSID", value));
}

TEST(FitsCard, ReadersTakeNumbersInAnyNotation) {
    const auto id = [](const std::string& value) { return read_one(with_obsid(value)).object_id; };
    EXPECT_EQ(id("'101001.0'"), id("101001"));
    EXPECT_NE(id("101002"), id("101001"));
}

// CFITSIO overruns a buffer of 81 characters with what it says about either.
TEST(FitsGate, Fault05LongValuesThatAreNoNumbersDoNotReachCfitsio) {
    const std::string value(60, 'x');
    EXPECT_EQ(read_bytes(with_obsid(value)).spectra.size(), 1U);
    for (const char* keyword : {"BSCALE", "BZERO", "BLANK"}) {
        const auto refusal =
            refusal_of(with_card(LamostFile().bytes(), "OBSID", card(keyword, value)));
        EXPECT_EQ(refusal.status, Status::bad_structure) << keyword;
        EXPECT_TRUE(refusal.mentions(std::string(keyword) + " = 'xxx")) << refusal;
    }
}

}  // namespace
}  // namespace balmer::data
