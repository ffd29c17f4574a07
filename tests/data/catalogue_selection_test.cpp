// Catalogue rows joined with spectra: labels, selections, files below a data root.

#include "data/catalogue/selection.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "data/catalogue/catalogue_index.h"
#include "kernels/core/error.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

Spectrum spectrum_of(const std::string& file, const std::string& survey, std::int64_t id,
                     std::int64_t row = 0) {
    Spectrum spectrum;
    spectrum.file = file;
    spectrum.row = row;
    spectrum.survey = survey;
    spectrum.object_id = id;
    spectrum.flux = {2.0F, 3.0F, 4.0F};
    spectrum.inverse_variance = {4.0F, 4.0F, 4.0F};
    spectrum.wavelength = {4000, 4001, 4002};
    spectrum.mask = {0, 0, 0};
    return spectrum;
}

class Selections : public ::testing::Test {
  protected:
    /// Writes a catalogue and reads it with the given options.
    CatalogueSelection select(const Names& catalogues, const std::string& where = "",
                              const Names& presets = {}, const std::string& root = "") {
        SelectionOptions options;
        for (const std::string& bytes : catalogues) {
            options.catalogues.push_back(
                folder_.write("cat" + std::to_string(options.catalogues.size()), bytes));
        }
        options.where = where;
        options.presets = presets;
        options.root = root;
        return CatalogueSelection(options);
    }
    template <class Expected = UsageError>
    std::string refusal(const std::function<CatalogueSelection()>& make) {
        try {
            make();
        } catch (const Expected& error) {
            return error.what();
        }
        return "nothing was refused";
    }
    struct Files {
        Names found;
        std::map<std::string, std::string> refused;  ///< with the reason
        std::int64_t passed_over = 0;
    };
    Files files_of(const CatalogueSelection& selection) {
        Files files;
        files.passed_over = selection.list_files(
            [&](const std::string& file) {
                files.found.push_back(fs::relative(file, folder_.path()).string());
            },
            [&](const RefusedPath& refused) { files.refused[refused.path] = refused.reason; });
        return files;
    }
    Names found(const CatalogueSelection& selection) { return files_of(selection).found; }

    TemporaryFolder folder_;
};

TEST_F(Selections, PassEverythingAsItIsWhereNothingIsAsked) {
    Spectrum spectrum = spectrum_of("a.fits", "sdss", 7);
    spectrum.labels.z = 0.5;
    EXPECT_FALSE(CatalogueSelection().apply(spectrum));
    EXPECT_EQ(spectrum.labels.z, 0.5);
    EXPECT_FALSE(CatalogueSelection().has_catalogues());
}

TEST_F(Selections, ReplaceTheLabelsOfTheFileWhereTheCatalogueHasSome) {
    const CatalogueSelection selection =
        select({"obsid,class,subclass,z,z_err,ra\n105172,GALAXY,,0.25,-9999,10.5\n"});
    Spectrum spectrum = spectrum_of("elsewhere/x.fits", "lamost", 105172);
    spectrum.labels.object_class = "STAR";
    spectrum.labels.subclass = "G3";
    spectrum.labels.z = 0.1;
    spectrum.labels.z_err = 1e-3;
    spectrum.dec = 3.0;
    EXPECT_FALSE(selection.apply(spectrum));
    EXPECT_EQ(spectrum.labels.object_class, "GALAXY");
    EXPECT_EQ(spectrum.labels.subclass, "G3");
    EXPECT_EQ(spectrum.labels.z, 0.25);
    EXPECT_EQ(spectrum.labels.z_err, 1e-3);
    EXPECT_EQ(spectrum.labels.teff, std::nullopt);
    EXPECT_EQ(spectrum.ra, 10.5);
    EXPECT_EQ(spectrum.dec, 3.0);
    Spectrum stranger = spectrum_of("x.fits", "lamost", 105173);
    const auto reason = selection.apply(stranger);
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->reason, "NOT_IN_CATALOGUE");
    Spectrum same_id = spectrum_of("x.fits", "sdss", 105172);
    EXPECT_TRUE(selection.apply(same_id));

    SelectionOptions options;
    options.catalogues = {folder_ / "cat0"};
    options.where = "missing(z)";
    options.only_listed = false;
    const CatalogueSelection labels(options);
    EXPECT_FALSE(labels.apply(stranger));
    EXPECT_EQ(labels.apply(spectrum)->reason, "NOT_SELECTED");
}

