// data/fits: broken files are refused with the right status before CFITSIO sees them. The numbers
// in the names are those of the project's list of faults.

#include "data/fits/fits_gate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "data/fits/file_bytes.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

/// A table whose cards were changed by `change`, between two good HDUs.
std::string with_table(const std::function<void(std::vector<std::string>&)>& change) {
    const SdssFile file;
    auto cards = table_cards(file.columns(), file.rows(), "COADD");
    change(cards);
    return primary() + header(cards) + table_data(file.columns(), file.rows()) +
           binary_table(file.labels, 1);
}

std::string with_table_card(const std::string& keyword, const std::string& changed) {
    return with_table([&](std::vector<std::string>& cards) {
        for (std::string& one : cards) {
            if (one.starts_with(padded(keyword, 8))) one = changed;
        }
    });
}

Refusal refusal_of_path(const std::string& path, const ReadOptions& options = {}) {
    return refusal_of([&] { return read_spectra(path, options); });
}

TEST(FitsGate, ListsHdusAxesAndColumns) {
    const auto gated = check_fits("good.fits", as_bytes(SdssFile().bytes()));
    ASSERT_EQ(gated.hdus.size(), 3U);
    EXPECT_EQ(gated.trailing_bytes, 0);
    const Hdu& coadd = gated.hdus[1];
    EXPECT_EQ(coadd.kind, HduKind::binary_table);
    EXPECT_EQ(coadd.name, "COADD");
    EXPECT_EQ(coadd.rows(), 300);
    EXPECT_EQ(coadd.data_bytes, 300 * 16);
    ASSERT_NE(coadd.column("LogLam"), nullptr);
    EXPECT_EQ(coadd.column("LogLam")->type, 'E');
    EXPECT_EQ(gated.hdus[2].column("CLASS")->repeat, 6);
    EXPECT_EQ(describe_columns(coadd), "flux, loglam, ivar, and_mask");
}

TEST(FitsGate, AcceptsAsciiTablesButNotColumnsOutsideTheRow) {
    const std::string table =
        header({text_card("XTENSION", "TABLE"), card("BITPIX", 8), card("NAXIS", 2),
                card("NAXIS1", 12), card("NAXIS2", 2), card("PCOUNT", 0), card("GCOUNT", 1),
                card("TFIELDS", 2), card("TBCOL1", 1), text_card("TFORM1", "A5"),
                text_card("TTYPE1", "name"), card("TBCOL2", 7), text_card("TFORM2", "F6.2")}) +
        blocks("alpha  1.25 beta  10.50 ", ' ');
    const auto gated = check_fits("ascii.fits", as_bytes(primary() + table));
    EXPECT_EQ(gated.hdus[1].kind, HduKind::ascii_table);
    EXPECT_EQ(gated.hdus[1].columns[0].repeat, 5);
    for (const char* start : {"0", "8", "9223372036854775807", "-9223372036854775808"}) {
        const auto refusal =
            refusal_of(with_card(primary() + table, "TBCOL2", card("TBCOL2", start)));
        EXPECT_EQ(refusal.status, Status::bad_structure) << start;
    }
}

TEST(FitsGate, Fault01RefusesMissingEmptyHtmlAndGarbage) {
    const TemporaryFolder folder;
    const auto missing = refusal_of_path(folder / "none.fits");
    EXPECT_EQ(missing.status, Status::not_a_file);
    EXPECT_TRUE(missing.mentions("No such file")) << missing;

    const auto empty = refusal_of_path(folder.write("empty.fits", ""));
    EXPECT_EQ(empty.status, Status::not_fits);
    EXPECT_TRUE(empty.mentions("empty")) << empty;

    const auto html = refusal_of_path(folder.write("a.fits", "<!DOCTYPE html><html>404</html>"));
    EXPECT_EQ(html.status, Status::not_fits);
    EXPECT_TRUE(html.mentions("31 bytes") && html.mentions("<!DOCTYPE html>")) << html;

    const auto garbage = refusal_of(std::string(10000, '\xa7'));
    EXPECT_EQ(garbage.status, Status::not_fits);
    EXPECT_TRUE(garbage.mentions(std::string(20, '?'))) << garbage;
}

