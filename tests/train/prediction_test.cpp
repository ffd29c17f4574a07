#include "train/prediction.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/data/pack_test_support.h"
#include "train/evaluation.h"
#include "train/inference.h"

namespace balmer::train {
namespace {

using nlohmann::json;

PredictionRow row_of(const std::string& truth, double z, std::vector<double> classes, double z_out,
                     double snr, const std::string& survey = "sdss") {
    PredictionRow row;
    row.id = (std::int64_t{1} << 53) + 1;  // FAULTS 30: not a number that f64 holds
    row.survey = survey;
    row.file = "a, \"b\".fits";
    row.snr = snr;
    row.truth.object_class = truth;
    row.truth.z = z;
    row.outputs = {std::move(classes), {z_out, 0.01}};
    return row;
}

PredictionTable small_table() {
    PredictionTable table;
    table.heads = {{.target = "class", .labels = {"STAR", "GALAXY", "QSO"}},
                   {.target = "z", .labels = {}, .transform = "log1p"}};
    table.rows = {row_of("STAR", 0.0, {0.8, 0.1, 0.1}, 0.001, 12.0),
                  row_of("GALAXY", 0.5, {0.6, 0.3, 0.1}, 0.6, 0.5, "lamost"),
                  row_of("QSO", 2.0, {0.1, 0.2, 0.7}, 2.02, 3.0, "lamost"),
                  row_of("GALAXY", 1.0, {0.1, 0.8, 0.1}, 1.0, 100.0)};
    table.rows[3].truth.zwarn = 4;
    PredictionRow broken;
    broken.file = "broken.fits";
    broken.status = "LITTLE_COVERAGE";
    broken.reason = "12 good pixels";
    table.rows.push_back(broken);
    return table;
}

TEST(Predictions, CsvHasARowForEveryInput) {
    TemporaryFolder folder;
    const std::string path = folder / "p[1].csv";
    write_predictions_csv(path, small_table());
    const std::string text = data::read_text(path);
    const std::string header =
        "id,survey,file,row,status,reason,snr,class,p_STAR,p_GALAXY,p_QSO,z,z_err,zwarn\n";
    ASSERT_TRUE(text.starts_with(header)) << text;
    EXPECT_NE(text.find("9007199254740993,sdss,\"a, \"\"b\"\".fits\",0,OK,,12,STAR,0.8,0.1,0.1,"
                        "0.001,0.01,0\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("0,,broken.fits,0,LITTLE_COVERAGE,12 good pixels,,,,,,,,2\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);
}

TEST(Predictions, FitsTableHasRedrocksNames) {
    TemporaryFolder folder;
    // Names that CFITSIO would read as its small language must be plain names here.
    for (const char* name : {"p.fits", "!p[1](x).fits"}) {
        const std::string path = folder / name;
        write_predictions_fits(path, small_table());
        const std::string bytes = data::read_text(path);
        ASSERT_GT(bytes.size(), 5760U);
        EXPECT_EQ(bytes.size() % 2880, 0U);
        EXPECT_TRUE(bytes.starts_with("SIMPLE  ="));
        for (const char* column :
             {"TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE", "P_QSO", "STATUS"}) {
            std::string value = "= '" + std::string(column);
            value.resize(std::max<std::size_t>(value.size(), 11), ' ');
            EXPECT_NE(bytes.find(value + "'"), std::string::npos) << column;
        }
        EXPECT_NE(bytes.find("EXTNAME = 'REDSHIFTS'"), std::string::npos);
        // 2^53 + 1, big endian, and GALAXY as the second row's truth was STAR's prediction.
        EXPECT_NE(bytes.find(std::string("\x00\x20\x00\x00\x00\x00\x00\x01", 8)),
                  std::string::npos);
    }
}

TEST(Predictions, Fault30UnsignedSdssIdsAreNotNegative) {
    const TemporaryFolder folder;
    constexpr std::uint64_t id = 11258999741428506624ULL;  // plate 10000
    PredictionTable table = small_table();
    table.rows[0].id = static_cast<std::int64_t>(id);
    table.rows[1].id = 105172;
    table.rows[1].survey = "lamost";
    write_predictions_csv(folder / "p.csv", table);
    const std::string csv = folder.read("p.csv");
    EXPECT_NE(csv.find("\n11258999741428506624,sdss,"), std::string::npos) << csv;
    EXPECT_NE(csv.find("\n105172,lamost,"), std::string::npos) << csv;

    write_predictions_fits(folder / "p.fits", table);
    const std::string bytes = folder.read("p.fits");
    EXPECT_NE(bytes.find("TZERO1  =  9223372036854775808"), std::string::npos);
    const data::FitsFile file(
        "p.fits", data::check_fits("p.fits", std::vector<char>(bytes.begin(), bytes.end())));
    const data::Hdu& hdu = file.hdus().at(1);
    EXPECT_EQ(static_cast<std::uint64_t>(file.integer_cell(hdu, "TARGETID", 0).value()), id);
    EXPECT_EQ(file.integer_cell(hdu, "TARGETID", 1), 105172);
    EXPECT_EQ(file.integer_cell(hdu, "TARGETID", 3), (std::int64_t{1} << 53) + 1);
}

TEST(Predictions, EmptyTablesAreTables) {
    TemporaryFolder folder;
    PredictionTable table = small_table();
    table.rows.clear();
    write_predictions_fits(folder / "p.fits", table);
    write_predictions_csv(folder / "p.csv", table);
    EXPECT_EQ(data::read_text(folder / "p.fits").size() % 2880, 0U);
}

TEST(Predictions, OutputsBecomeProbabilitiesAndValues) {
    const std::vector<vit::ModelConfig::Head> heads = {
        {.target = "class", .labels = {"A", "B"}},
        {.target = "z", .labels = {}, .mean = 0.5, .deviation = 0.25, .transform = "log1p"}};
    const std::vector<Tensor> outputs = {
        Tensor::from(std::vector<float>{0.0F, std::log(3.0F), 500.0F, -500.0F}, {2, 2}),
        Tensor::from(std::vector<float>{2.0F, -2.0F}, {2, 1})};
    std::vector<PredictionRow> rows(2);
    decode_outputs(heads, outputs, {{"z", 0.01}}, rows);
    EXPECT_NEAR(rows[0].outputs[0][1], 0.75, 1e-6);
    EXPECT_NEAR(rows[1].outputs[0][0], 1.0, 1e-12);  // no overflow
    EXPECT_NEAR(rows[0].outputs[1][0], std::expm1(1.0), 1e-6);
    EXPECT_NEAR(rows[0].outputs[1][1], 0.01 * std::exp(1.0), 1e-8);
    EXPECT_NEAR(rows[1].outputs[1][0], 0.0, 1e-6);
}

TEST(Evaluation, FiguresStandWhereTheContractSays) {
    const Evaluation evaluation = evaluate(small_table());
    const json figures = json::parse(evaluation.json);
    EXPECT_EQ(figures["count"], 4);
    EXPECT_DOUBLE_EQ(figures["accuracy"], 0.75);
    EXPECT_DOUBLE_EQ(figures["recall"]["GALAXY"], 0.5);
    EXPECT_EQ(figures["confusion"]["GALAXY"]["STAR"], 1);
    EXPECT_EQ(figures["dropped"]["LITTLE_COVERAGE"], 1);
    EXPECT_EQ(figures["dropped"]["z flagged by zwarn"], 1);
    // dv: 300 km/s (star), 20,000 (galaxy), 2,000 (quasar, within its 3,000)
    EXPECT_EQ(figures["z"]["count"], 3);
    EXPECT_NEAR(figures["z"]["non_catastrophic"]["all"], 2.0 / 3.0, 1e-12);
    EXPECT_EQ(figures["z"]["non_catastrophic"]["per_class"]["QSO"], 1.0);
    EXPECT_EQ(figures["z"]["non_catastrophic"]["per_snr"]["0-1"], 0.0);
    EXPECT_EQ(figures["z"]["with_flagged"]["count"], 4);
    for (const char* name : {"r2", "mse", "rmse", "mae", "nmad", "crps"}) {
        EXPECT_TRUE(figures["z"][name].is_number()) << name;
    }
    EXPECT_EQ(figures["per_survey"]["lamost"]["count"], 2);
    EXPECT_EQ(figures["per_survey"]["lamost"]["accuracy"], 0.5);
    EXPECT_DOUBLE_EQ(evaluation.summary.at("accuracy"), 0.75);
    EXPECT_DOUBLE_EQ(evaluation.nmad.at("z"), figures["z"]["nmad"]);
}

TEST(Evaluation, WithoutLabelsNothingIsScored) {
    PredictionTable table = small_table();
    for (PredictionRow& row : table.rows) row.truth = {};
    const Evaluation evaluation = evaluate(table);
    const json figures = json::parse(evaluation.json);
    EXPECT_TRUE(figures["accuracy"].is_null());
    EXPECT_EQ(figures["dropped"]["class missing"], 4);
    EXPECT_TRUE(std::isnan(evaluation.score));
}

}  // namespace
}  // namespace balmer::train