TEST_F(Selections, FindTheRowByFileAndRowThenById) {
    const CatalogueSelection selection =
        select({"file,row,objid,z\nset/a.fits,0,11,0.1\n./set//a.fits,1,12,0.2\n"
                "b.fits,,13,0.3\nb.fits,,14,0.4\nc.fits,,,0.5\n"});
    const auto z_of = [&](const std::string& file, std::int64_t id, std::int64_t row) {
        Spectrum spectrum = spectrum_of(folder_ / file, "any", id, row);
        return selection.apply(spectrum) ? -1.0 : *spectrum.labels.z;
    };
    EXPECT_EQ(z_of("set/a.fits", 99, 0), 0.1);
    EXPECT_EQ(z_of("set/../set/a.fits", 0, 1), 0.2);
    EXPECT_EQ(z_of("set/a.fits", 0, 2), -1.0);
    EXPECT_EQ(z_of("b.fits", 14, 0), 0.4);
    EXPECT_EQ(z_of("b.fits", 15, 0), -1.0);
    EXPECT_EQ(z_of("c.fits", 15, 3), 0.5);
    EXPECT_EQ(z_of("moved.fits", 12, 0), 0.2);
}

TEST_F(Selections, FindSdssAndLamostFilesByTheirNames) {
    const CatalogueSelection selection =
        select({"plate,mjd,fiberid,z\n314,51641,211,0.1\n",
                "lmjd,planid,spid,fiberid,z\n55859,F5902,5,172,0.2\n"});
    Spectrum sdss = spectrum_of("any/spec-0314-51641-0211.fits.gz", "sdss", 353000000);
    Spectrum lamost = spectrum_of("spec-55859-F5902_sp05-172.fits", "lamost", 0);
    ASSERT_FALSE(selection.apply(sdss));
    ASSERT_FALSE(selection.apply(lamost));
    EXPECT_EQ(sdss.labels.z, 0.1);
    EXPECT_EQ(lamost.labels.z, 0.2);
}

TEST_F(Selections, JoinTheStellarCatalogueOfLamostToTheGeneralOne) {
    const std::string general = "obsid,class,z,snru\n1,STAR,0.1,5\n2,GALAXY,0.2,5\n";
    const std::string stellar = "obsid|z|teff|logg|feh\n1|0.9|5000|4.5|-9999\n3|0|6000|4|0\n";
    const CatalogueSelection selection = select({general, stellar}, "missing(class) || z < 1");
    const auto labels_of = [&](std::int64_t id) {
        Spectrum spectrum = spectrum_of("x.fits", "lamost", id);
        EXPECT_FALSE(selection.apply(spectrum));
        return spectrum.labels;
    };
    EXPECT_EQ(labels_of(1).z, 0.1);  // the first catalogue's
    EXPECT_EQ(labels_of(1).teff, 5000.0);
    EXPECT_EQ(labels_of(1).logg, 4.5);
    EXPECT_EQ(labels_of(1).feh, std::nullopt);
    EXPECT_EQ(labels_of(2).teff, std::nullopt);
    EXPECT_EQ(labels_of(3).feh, 0.0);
    EXPECT_EQ(selection.notes()[1],
              (folder_ / "cat1") + ": LAMOST, 2 rows, without a value: feh 1");
}

const std::string casjobs =
    "specObjID,plate,mjd,fiberID,class,z,zWarning,instrument,targetType\n"
    "1,1,50001,1,STAR,0.1,0,BOSS,SCIENCE\n2,1,50001,2,STAR,0.1,4,BOSS,SCIENCE\n"
    "3,1,50001,3,STAR,0.1,0,SDSS,SCIENCE\n4,1,50001,4,STAR,0.1,0,BOSS,SKY\n"
    "5,1,50001,5,STAR,0.1,,BOSS,SCIENCE\n";

TEST_F(Selections, MakeThePublishedSelectionOfSdss) {
    const CatalogueSelection selection = select({casjobs}, "", {"paper-sdss"});
    for (std::int64_t id = 1; id <= 5; ++id) {
        Spectrum spectrum = spectrum_of("x.fits", "sdss", id);
        EXPECT_EQ(selection.apply(spectrum).has_value(), id != 1) << id;
    }
    EXPECT_EQ(files_of(selection).passed_over, 4);
}