TEST(FitsGate, Fault02NamesExpectedAndActualBytesOfTruncatedData) {
    const std::string bytes = primary() + binary_table(SdssFile().columns(), 300);
    const std::size_t data = bytes.size() - 5760;
    const auto cut = refusal_of(bytes.substr(0, data + 1000));
    EXPECT_EQ(cut.status, Status::truncated);
    EXPECT_TRUE(cut.mentions("HDU 1") && cut.mentions("need 4800 bytes") &&
                cut.mentions("has 1000 left"))
        << cut;
    const auto whole_gone = refusal_of(bytes.substr(0, data));
    EXPECT_EQ(whole_gone.status, Status::truncated);
    EXPECT_TRUE(whole_gone.mentions("has 0 left")) << whole_gone;
}

TEST(FitsGate, Fault02RefusesEveryTruncationThatLosesSomething) {
    const std::string bytes = SdssFile(200).bytes();
    const auto hdus = check_fits("test.fits", as_bytes(bytes)).hdus;
    const std::int64_t needed = hdus.back().data_offset + hdus.back().data_bytes;
    // Where an HDU ends, its padding may be missing, but nothing is lost of what came before.
    const auto ends_an_hdu = [&](std::int64_t length) {
        return std::any_of(hdus.begin(), hdus.end(), [&](const Hdu& hdu) {
            const std::int64_t end = hdu.data_offset + hdu.data_bytes;
            return length >= end && length <= (end + 2879) / 2880 * 2880;
        });
    };
    for (std::int64_t length = 0; length < static_cast<std::int64_t>(bytes.size()); length += 7) {
        const auto refusal = refusal_of(bytes.substr(0, static_cast<std::size_t>(length)));
        if (length >= needed) {
            EXPECT_EQ(refusal.status, Status::ok) << length << " " << refusal;
        } else if (length < 9) {
            EXPECT_EQ(refusal.status, Status::not_fits) << length << " " << refusal;
        } else if (!ends_an_hdu(length)) {
            EXPECT_EQ(refusal.status, Status::truncated) << length << " " << refusal;
        }
    }
    for (std::size_t letters = 1; letters < 8; ++letters) {
        const auto offset = static_cast<std::size_t>(hdus[2].data_offset) + 2880;
        const std::string text = std::string("XTENSION").substr(0, letters);
        EXPECT_EQ(refusal_of(bytes.substr(0, offset) + text).status, Status::truncated) << text;
    }
}

TEST(FitsGate, Fault03RefusesHeadersWithoutEndOrSimple) {
    std::string no_end;
    for (int i = 0; i < 40; ++i) no_end += i == 0 ? card("SIMPLE", "T") : card("BITPIX", 8);
    const auto open_header = refusal_of(no_end);
    EXPECT_EQ(open_header.status, Status::truncated);
    EXPECT_TRUE(open_header.mentions("40 header cards, without END")) << open_header;

    std::string swallowed = SdssFile().bytes();
    swallowed.replace(swallowed.find("END     "), 3, "   ");
    const auto next_header = refusal_of(swallowed);
    EXPECT_EQ(next_header.status, Status::bad_structure);
    EXPECT_TRUE(next_header.mentions("no END: XTENSION")) << next_header;

    const auto no_simple = refusal_of(SdssFile().bytes().substr(80));
    EXPECT_EQ(no_simple.status, Status::not_fits);
    EXPECT_TRUE(no_simple.mentions("BITPIX")) << no_simple;
}

TEST(FitsGate, Fault04RefusesRowCountsThatCannotBe) {
    for (const char* rows : {"9223372036854775807", "1000000000000000"}) {
        const auto refusal = refusal_of(with_table_card("NAXIS2", card("NAXIS2", rows)));
        EXPECT_EQ(refusal.status, Status::bad_structure);
        EXPECT_TRUE(refusal.mentions("HDU 1") && refusal.mentions(rows)) << refusal;
    }
    const auto negative = refusal_of(with_table_card("NAXIS2", card("NAXIS2", -1)));
    EXPECT_EQ(negative.status, Status::bad_structure);
    EXPECT_TRUE(negative.mentions("NAXIS2 = -1")) << negative;
    const auto beyond =
        refusal_of(with_table_card("NAXIS2", card("NAXIS2", "18446744073709551616")));
    EXPECT_EQ(beyond.status, Status::bad_structure);
    EXPECT_TRUE(beyond.mentions("no 64-bit integer")) << beyond;
    std::string no_group = with_table_card("GCOUNT", card("GCOUNT", 0));
    no_group = with_card(no_group, "NAXIS2", card("NAXIS2", "1000000000000000"));
    const auto hidden = refusal_of(no_group);
    EXPECT_EQ(hidden.status, Status::bad_structure);
    EXPECT_TRUE(hidden.mentions("GCOUNT = 0")) << hidden;
    const auto more = refusal_of(with_table_card("NAXIS2", card("NAXIS2", 100000)));
    EXPECT_EQ(more.status, Status::truncated);
    EXPECT_TRUE(more.mentions("1600000 bytes")) << more;
}

