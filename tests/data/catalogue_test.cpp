// What catalogues of each survey give, and what is dropped from them.

#include "data/catalogue/catalogue.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "kernels/core/error.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using fits_builder::numbers;
using fits_builder::strings;
using Counts = std::map<std::string, std::int64_t>;

std::vector<CatalogueRow> rows_of(Catalogue& catalogue) {
    std::vector<CatalogueRow> rows;
    for (CatalogueRow row; catalogue.next(row);) rows.push_back(row);
    return rows;
}
std::vector<CatalogueRow> rows_of(const std::string& bytes) {
    Catalogue catalogue("test.csv", bytes);
    return rows_of(catalogue);
}

std::string refusal(const std::string& bytes) {
    try {
        rows_of(bytes);
    } catch (const FormatError& error) {
        return error.reason;
    }
    return "nothing was refused";
}

const std::string casjobs =
    "#Table1\n"
    "specObjID,plate,mjd,fiberID,run2d,ra,dec,class,subClass,z,zErr,zWarning,elodieTEff,elodieLogG,"
    "elodieFeH,snMedian,instrument,targetType\n"
    "4115164797179547648,3655,55240,2,v5_13_0,112.0552,39.732657,QSO,BROADLINE,2.355238,3.37e-04,0,"
    "0,0,0,8.42,BOSS,SCIENCE\n"
    "11997690149582694400,10656,58163,366,v5_13_0,112.04723,39.7,STAR,F5,-0.0001,1e-5,4,"
    "6500,4.1,0,NaN,SDSS,SKY\n";

TEST(Catalogue, ReadsSdssFromCasJobs) {
    Catalogue catalogue("casjobs.csv", casjobs);
    EXPECT_STREQ(catalogue.format(), "SDSS");
    const auto rows = rows_of(catalogue);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].survey, "sdss");
    EXPECT_EQ(rows[0].object_id, 4115164797179547648);
    EXPECT_EQ(rows[0].spectrum_name, "spec-3655-55240-0002");
    EXPECT_EQ(rows[0].run2d, "v5_13_0");
    EXPECT_EQ(rows[0].labels.object_class, "QSO");
    EXPECT_EQ(rows[0].labels.subclass, "BROADLINE");
    EXPECT_EQ(rows[0].labels.z, 2.355238);
    EXPECT_EQ(rows[0].labels.z_err, 3.37e-4);
    EXPECT_EQ(rows[0].labels.zwarn, 0);
    EXPECT_EQ(rows[0].ra, 112.0552);
    EXPECT_EQ(rows[0].survey_snr, 8.42);
    EXPECT_EQ(rows[0].snr, 8.42);
    EXPECT_EQ(rows[1].labels.teff, 6500.0);
    EXPECT_EQ(rows[1].labels.feh, 0.0);  // the Sun's, where there is a fitted star
    EXPECT_EQ(catalogue.text(*catalogue.column("TARGET_TYPE")), "SKY");
    EXPECT_FALSE(catalogue.column("snru"));
}

TEST(Catalogue, Fault28DropsAndCountsLabelsThatAreNone) {
    Catalogue catalogue("casjobs.csv", casjobs);
    const auto rows = rows_of(catalogue);
    EXPECT_EQ(rows[0].labels.teff, std::nullopt);  // ELODIE_TEFF = 0: all three are absent
    EXPECT_EQ(rows[0].labels.logg, std::nullopt);
    EXPECT_EQ(rows[0].labels.feh, std::nullopt);
    EXPECT_EQ(rows[1].survey_snr, std::nullopt);
    EXPECT_EQ(catalogue.dropped(),
              (Counts{{"feh", 1}, {"logg", 1}, {"snr", 1}, {"survey_snr", 1}, {"teff", 1}}));

    Catalogue plain("plain.csv",
                    "file,class,z,z_err,zwarn,teff,logg,feh\n"
                    "a.fits,unknown,nan,0,null,-9999,,inf\n"
                    "b.fits,galaxy,-9999.0,1e-4,0,5000,4,-inf\n");
    const auto plain_rows = rows_of(plain);
    EXPECT_EQ(plain_rows[1].labels.object_class, "GALAXY");
    EXPECT_EQ(plain_rows[1].labels.teff, 5000.0);
    EXPECT_EQ(plain_rows[1].labels.feh, std::nullopt);
    EXPECT_EQ(plain.dropped(), (Counts{{"class", 1},
                                       {"feh", 2},
                                       {"logg", 1},
                                       {"teff", 1},
                                       {"z", 2},
                                       {"z_err", 1},
                                       {"zwarn", 1}}));
}