TEST_F(Selections, MakeThePublishedSelectionOfLamost) {
    const std::string header = "obsid,z,z_err,snru,snrg,snrr,snri,snrz\n";
    std::string bytes = header + "0,0.1,0.001,1,1,1,1,1\n";
    for (int column = 1; column <= 7; ++column) {
        std::string row = std::to_string(column);
        for (int i = 1; i <= 7; ++i) row += i == column ? ",-9999" : ",1";
        bytes += row + "\n";
    }
    bytes += "8,0.1,0.001,-5,0,1,1,1\n";  // no missing value, however poor
    const CatalogueSelection selection = select({bytes, casjobs}, "", {"paper-lamost"});
    for (std::int64_t id = 1; id <= 8; ++id) {
        Spectrum spectrum = spectrum_of("x.fits", "lamost", id);
        EXPECT_EQ(selection.apply(spectrum).has_value(), id != 8) << id;
    }
    Spectrum other_survey = spectrum_of("x.fits", "sdss", 4);
    EXPECT_FALSE(selection.apply(other_survey));
}

TEST_F(Selections, Fault27NameTheColumnThatAPresetMisses) {
    const std::string message = refusal<FormatError>(
        [&] { return select({"specobjid,zwarning,instrument\n1,0,BOSS\n"}, "", {"paper-sdss"}); });
    EXPECT_NE(message.find("no column 'targettype', which paper-sdss asks for; columns found: "
                           "specobjid, zwarning, instrument"),
              std::string::npos)
        << message;
    EXPECT_NE(refusal([&] {
                  return select({casjobs}, "", {"paper-sdds"});
              }).find("did you mean 'paper-sdss'?"),
              std::string::npos);
    EXPECT_EQ(refusal([&] { return select({casjobs}, "", {"paper-lamost"}); }),
              "paper-lamost needs a catalogue of lamost, there is none");
}

TEST_F(Selections, FilterSpectraWithoutACatalogue) {
    const CatalogueSelection selection =
        select({}, "zwarn == 0 && snr > 5.5 && class in ('STAR','QSO')");
    Spectrum spectrum = spectrum_of("x.fits", "sdss", 1);  // S/N 4, 6, 8
    spectrum.labels.object_class = "QSO";
    EXPECT_TRUE(selection.apply(spectrum));  // zwarn is missing
    spectrum.labels.zwarn = 0;
    EXPECT_FALSE(selection.apply(spectrum));
    spectrum.flux = {1.0F, 1.0F, 1.0F};
    const auto reason = selection.apply(spectrum);
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->reason, "NOT_SELECTED");
    EXPECT_NE(reason->detail.find("snr > 5.5"), std::string::npos);
}

TEST_F(Selections, FilterOnColumnsOfTheCatalogue) {
    const CatalogueSelection selection = select(
        {casjobs}, "targetType == 'SCIENCE' && plate == 1 && fiberid >= 3 && missing(zwarn)");
    for (std::int64_t id = 1; id <= 5; ++id) {
        Spectrum spectrum = spectrum_of("x.fits", "sdss", id);
        EXPECT_EQ(selection.apply(spectrum).has_value(), id != 5) << id;
    }
    const std::string message =
        refusal([&] { return select({casjobs}, "targetTyp == 'SCIENCE'"); });
    EXPECT_NE(message.find("unknown column 'targettyp', did you mean 'targetType'?"),
              std::string::npos)
        << message;
    EXPECT_NE(refusal([&] { return select({}, "instrument == 'BOSS'"); }).find("unknown column"),
              std::string::npos);
}

TEST_F(Selections, UseTheSignalToNoiseOfTheCatalogueFirst) {
    const CatalogueSelection selection = select({"specobjid,snMedian\n1,2.5\n2,\n"}, "snr < 3");
    Spectrum listed = spectrum_of("x.fits", "sdss", 1);
    Spectrum measured = spectrum_of("x.fits", "sdss", 2);
    EXPECT_FALSE(selection.apply(listed));
    EXPECT_EQ(listed.survey_snr, 2.5);
    EXPECT_TRUE(selection.apply(measured));  // its pixels say 6
}

TEST_F(Selections, LeaveOutFilesOnlyWhereTheCatalogueDecides) {
    for (const char* const name : {"a.fits", "b.fits", "c.fits"}) folder_.write(name, "x");
    const std::string bytes = "file,z\na.fits,0.1\nb.fits,0.9\nc.fits,\n";
    EXPECT_EQ(found(select({bytes}, "z < 0.5")), (Names{"a.fits", "c.fits"}));
    EXPECT_EQ(found(select({bytes}, "z < 0.5 && snr > 1")).size(), 3U);
    EXPECT_EQ(files_of(select({bytes}, "z < 0.5")).passed_over, 1);
}