TEST(FitsGate, Fault05RefusesColumnsThatDoNotAddUp) {
    const auto row = refusal_of(with_table_card("NAXIS1", card("NAXIS1", 15)));
    EXPECT_EQ(row.status, Status::bad_structure);
    EXPECT_TRUE(row.mentions("NAXIS1 = 15") && row.mentions("4 columns take 16")) << row;

    const auto fields = refusal_of(with_table_card("TFIELDS", card("TFIELDS", 999)));
    EXPECT_EQ(fields.status, Status::bad_structure);
    EXPECT_TRUE(fields.mentions("TFIELDS = 999, but TFORM5 is missing")) << fields;
    EXPECT_EQ(refusal_of(with_table_card("TFIELDS", card("TFIELDS", 1000))).status,
              Status::bad_structure);
    EXPECT_EQ(refusal_of(with_table_card("TFIELDS", card("TFIELDS", -1))).status,
              Status::bad_structure);

    for (const char* form : {"4000000000E", "9223372036854775807D", "99999999999999999999J", "-1E",
                             "E E", "1R", "", "7", "2PE"}) {
        const auto refusal = refusal_of(with_table_card("TFORM1", text_card("TFORM1", form)));
        if (std::string(form) == "E E") continue;  // what follows the letter is a comment
        EXPECT_EQ(refusal.status, Status::bad_structure) << form;
        EXPECT_TRUE(refusal.mentions("TFORM1") || refusal.mentions("NAXIS1")) << form << refusal;
    }
}

TEST(FitsGate, Fault06RefusesAnImageThatIsOnlyAHeader) {
    const auto huge = refusal_of(header({card("SIMPLE", "T"), card("BITPIX", -32), card("NAXIS", 2),
                                         card("NAXIS1", 4000000000), card("NAXIS2", 4000000000)}));
    EXPECT_EQ(huge.status, Status::bad_structure);
    EXPECT_TRUE(huge.mentions("4000000000, 4000000000") && huge.mentions("file has 2880")) << huge;
    const auto groups = refusal_of(
        header({card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 1), card("NAXIS1", 10),
                card("GCOUNT", "4611686018427387904"), card("PCOUNT", "4611686018427387904")}));
    EXPECT_EQ(groups.status, Status::bad_structure);
}

TEST(FitsGate, Fault07RefusesACorruptSecondHdu) {
    const std::string good = SdssFile().bytes();
    const std::size_t labels = good.find("XTENSION", 2880 + 8);
    for (const std::string& damage :
         {std::string("XTENSIOM"), std::string(8, '\0'), std::string("XtENSION")}) {
        std::string broken = good;
        broken.replace(labels, 8, damage);
        const auto refusal = refusal_of(broken);
        EXPECT_EQ(refusal.status, Status::bad_structure);
        EXPECT_TRUE(refusal.mentions("HDU 2: corrupt")) << refusal;
    }
    std::string erased = good;
    erased.replace(labels, 2880, 2880, '\xff');
    EXPECT_EQ(refusal_of(erased).status, Status::bad_structure);

    for (const char* keyword : {"BITPIX", "NAXIS", "NAXIS1", "TFIELDS", "TFORM3"}) {
        const auto refusal = refusal_of(with_card(good, keyword, "COMMENT gone", labels));
        EXPECT_EQ(refusal.status, Status::bad_structure) << keyword;
        EXPECT_TRUE(refusal.mentions("HDU 2")) << refusal;
    }
}

