// The text tables of catalogues: separators, quotes, line ends and everything that is refused.

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "data/catalogue/delimited_text.h"
#include "kernels/core/error.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using Row = std::vector<std::string>;

DelimitedText text_of(const std::string& bytes) {
    return {"table.csv", memory_stream(bytes)};
}

/// All rows, the header first.
std::vector<Row> rows_of(DelimitedText text) {
    std::vector<Row> rows = {text.columns()};
    while (text.next()) {
        Row row;
        for (std::size_t i = 0; i < text.columns().size(); ++i) row.emplace_back(text.cell(i));
        rows.push_back(row);
    }
    return rows;
}
std::vector<Row> rows_of(const std::string& bytes) {
    return rows_of(text_of(bytes));
}

std::string refusal(const std::string& bytes) {
    try {
        rows_of(bytes);
    } catch (const FormatError& error) {
        EXPECT_EQ(error.path, "table.csv");
        return error.reason;
    }
    return "nothing was refused";
}

TEST(DelimitedText, ReadsRowsWithBlanksCommentsAndEmptyLines) {
    const std::vector<Row> expected = {
        {"id", "z", "class"}, {"1", "0.5", "STAR"}, {"2", "", "F 5"}};
    EXPECT_EQ(rows_of("#Table1\nid, z ,class\n1,0.5,STAR\n\n# a remark, with commas\n2,,F 5"),
              expected);
    EXPECT_EQ(rows_of("id,z\n"), (std::vector<Row>{{"id", "z"}}));
    EXPECT_EQ(rows_of("file\na.fits\n"), (std::vector<Row>{{"file"}, {"a.fits"}}));
}

TEST(DelimitedText, Fault26FindsTheSeparatorInTheHeader) {
    for (const char separator : {',', ';', '|', '\t'}) {
        std::string bytes = "obsid,class,note\n1,STAR,\n";
        std::replace(bytes.begin(), bytes.end(), ',', separator);
        DelimitedText text = text_of(bytes);
        EXPECT_EQ(text.separator(), separator);
        EXPECT_EQ(rows_of(std::move(text)),
                  (std::vector<Row>{{"obsid", "class", "note"}, {"1", "STAR", ""}}));
    }
    EXPECT_EQ(rows_of("a|b|c,d\n1|2|3,4\n")[1], (Row{"1", "2", "3,4"}));
}

TEST(DelimitedText, Fault26TakesAByteOrderMarkAndCarriageReturns) {
    EXPECT_EQ(rows_of("\xEF\xBB\xBFid,z\r\n1,2\r\n"), (std::vector<Row>{{"id", "z"}, {"1", "2"}}));
    EXPECT_EQ(refusal("id,z\r1,2\r"), "line 1: a carriage return without a line feed");
    EXPECT_EQ(refusal(std::string("\xFF\xFEi\0d\0", 6)),
              "line 1: a NUL byte: no text, or not UTF-8");
}

TEST(DelimitedText, ReadsQuotedCells) {
    EXPECT_EQ(rows_of("a,b\n\"x,y\", \"say \"\"so\"\"\" \n")[1], (Row{"x,y", "say \"so\""}));
    DelimitedText text = text_of("a,b\n\"first\r\nsecond\",2\n3,4\n");
    ASSERT_TRUE(text.next());
    EXPECT_EQ(text.cell(0), "first\nsecond");
    EXPECT_EQ(text.cell(1), "2");
    EXPECT_EQ(text.line(), 2);
    ASSERT_TRUE(text.next());
    EXPECT_EQ(text.cell(1), "4");
    EXPECT_EQ(text.line(), 4);
    EXPECT_EQ(rows_of("a,b\n5\" wide,\"\"\n")[1], (Row{"5\" wide", ""}));
}