TEST(Catalogue, Fault30KeepsIdsAsIntegers) {
    const auto rows = rows_of(casjobs);
    EXPECT_EQ(static_cast<std::uint64_t>(rows[1].object_id), 11997690149582694400U);
    EXPECT_EQ(std::get<std::uint64_t>(value_of(rows[1], Column::object_id)), 11997690149582694400U);
    EXPECT_EQ(rows_of("targetid,z\n39633345008634465,0.3\n")[0].object_id, 39633345008634465);
    EXPECT_EQ(rows_of("obsid,z\n605006.0,0.1\n")[0].object_id, 605006);
    EXPECT_NE(refusal("targetid,z\n3.9633345008634465e16,0.3\n").find("is no integer"),
              std::string::npos);
    const std::string table =
        fits_builder::primary() +
        fits_builder::binary_table({numbers<std::int64_t>("TARGETID", {9007199254740993, -7}),
                                    numbers<double>("Z", {0.5, 1.5})},
                                   2, "ZBEST");
    EXPECT_EQ(rows_of(table)[0].object_id, 9007199254740993);
}

TEST(Catalogue, ReadsSdssFromAFitsTable) {
    std::vector<std::string> ids = {"4115164797179547648", "11997690149582694400"};
    const std::string bytes =
        fits_builder::primary() + fits_builder::binary_table({numbers<float>("OTHER", {1, 2})}, 2) +
        fits_builder::binary_table(
            {strings("SPECOBJID", ids, 22), numbers<std::int32_t>("PLATE", {3655, 10656}),
             numbers<std::int32_t>("MJD", {55240, 58163}),
             numbers<std::int32_t>("FIBERID", {2, 366}), strings("RUN2D", {"v5_13_0", "26"}, 7),
             strings("CLASS", {"QSO", "STAR"}, 6), numbers<float>("Z", {2.25F, NAN}),
             numbers<float>("Z_ERR", {1e-4F, 0.0F}), numbers<std::int32_t>("ZWARNING", {0, 4}),
             numbers<float>("ELODIE_TEFF", {0, 6500}), numbers<float>("ELODIE_LOGG", {0, 4}),
             numbers<float>("ELODIE_FEH", {0, 0}), numbers<float>("SN_MEDIAN_ALL", {8.5F, 2.0F}),
             numbers<double>("PLUG_RA", {112.05, 112.04}), numbers<double>("RA", {0, 0}),
             numbers<float>("SPECTROFLUX", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 5)},
            2, "SPECOBJ");
    Catalogue catalogue("specObj.fits", bytes);
    EXPECT_STREQ(catalogue.format(), "SDSS");
    const auto rows = rows_of(catalogue);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].object_id, 4115164797179547648);
    EXPECT_EQ(static_cast<std::uint64_t>(rows[1].object_id), 11997690149582694400U);
    EXPECT_EQ(rows[1].spectrum_name, "spec-10656-58163-0366");
    EXPECT_EQ(rows[0].labels.z, 2.25);
    EXPECT_EQ(rows[1].labels.z, std::nullopt);
    EXPECT_EQ(rows[0].labels.teff, std::nullopt);
    EXPECT_EQ(rows[1].labels.feh, 0.0);
    EXPECT_EQ(rows[1].labels.zwarn, 4);
    EXPECT_EQ(rows[0].ra, 112.05);  // the fibre's
    EXPECT_EQ(rows[0].snr, 8.5);
    EXPECT_EQ(catalogue.dropped().at("z_err"), 1);
}

TEST(Catalogue, ReadsLamostWithItsOwnSeparatorAndSignalToNoise) {
    Catalogue catalogue(
        "dr10.csv",
        "obsid|lmjd|planid|spid|fiberid|ra|dec|class|subclass|z|z_err|snru|snrg|"
        "snrr|snri|snrz\n"
        "105172|55859|F5902|5|172|332.05|-0.34|STAR|G3|-0.0001|2e-5|2|4|5|6|8\n"
        "105173|55859|F5902|5|173|332.06|-0.35|Unknown||-9999|-9999|2|4|5|6|-9999\n");
    EXPECT_STREQ(catalogue.format(), "LAMOST");
    const auto rows = rows_of(catalogue);
    EXPECT_EQ(rows[0].object_id, 105172);
    EXPECT_EQ(rows[0].spectrum_name, "spec-55859-F5902_sp05-172");
    EXPECT_DOUBLE_EQ(*rows[0].survey_snr, std::sqrt(145.0));
    EXPECT_EQ(rows[0].snr, std::nullopt);  // not comparable with the median's
    EXPECT_EQ(rows[1].survey_snr, std::nullopt);
    EXPECT_EQ(rows[1].labels.object_class, "");
    EXPECT_EQ(rows[1].labels.z, std::nullopt);
    EXPECT_TRUE(catalogue.has(Column::survey_snr));
    EXPECT_FALSE(catalogue.has(Column::teff));
}

TEST(Catalogue, ReadsDesiTables) {
    std::vector<fits_builder::Column> columns = {
        numbers<std::int64_t>("TARGETID", {39633345008634465, 39633345008634466}),
        numbers<double>("Z", {0.36874355, 1.5}),
        numbers<double>("ZERR", {1e-6, 1e-5}),
        numbers<std::int64_t>("ZWARN", {0, 999999}),
        strings("SPECTYPE", {"GALAXY", "QSO"}, 6),
        strings("SUBTYPE", {"", ""}, 20)};
    std::vector<std::string> cards = fits_builder::table_cards(columns, 2, "REDSHIFTS");
    cards.push_back(fits_builder::card("TNULL4", 999999));
    const auto rows = rows_of(fits_builder::primary() + fits_builder::header(cards) +
                              fits_builder::table_data(columns, 2));
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].survey, "desi");
    EXPECT_EQ(rows[0].labels.object_class, "GALAXY");
    EXPECT_EQ(rows[0].labels.z, 0.36874355);
    EXPECT_EQ(rows[0].labels.zwarn, 0);
    EXPECT_EQ(rows[1].labels.zwarn, std::nullopt);  // what the table declares to be none
}