TEST(FitsGate, Fault08RefusesTileCompressionUnlessAsked) {
    for (const char* keyword : {"ZIMAGE", "ZTABLE"}) {
        const std::string bytes = with_table(
            [&](std::vector<std::string>& cards) { cards.push_back(card(keyword, "T")); });
        const auto refusal = refusal_of(bytes);
        EXPECT_EQ(refusal.status, Status::compressed_image);
        EXPECT_TRUE(refusal.mentions("--allow-compressed")) << refusal;
        GateOptions options;
        options.allow_compressed = true;
        EXPECT_TRUE(check_fits("test.fits", as_bytes(bytes), options).hdus[1].compressed);
    }
}

TEST(FitsGate, Fault09StopsAGzipBombAtTheByteLimit) {
    const TemporaryFolder folder;
    const std::string bomb = gzip(std::string(std::size_t{80} << 20, '\0'));
    EXPECT_LT(bomb.size(), 100U << 10);
    ReadOptions options;
    options.byte_limit = 1 << 20;
    const auto refusal = refusal_of_path(folder.write("bomb.fits.gz", bomb), options);
    EXPECT_EQ(refusal.status, Status::bad_gzip);
    EXPECT_TRUE(refusal.mentions("beyond the limit of 1048576")) << refusal;

    const auto plain = refusal_of_path(
        folder.write("big.fits", std::string((std::size_t{1} << 20) + 1, 'x')), options);
    EXPECT_EQ(plain.status, Status::bad_structure);
    EXPECT_TRUE(plain.mentions("1048577 bytes, above the limit of 1048576")) << plain;
}

TEST(FitsGate, Fault09RefusesBadCrcAndCutGzip) {
    const TemporaryFolder folder;
    const std::string good = gzip(SdssFile().bytes());
    std::string bad_crc = good;
    bad_crc[bad_crc.size() - 6] ^= 1;
    const auto crc = refusal_of_path(folder.write("crc.fits.gz", bad_crc));
    EXPECT_EQ(crc.status, Status::bad_gzip);
    EXPECT_TRUE(crc.mentions("incorrect data check")) << crc;
    const auto cut = refusal_of_path(folder.write("cut.fits.gz", good.substr(0, 900)));
    EXPECT_EQ(cut.status, Status::truncated);
    EXPECT_TRUE(cut.mentions("900 bytes")) << cut;
}

TEST(FitsGate, ReadsGzipOfSeveralMembersExactlyUpToTheLimit) {
    const TemporaryFolder folder;
    const std::string bytes = SdssFile().bytes();
    const std::string packed = gzip(bytes.substr(0, 5000)) + gzip(bytes.substr(5000));
    const std::string path = folder.write("two.fits", packed + std::string(100, '\0'));
    const auto size = static_cast<std::int64_t>(bytes.size());
    EXPECT_EQ(read_file_bytes(path, size), as_bytes(bytes));
    EXPECT_THROW(read_file_bytes(path, size - 1), SpectrumError);
}

TEST(FitsGate, Fault10TakesPathsLiterally) {
    const TemporaryFolder folder;
    const std::string bytes = SdssFile().bytes();
    for (const char* name : {"a[1].fits", "a(b).fits", "!a.fits", "a+1.fits", "-", "a.fits[col x]",
                             "shmem:h1", "mem:", "@list", " leading.fits"}) {
        const std::string path = folder.write(name, bytes);
        EXPECT_EQ(read_spectra(path).spectra.size(), 1U) << name;
        std::filesystem::remove(path);
        EXPECT_EQ(refusal_of_path(path).status, Status::not_a_file) << name;
    }
    folder.write("b.fits.gz", gzip(bytes));
    EXPECT_EQ(refusal_of_path(folder / "b.fits").status, Status::not_a_file);
    folder.write("c.fits", bytes);
    EXPECT_EQ(refusal_of_path(folder / "c.fits(copy.fits)").status, Status::not_a_file);
    EXPECT_FALSE(std::filesystem::exists(folder / "copy.fits"));
    for (const char* path : {"http://localhost/a.fits", "shmem://h1", "-", "", "stdin://"}) {
        EXPECT_EQ(refusal_of_path(path).status, Status::not_a_file) << path;
    }
}

TEST(FitsGate, Fault24StopsAtTheCardLimit) {
    std::vector<std::string> cards = {card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 0)};
    cards.resize(1000000, padded("COMMENT many", 80));
    const auto refusal = refusal_of(header(cards));
    EXPECT_EQ(refusal.status, Status::bad_structure);
    EXPECT_TRUE(refusal.mentions("more than 36000 header cards")) << refusal;
}