TEST(DelimitedText, Fault25RefusesBrokenRowsWithTheirLine) {
    EXPECT_EQ(refusal("a,b\n1,2\n#\n3\n"), "line 4: 1 cells where the header has 2");
    EXPECT_EQ(refusal("a,b\n1,2,3\n"), "line 2: 3 cells where the header has 2");
    EXPECT_EQ(refusal("a,b\n1,2\n3,\"4\n5,6\n"), "line 3: a quote that never closes");
    EXPECT_EQ(refusal("a,b\n\"1\"x,2\n"), "line 2: text behind a closing quote");
    EXPECT_EQ(refusal(std::string("a,b\n1,\0\n", 8)), "line 2: a NUL byte: no text, or not UTF-8");
    for (const char* const bad :
         {"\xC3(", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\x80"}) {
        EXPECT_EQ(refusal("a,b\n1,2\n" + std::string(bad) + ",2\n"),
                  "line 3: bytes that are not UTF-8");
    }
    EXPECT_EQ(rows_of("a,b\n\xC3\xA9,\xE2\x82\xAC\xF0\x9F\x94\xAD\n")[1],
              (Row{"\xC3\xA9", "\xE2\x82\xAC\xF0\x9F\x94\xAD"}));
    EXPECT_EQ(refusal(""), "is empty: there is no header line");
    EXPECT_EQ(refusal("# only a remark\n\n"), "is empty: there is no header line");
}

TEST(DelimitedText, Fault25KeepsMemoryBoundedWhereNoLineEnds) {
    const std::string endless(3U << 20, 'x');
    EXPECT_EQ(refusal(endless).substr(0, 33), "line 1: longer than 1048576 bytes");
    std::string quoted = "a,b\n1,\"";
    for (int i = 0; i < 100000; ++i) quoted += "an unclosed cell\n";
    EXPECT_EQ(refusal(quoted), "line 2: a quote that never closes");
}

TEST(DelimitedText, Fault27RefusesAColumnThatStandsTwice) {
    EXPECT_EQ(refusal("id,z,class,z\n"), "line 1: column 'z' stands twice");
    EXPECT_EQ(rows_of(",id,\n0,1,\n").size(), 2U);  // nameless columns may
}

TEST(DelimitedText, IsTheSameInPiecesOfAnySize) {
    const std::string bytes = "a;b\r\n\"x\ny\";\xE2\x82\xAC\r\n1;2\r\n";
    const auto whole = rows_of(bytes);
    for (std::size_t piece = 1; piece < 9; ++piece) {
        std::size_t done = 0;
        DelimitedText text("pieces", [&](char* buffer, std::size_t size) {
            const std::size_t count = bytes.copy(buffer, std::min(size, piece), done);
            done += count;
            return count;
        });
        EXPECT_EQ(rows_of(std::move(text)), whole);
    }
}

TEST(ByteStream, ReadsPlainAndGzipFiles) {
    TemporaryFolder folder;
    const std::string content = "id,z\n1,2\n3,4\n";
    folder.write("plain.csv", content);
    folder.write("packed.csv", gzip(content));
    for (const char* const name : {"plain.csv", "packed.csv"}) {
        EXPECT_EQ(rows_of(DelimitedText(name, open_byte_stream(folder / name))), rows_of(content));
    }
}

TEST(ByteStream, RefusesACutGzipFile) {
    TemporaryFolder folder;
    std::string content = "id,z\n";
    for (int i = 0; i < 20000; ++i) content += std::to_string(i * 7919 % 10007) + ",1\n";
    const std::string packed = gzip(content);
    folder.write("cut.csv.gz", packed.substr(0, packed.size() / 2));
    const std::string path = folder / "cut.csv.gz";
    try {
        rows_of(DelimitedText(path, open_byte_stream(path)));
        FAIL() << "the file was read";
    } catch (const FormatError& error) {
        EXPECT_EQ(error.path, path);
        EXPECT_EQ(error.reason, "corrupt gzip: unexpected end of file");
    }
}

TEST(ByteStream, Fault33RefusesFoldersAndFifosWithoutBlocking) {
    TemporaryFolder folder;
    const std::string fifo = folder / "fifo.csv";
    ASSERT_EQ(std::system(("mkfifo '" + fifo + "'").c_str()), 0);
    for (const std::string& path :
         {fifo, folder.path(), std::string("/dev/zero"), folder / "gone.csv"}) {
        EXPECT_THROW(open_byte_stream(path), IoError) << path;
    }
}

}  // namespace
}  // namespace balmer::data
