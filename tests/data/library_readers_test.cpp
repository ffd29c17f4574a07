// data/readers: stellar libraries, other 1-D images and what only looks like a spectrum. The
// numbers in the names are those of the project's list of faults.

#include <gtest/gtest.h>

#include <limits>

#include "data/readers/air_wavelength.h"
#include "data/readers/side_table.h"
#include "data/readers/wavelength_scale.h"
#include "tests/data/survey_files.h"

namespace balmer::data {
namespace {

using namespace fits_builder;

using Cards = std::vector<std::string>;

std::vector<float> rising(std::size_t pixels = 300) {
    std::vector<float> flux;
    for (std::size_t i = 0; i < pixels; ++i) flux.push_back(0.5F + 0.01F * static_cast<float>(i));
    return flux;
}

/// An image of the given axes with `values` as data.
template <class T>
std::string image(const std::vector<T>& values, const Cards& extra,
                  std::vector<std::int64_t> axes = {}, const std::string& extension = "") {
    if (axes.empty()) axes = {static_cast<std::int64_t>(values.size())};
    Cards cards = {extension.empty() ? card("SIMPLE", "T") : text_card("XTENSION", "IMAGE"),
                   card("BITPIX", sizeof(T) == 4 ? -32 : -64),
                   card("NAXIS", static_cast<std::int64_t>(axes.size()))};
    for (std::size_t i = 0; i < axes.size(); ++i) {
        cards.push_back(card("NAXIS" + std::to_string(i + 1), axes[i]));
    }
    if (!extension.empty()) {
        cards.insert(cards.end(),
                     {card("PCOUNT", 0), card("GCOUNT", 1), text_card("EXTNAME", extension)});
    }
    cards.insert(cards.end(), extra.begin(), extra.end());
    return header(cards) + blocks(big_endian(values));
}

const Cards miles_cards = {text_card("TPLLIB", "MILES"), card("CRPIX1", 1),
                           card("CRVAL1", "3540.5"), card("CDELT1", "0.9")};
const Cards stelib_cards = {text_card("STARIDEN", "HD002857"),
                            text_card("SPECTYPE", "A2"),
                            card("ISEXTINC", "0.250"),
                            card("RA", "0.12801990"),
                            card("DEC", "-0.07782714"),
                            card("CRVAL1", "3202.34"),
                            card("CRPIX1", "1."),
                            card("CDELT1", "1.00038"),
                            card("CD1_1", "1.00038"),
                            card("TEFF", 7611),
                            card("LOG_G", "2.67"),
                            card("FE_H", "-1.51")};
const Cards indo_us_cards = {text_card("TELESCOP", "kpcdf"),
                             text_card("PICKTYPE", "A0V"),
                             text_card("COVERAGE", "3465.0-9469.0"),
                             text_card("OBJECT", "153808"),
                             text_card("OBJNAME", "HD 153808"),
                             text_card("HDNAME", "HD 153808"),
                             text_card("SPTYPE", "A0V"),
                             card("CRVAL1", "3465."),
                             card("CRPIX1", "1."),
                             card("CDELT1", "0.4"),
                             card("CD1_1", "0.4"),
                             text_card("TEFF", "INDEF"),
                             text_card("LOGG", "INDEF"),
                             text_card("FEH", "INDEF")};
const Cards observed = {text_card("OBJECT", "NGC 4151"), text_card("TELESCOP", "Keck"),
                        card("CRVAL1", "4000.0"), card("CDELT1", "0.5")};

Cards operator+(Cards cards, const Cards& more) {
    cards.insert(cards.end(), more.begin(), more.end());
    return cards;
}

ReadOptions decided(WavelengthMedium medium, WavelengthUnit unit = WavelengthUnit::angstrom) {
    ReadOptions options;
    options.wavelength = {medium, unit};
    return options;
}

TEST(AirWavelength, AgreesWithPublishedLines) {
    // Vacuum and air wavelengths as the SDSS lists its lines.
    const std::vector<std::pair<double, double>> lines = {
        {3727.092, 3726.032}, {3934.777, 3933.663}, {4862.683, 4861.325}, {4960.295, 4958.911},
        {5008.240, 5006.843}, {5891.583, 5889.951}, {6564.614, 6562.801}, {6732.674, 6730.815}};
    for (const auto& [vacuum, air] : lines) {
        EXPECT_NEAR(vacuum_to_air(vacuum), air, 2e-3) << vacuum;
        EXPECT_NEAR(air_to_vacuum(air), vacuum, 2e-3) << air;
    }
    // The red line of cadmium (6438.4696 A in air, 6440.24906 A in vacuum) and the primary standard
    // of krypton 86 (6056.12525 and 6057.80211 A).
    EXPECT_NEAR(air_to_vacuum(6438.4696), 6440.24906, 5e-4);
    EXPECT_NEAR(air_to_vacuum(6056.12525), 6057.80211, 5e-4);
}

TEST(AirWavelength, AgreesWithTheInverseFittedByPiskunov) {
    // The formula of the VALD data base for the way from air to vacuum, fitted to Morton's.
    for (double air = 2000.0; air < 25000.0; air += 7.3) {
        const double squared = (1e4 / air) * (1e4 / air);
        const double index = 1.0 + 0.00008336624212083 +
                             0.02408926869968 / (130.1065924522 - squared) +
                             0.0001599740894897 / (38.92568793293 - squared);
        EXPECT_NEAR(air_to_vacuum(air) / (air * index), 1.0, 2e-10) << air;
        EXPECT_NEAR(vacuum_to_air(air_to_vacuum(air)) / air, 1.0, 1e-15) << air;
    }
}

TEST(AirWavelength, LeavesTheFarUltravioletInVacuum) {
    EXPECT_EQ(air_to_vacuum(1999.9), 1999.9);
    EXPECT_EQ(vacuum_to_air(1215.67), 1215.67);
    EXPECT_GT(air_to_vacuum(2000.0), 2000.6);
    EXPECT_TRUE(std::isnan(air_to_vacuum(std::numeric_limits<double>::quiet_NaN())));
}

TEST(StellarLibraries, MilesTakesNameAndParametersFromTheTableBesideIt) {
    const TemporaryFolder folder;
    folder.write("README.txt", "The MILES library, with Teff\nand nothing else\n");
    folder.write(
        "params.txt",
        "Name                  MILES   CaT   SpT            Teff   log g   [Fe/H]  Refs\n"
        "                      s????\n"
        " - - - - - - - -\n"
        "HD020041               0110   217   A0 Ia           9480   2.13      --    31\n"
        "BD+012916              0505   677   KIIvw           4238   0.34    -1.49   221\n");
    folder.write("params.db",
                 "#MILES  Teff  log g   [Fe/H]\n#s????\n"
                 "  0110  9480   2.13     9999\n  0505 14238   0.35    -1.49\n"
                 "  0407 99999   9999     9999\n");
    std::vector<double> flux(300, 1.25);
    flux[7] = 0.0;
    const std::string bytes = image(flux, miles_cards);
    const auto star = [&](const std::string& name) {
        const ReadResult result = read_spectra(folder.write(name, bytes));
        EXPECT_EQ(result.spectra.size(), 1U);
        return result.spectra.at(0);
    };
    const Spectrum giant = star("MILES_res2.50_star_m0505V.fits");
    EXPECT_EQ(giant.survey, "miles");
    EXPECT_EQ(giant.object_name, "BD+012916");
    EXPECT_EQ(giant.labels.object_class, "STAR");
    EXPECT_EQ(giant.labels.subclass, "KIIvw");
    EXPECT_EQ(giant.labels.teff, 14238.0) << "the first table in the order of names decides";
    EXPECT_EQ(giant.labels.logg, 0.35);
    EXPECT_EQ(giant.labels.feh, -1.49);
    EXPECT_FALSE(giant.labels.z) << "the rest frame tells no redshift";
    EXPECT_EQ(giant.flags, rest_frame);
    EXPECT_FALSE(giant.inverse_variance_known);
    EXPECT_EQ(giant.flux[0], 1.25F);
    EXPECT_EQ(giant.mask[7], 1) << "0 stands for what was not observed";
    EXPECT_EQ(giant.wavelength[10], air_to_vacuum(3540.5 + 10 * 0.9));

    const Spectrum hot = star("m0110V");
    EXPECT_EQ(hot.labels.subclass, "A0 Ia");
    EXPECT_EQ(hot.labels.teff, 9480.0);
    EXPECT_FALSE(hot.labels.feh) << "Fault 28: 9999 and -- are missing, not a value";
    const Spectrum unknown = star("s_m0407V.fits");
    EXPECT_EQ(unknown.object_name, "MILES m0407");
    EXPECT_FALSE(unknown.labels.teff || unknown.labels.logg || unknown.labels.feh);
    EXPECT_EQ(star("other.fits").object_name, "");
}

TEST(StellarLibraries, StelibTakesLabelsFromItsHeader) {
    const Spectrum spectrum = read_one(image(rising(), stelib_cards));
    EXPECT_EQ(spectrum.survey, "stelib");
    EXPECT_EQ(spectrum.object_name, "HD002857");
    EXPECT_FALSE(spectrum.ra || spectrum.dec) << "its RA is in radians";
    EXPECT_EQ(spectrum.labels.subclass, "A2");
    EXPECT_EQ(spectrum.labels.teff, 7611.0);
    EXPECT_EQ(spectrum.labels.logg, 2.67);
    EXPECT_EQ(spectrum.labels.feh, -1.51);
    EXPECT_EQ(spectrum.flux, rising());
    EXPECT_EQ(spectrum.wavelength[0], air_to_vacuum(3202.34));

    std::string dwarf = image(rising(), stelib_cards);
    for (const char* keyword : {"TEFF", "LOG_G", "FE_H"}) {
        dwarf = with_card(dwarf, keyword, text_card(keyword, "-"));
    }
    const Spectrum missing = read_one(dwarf);
    EXPECT_FALSE(missing.labels.teff || missing.labels.logg || missing.labels.feh);
}

TEST(StellarLibraries, IndoUsReadsIndefAsMissing) {
    auto flux = rising();
    flux[3] = 0.0001F;
    const Spectrum spectrum = read_one(image(flux, indo_us_cards));
    EXPECT_EQ(spectrum.survey, "indo-us");
    EXPECT_EQ(spectrum.object_name, "HD 153808");
    EXPECT_EQ(spectrum.labels.subclass, "A0V");
    EXPECT_FALSE(spectrum.labels.teff || spectrum.labels.logg || spectrum.labels.feh);
    EXPECT_EQ(spectrum.mask[3], 1);
    EXPECT_EQ(good_pixels(spectrum), 299);
    EXPECT_EQ(spectrum.flags, rest_frame);
    const Spectrum known =
        read_one(with_card(image(flux, indo_us_cards), "TEFF", card("TEFF", "5725 / Fulbright")));
    EXPECT_EQ(known.labels.teff, 5725.0);
}

TEST(StellarLibraries, Fault19IgnoresTheOptionsWhereThePublicationDecides) {
    const auto options = decided(WavelengthMedium::vacuum, WavelengthUnit::nanometre);
    EXPECT_EQ(read_one(image(rising(), stelib_cards), options).wavelength[0],
              air_to_vacuum(3202.34));
}

TEST(StellarLibraries, ReadImagesOfOneRowInTwoAndThreeAxes) {
    for (const std::vector<std::int64_t>& axes :
         {std::vector<std::int64_t>{300, 1}, std::vector<std::int64_t>{300, 1, 1}}) {
        EXPECT_EQ(read_one(image(rising(), stelib_cards, axes)).flux, rising());
    }
}

TEST(StellarLibraries, Faults12To18HoldForImagesToo) {
    EXPECT_EQ(refusal_of(image(std::vector<float>{}, observed, {0})).status, Status::no_rows);
    EXPECT_EQ(refusal_of(image(rising(199), stelib_cards)).status, Status::little_coverage);
    EXPECT_EQ(refusal_of(image(std::vector<float>(300, 0.0F), stelib_cards)).status,
              Status::no_data);
    auto flux = rising();
    flux[5] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(read_one(image(flux, stelib_cards)).not_finite_flux, 1);
    const std::string backwards =
        with_card(image(rising(), stelib_cards), "CD1_1", card("CD1_1", "-1.0"));
    EXPECT_EQ(refusal_of(backwards).status, Status::bad_wavelength);
}

TEST(GenericImage, Fault19NeedsTheMediumAndTheUnitFromSomewhere) {
    const std::string bytes = image(rising(), observed);
    const auto unit = refusal_of(bytes);
    EXPECT_EQ(unit.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(unit.mentions("--wavelength-unit")) << unit;
    const auto medium =
        refusal_of(image(rising(), observed + Cards{text_card("CUNIT1", "Angstrom")}));
    EXPECT_EQ(medium.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(medium.mentions("--wavelength-medium")) << medium;

    const Spectrum vacuum = read_one(bytes, decided(WavelengthMedium::vacuum));
    EXPECT_EQ(vacuum.survey, "generic");
    EXPECT_EQ(vacuum.object_name, "NGC 4151");
    EXPECT_EQ(vacuum.wavelength[2], 4001.0);
    EXPECT_EQ(vacuum.flags, 0U);
    EXPECT_EQ(read_one(bytes, decided(WavelengthMedium::air)).wavelength[2], air_to_vacuum(4001.0));
    const std::string nanometres = with_card(with_card(bytes, "CRVAL1", card("CRVAL1", "400.0")),
                                             "CDELT1", card("CDELT1", "0.05"));
    EXPECT_DOUBLE_EQ(
        read_one(nanometres, decided(WavelengthMedium::vacuum, WavelengthUnit::nanometre))
            .wavelength[2],
        4001.0);
}

TEST(GenericImage, Fault19TakesMediumAndUnitFromTheHeaderFirst) {
    const auto nanometres = decided(WavelengthMedium::air, WavelengthUnit::nanometre);
    const std::vector<Cards> in_vacuum = {
        {text_card("CTYPE1", "WAVE")}, {card("VACUUM", "T")}, {text_card("AIRORVAC", "vac")}};
    for (const Cards& cards : in_vacuum) {
        const auto bytes =
            image(rising(), observed + cards + Cards{text_card("CUNIT1", "Angstrom")});
        EXPECT_EQ(read_one(bytes, nanometres).wavelength[2], 4001.0) << cards[0];
    }
    const Cards iraf = {text_card("CTYPE1", "AWAV"),
                        text_card("WAT1_001", "wtype=linear label=Wavelength units=Angstroms")};
    EXPECT_EQ(read_one(image(rising(), observed + iraf)).wavelength[2], air_to_vacuum(4001.0));
}

TEST(GenericImage, ReadsLogarithmicAxes) {
    const Cards object = {text_card("OBJECT", "NGC 4151"), text_card("CUNIT1", "Angstrom"),
                          card("VACUUM", "T"), card("CRPIX1", 3)};
    const Cards grid = {card("CRVAL1", "3.6"), card("CD1_1", "0.0001")};
    for (const std::string& sign :
         {card("DC-FLAG", 1), card("LOGLAM", 1), text_card("CTYPE1", "LOGLAM"),
          text_card("CTYPE1", "WAVE-LOG")}) {
        const Spectrum spectrum = read_one(image(rising(), object + grid + Cards{sign}));
        EXPECT_DOUBLE_EQ(spectrum.wavelength[2], std::pow(10.0, 3.6)) << sign;
        EXPECT_NEAR(spectrum.wavelength[5], std::pow(10.0, 3.6003), 1e-9) << sign;
    }
    const Cards natural = {text_card("CTYPE1", "WAVE-LOG"), card("CRVAL1", "4000.0"),
                           card("CDELT1", "0.92")};
    const Spectrum spectrum = read_one(image(rising(), object + natural));
    EXPECT_DOUBLE_EQ(spectrum.wavelength[2], 4000.0);
    EXPECT_NEAR(spectrum.wavelength[102], 4000.0 * std::exp(92.0 / 4000.0), 1e-8);

    const auto ln =
        refusal_of(image(rising(), object + Cards{card("CRVAL1", "8.3"), card("CD1_1", "0.0002"),
                                                  card("DC-FLAG", 1)}));
    EXPECT_EQ(ln.status, Status::unknown_wavelength_unit);
    EXPECT_TRUE(ln.mentions("no log10 of a wavelength")) << ln;
}

TEST(GenericImage, TakesErrorsFromAnExtensionOfTheSameLength) {
    const auto vacuum = decided(WavelengthMedium::vacuum);
    std::vector<float> errors(300, 0.5F);
    errors[4] = 0.0F;
    const Spectrum spectrum =
        read_one(image(rising(), observed) + image(errors, {}, {}, "ERROR"), vacuum);
    EXPECT_TRUE(spectrum.inverse_variance_known);
    EXPECT_EQ(spectrum.inverse_variance[0], 4.0F);
    EXPECT_EQ(spectrum.mask[4], 1);
    const Spectrum weights =
        read_one(image(rising(), observed) + image(errors, {}, {}, "IVAR"), vacuum);
    EXPECT_EQ(weights.inverse_variance[0], 0.5F);
    errors.pop_back();
    EXPECT_EQ(refusal_of(image(rising(), observed) + image(errors, {}, {}, "IVAR"), vacuum).status,
              Status::length_mismatch)
        << "Fault 21";
}

TEST(Templates, AreRefusedAsNotObserved) {
    const std::vector<std::vector<float>> rows(4, rising());
    const Cards coefficients = {card("COEFF0", "3.5"), card("COEFF1", "0.0001")};
    const Cards linear = {card("CRVAL1", "3000.0"), card("CDELT1", "0.1")};
    const std::vector<std::string> files = {
        primary_image(rows, coefficients + Cards{text_card("OBJECT", "QSO"), card("EIGEN0", "3.")}),
        primary_image(rows, coefficients + Cards{text_card("OBJECT", "STAR")}),
        primary_image(rows, coefficients),
        primary_image(rows, linear + Cards{text_card("RRTYPE", "STAR")}),
        image(rising(), coefficients),
        image(rising(), Cards{card("CRVAL1", "3.56"), card("CD1_1", "0.0001"),
                              text_card("CTYPE1", "WAVE-LOG")}) +
            image(rising(), {}, {}, "IVAR") + image(rising(), {}, {}, "SRES"),
        primary() + binary_table({numbers<double>("LOGLAM", std::vector<double>(300, 3.5), 300),
                                  numbers<float>("FLUX", rising(), 300)},
                                 1)};
    for (const std::string& bytes : files) {
        const auto refusal = refusal_of(bytes, decided(WavelengthMedium::vacuum));
        EXPECT_STREQ(name_of(refusal.status), "NOT_OBSERVED") << refusal;
    }
    EXPECT_TRUE(refusal_of(files[2]).mentions("4 rows on one wavelength grid"));
}

TEST(Templates, AreNotMadeOfWhatNamesAnObservation) {
    const std::vector<std::vector<float>> rows(4, rising());
    const auto refusal = refusal_of(primary_image(rows, observed));
    EXPECT_EQ(refusal.status, Status::unknown_layout) << refusal;
    const std::string bare = image(rising(), {card("CRVAL1", "4000.0"), card("CDELT1", "0.5")});
    EXPECT_EQ(refusal_of(bare, decided(WavelengthMedium::vacuum)).status, Status::ok);
}

}  // namespace
}  // namespace balmer::data