TEST_F(Selections, FindFilesInTheLayoutsOfTheSurveys) {
    const Names files = {"flat/spec-0314-51641-0211.fits",
                         "plates/0314/spec-0314-51641-0211.fits.gz",
                         "sas/26/spectra/lite/0314/spec-0314-51641-0211.fits",
                         "lflat/spec-55859-F5902_sp05-172.fits.gz",
                         "plans/F5902/spec-55859-F5902_sp05-172.fits",
                         "nights/20111024/F5902/spec-55859-F5902_sp05-172.fits.gz"};
    for (const std::string& file : files) folder_.write(file, "x");
    const std::string sdss = "plate,mjd,fiberid,run2d\n314,51641,211,26\n";
    const std::string lamost = "obsid,lmjd,planid,spid,fiberid\n1,55859,F5902,5,172\n";
    for (const std::string& file : files) {
        const std::string root = folder_ / file.substr(0, file.find('/'));
        const CatalogueSelection selection =
            select({file.find("0314") < 30 ? sdss : lamost}, "", {}, root);
        EXPECT_TRUE(selection.names_files());
        EXPECT_EQ(found(selection), Names{file});
    }
    const auto missing = files_of(select({sdss}, "", {}, folder_ / "lflat")).refused;
    ASSERT_EQ(missing.size(), 1U);
    EXPECT_EQ(missing.at("spec-0314-51641-0211.fits"), "no such file below " + (folder_ / "lflat"));
    EXPECT_FALSE(select({"targetid,z\n1,2\n"}).names_files());
    EXPECT_NE(refusal([&] {
                  return select({sdss}, "", {}, folder_ / "none");
              }).find("no folder of spectra"),
              std::string::npos);
}

TEST_F(Selections, Fault32SkipFilesOutsideOfTheDataRoot) {
    folder_.write("root/inside.fits", "x");
    folder_.write("outside/secret.fits", "x");
    fs::create_symlink(folder_ / "outside/secret.fits", folder_ / "root/link.fits");
    fs::create_directory_symlink(folder_ / "outside", folder_ / "root/folder");
    fs::create_symlink("inside.fits", folder_ / "root/alias.fits");
    fs::create_symlink("nowhere.fits", folder_ / "root/dangling.fits");
    const std::string bytes = "file\ninside.fits\nalias.fits\n../outside/secret.fits\n" +
                              (folder_ / "outside/secret.fits") +
                              "\nlink.fits\nfolder/secret.fits\n./../root/inside.fits\n"
                              "a/../../outside/secret.fits\n";
    const Files files = files_of(select({bytes}, "", {}, folder_ / "root"));
    EXPECT_EQ(files.found.size(), 3U);
    auto reasons = files.refused;
    EXPECT_EQ(reasons.size(), 5U);
    const std::string outside = "the path leads out of " + (folder_ / "root");
    EXPECT_EQ(reasons["../outside/secret.fits"], outside);
    EXPECT_EQ(reasons[folder_ / "outside/secret.fits"], outside);
    EXPECT_EQ(reasons["a/../../outside/secret.fits"], outside);
    EXPECT_EQ(reasons["link.fits"], "symbolic link out of " + (folder_ / "root"));
    EXPECT_EQ(reasons["folder/secret.fits"], "symbolic link out of " + (folder_ / "root"));
}

TEST_F(Selections, Fault32NameThatTheSurveyBuildsStaysInside) {
    folder_.write("outside.fits", "x");
    fs::create_directory(folder_ / "root");
    const Files files = files_of(select({"lmjd,planid,spid,fiberid\n55859,../../outside,5,172\n"},
                                        "", {}, folder_ / "root"));
    EXPECT_TRUE(files.found.empty());
    EXPECT_EQ(files.refused.size(), 1U);
}

TEST(CatalogueIndex, HoldsManyRows) {
    std::string bytes = "obsid,z,class\n";
    constexpr int rows = 100000;
    for (int i = 0; i < rows; ++i) {
        bytes += std::to_string(i * 7 + 1) + "," + std::to_string(i) + ",STAR\n";
    }
    Catalogue catalogue("many.csv", bytes);
    TemporaryFolder folder;
    CatalogueIndex index;
    index.add(catalogue, DataRoot(folder.path()));
    EXPECT_EQ(index.size(), std::size_t{rows});
    for (const int i : {0, 4711, rows - 1}) {
        const auto found = index.find(spectrum_of("x", "lamost", i * 7 + 1));
        ASSERT_TRUE(found);
        EXPECT_EQ(index.row(*found).labels.z, double(i));
    }
    EXPECT_FALSE(index.find(spectrum_of("x", "lamost", 3)));
}

}  // namespace
}  // namespace balmer::data