TEST(Catalogue, ReadsPlainTablesWithSynonyms) {
    const auto rows = rows_of(
        "file,row,survey,objid,group,cls,zerr,snr\n"
        "a/b.fits,3,SDSS-v5_13_0,314-51641-211,p1,QSO,0.1,4.5\n"
        "c.fits,TARGET35185923939371001,DESI-SV0,35185923939371001,p2,GALAXY,,\n");
    EXPECT_EQ(rows[0].file, "a/b.fits");
    EXPECT_EQ(rows[0].row, 3);
    EXPECT_EQ(rows[0].survey, "sdss");
    EXPECT_EQ(rows[0].object_id, 0);
    EXPECT_EQ(rows[0].group, "p1");
    EXPECT_EQ(rows[0].labels.object_class, "QSO");
    EXPECT_EQ(rows[0].labels.z_err, 0.1);
    EXPECT_EQ(rows[0].snr, 4.5);
    EXPECT_EQ(rows[1].row, -1);
    EXPECT_EQ(rows[1].object_id, 35185923939371001);
    EXPECT_EQ(rows[1].survey, "desi");
}

TEST(Catalogue, TakesTheRedshiftWhereZIsAMagnitude) {
    EXPECT_EQ(rows_of("specobjid,u,g,r,i,z,redshift\n1,20,19,18,17,16.5,0.25\n")[0].labels.z, 0.25);
}

TEST(Catalogue, Fault27ListsTheColumnsWhereNoFormatFits) {
    EXPECT_EQ(refusal("name,z\nx,1\n"), "is no catalogue that is known; columns found: name, z");
    EXPECT_EQ(refusal("obsid,z_err,zErr\n1,2,3\n"),
              "line 1: columns 'z_err' and 'zErr' mean the same");
    const std::string table =
        fits_builder::primary() + fits_builder::binary_table({numbers<float>("FLUX", {1})}, 1, "X");
    EXPECT_EQ(refusal(table),
              "is no catalogue that is known: HDU 0 image []; HDU 1 X table, 1 rows, columns FLUX");
}

TEST(Catalogue, NamesTheRowOfWhatIsNoNumber) {
    EXPECT_EQ(refusal("obsid,z\n1,0.5\n2,half\n"), "line 3: column 'z': 'half' is no number");
    EXPECT_EQ(refusal("obsid,z\n1,0.5\n1.5,0\n").substr(0, 35),
              "line 3: column 'obsid': 1.5 is no i");
}

TEST(Catalogue, RefusesABrokenFitsTableAsAWhole) {
    const std::string table =
        fits_builder::primary() +
        fits_builder::binary_table({numbers<std::int64_t>("TARGETID", {1, 2})}, 2, "ZBEST");
    EXPECT_NE(refusal(table.substr(0, 2880 * 2)).find("bytes"), std::string::npos);
}

TEST(Catalogue, ReadsThoseOfTheRealSpectra) {
    const char* const folder = std::getenv("BALMER_SPECTRA");
    if (folder == nullptr) GTEST_SKIP() << "BALMER_SPECTRA names no folder of real spectra";
    const std::string root = folder;
    const auto count = [&](const std::string& name, const char* format) {
        Catalogue catalogue(root + "/" + name);
        EXPECT_STREQ(catalogue.format(), format) << name;
        return rows_of(catalogue).size();
    };
    EXPECT_EQ(count("lamost_ccf/20220313_snrg_30_Grpeddata_CCF_test.csv", "LAMOST"), 220U);
    EXPECT_EQ(count("lamost_grd349/my_data3.csv", "LAMOST"), 3165U);
    EXPECT_EQ(count("MANIFEST.csv", "plain"), 1647U);
    EXPECT_EQ(count("fastspecfit_desi/redrock-4-80613-thru20210324.fits", "DESI"), 1U);
    EXPECT_EQ(count("desihigh_andes/00f7bf2_zbest-bgs-66003-20200315.fits", "DESI"), 5U);
    Catalogue plate(root + "/picca_boss/spAll-plate3655.fits");
    EXPECT_STREQ(plate.format(), "SDSS");
    const auto rows = rows_of(plate);
    ASSERT_EQ(rows.size(), 93U);
    EXPECT_EQ(rows[1].spectrum_name, "spec-3655-55240-0002");
    EXPECT_EQ(rows[1].object_id, 4115164797179547648);
    EXPECT_FLOAT_EQ(static_cast<float>(*rows[1].labels.z), 2.3552384F);
    EXPECT_EQ(rows[1].run2d, "v5_13_0");
}

}  // namespace
}  // namespace balmer::data