TEST(FitsGate, Fault33RefusesWhatIsNoFileWithoutBlocking) {
    const TemporaryFolder folder;
    const auto directory = refusal_of_path(folder.path());
    EXPECT_EQ(directory.status, Status::not_a_file);
    EXPECT_TRUE(directory.mentions("directory")) << directory;
    const std::string pipe = folder / "pipe.fits";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    const auto fifo = refusal_of_path(pipe);
    EXPECT_EQ(fifo.status, Status::not_a_file);
    EXPECT_TRUE(fifo.mentions("FIFO")) << fifo;
    const auto device = refusal_of_path("/dev/zero");
    EXPECT_EQ(device.status, Status::not_a_file);
    EXPECT_TRUE(device.mentions("device")) << device;
    const std::string link = folder / "link.fits";
    std::filesystem::create_symlink(folder.write("real.fits", SdssFile().bytes()), link);
    EXPECT_EQ(read_spectra(link).spectra.size(), 1U);
}

TEST(FitsGate, RefusesMandatoryKeywordsOutOfOrderOrTwice) {
    const auto twice = refusal_of(
        with_table([](std::vector<std::string>& cards) { cards.push_back(card("NAXIS2", 299)); }));
    EXPECT_EQ(twice.status, Status::bad_structure);
    EXPECT_TRUE(twice.mentions("NAXIS2 stands twice")) << twice;
    const auto swapped = refusal_of(
        with_table([](std::vector<std::string>& cards) { std::swap(cards[3], cards[4]); }));
    EXPECT_EQ(swapped.status, Status::bad_structure);
    EXPECT_TRUE(swapped.mentions("card 4 is 'NAXIS2' where NAXIS1")) << swapped;
    for (const char* bitpix : {"0", "7", "-9223372036854775808", "'8'", ""}) {
        EXPECT_EQ(refusal_of(with_table_card("BITPIX", card("BITPIX", bitpix))).status,
                  Status::bad_structure)
            << bitpix;
    }
}

TEST(FitsGate, Fault05RefusesATableWhoseCountOfColumnsStandsElsewhere) {
    // CFITSIO goes on with a TFIELDS that it never read.
    const auto moved = refusal_of(with_table([](std::vector<std::string>& cards) {
        const auto fields = std::find_if(cards.begin(), cards.end(), [](const std::string& one) {
            return one.starts_with("TFIELDS");
        });
        std::rotate(fields, fields + 1, cards.end());
    }));
    EXPECT_EQ(moved.status, Status::bad_structure);
    EXPECT_TRUE(moved.mentions("where TFIELDS must stand")) << moved;
}

TEST(FitsGate, AcceptsPaddingAndLeftoversAfterTheLastHdu) {
    const std::string good = SdssFile().bytes();
    for (const std::string& tail :
         {std::string(2880, '\0'), std::string(28800, ' '), std::string(100, 'x'),
          std::string("\x01\x02\xf3\x04", 4) + std::string(6000, '\x05')}) {
        const auto gated = check_fits("tail.fits", as_bytes(good + tail));
        EXPECT_EQ(gated.hdus.size(), 3U);
        EXPECT_EQ(gated.trailing_bytes, static_cast<std::int64_t>(tail.size()));
        EXPECT_EQ(read_bytes(good + tail).spectra.size(), 1U);
    }
}

TEST(FitsGate, AcceptsAnUnfilledLastBlockAndOddCards) {
    const SdssFile file;
    const std::string table = primary() + header(table_cards(file.columns(), 300));
    const std::string rows = table_data(file.columns(), 300).substr(0, 4800);
    EXPECT_EQ(read_one(table + rows).flux, file.flux);
    std::string odd = primary({padded("RADVEL  = INDEF", 80), padded("HIERARCH ESO X = 1", 80),
                               padded("key=value", 80), text_card("OBSERVER", "Andr\xe9"),
                               padded("COMMENT\tx", 80), card("EXPTIME", "'unclosed")});
    EXPECT_EQ(read_one(odd + binary_table(file.columns(), 300)).flux, file.flux);
}

}  // namespace
}  // namespace balmer::data
