#include "data/catalogue/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "data/fits/fits_card.h"
#include "data/object_id.h"
#include "kernels/core/error.h"

namespace balmer::data {
namespace {

using Names = std::vector<std::string>;

constexpr std::array<const char*, column_count> column_names = {
    "survey", "file", "row",  "object_id", "group", "class",      "subclass", "z",  "z_err",
    "zwarn",  "teff", "logg", "feh",       "snr",   "survey_snr", "ra",       "dec"};

std::size_t index_of(Column column) {
    return static_cast<std::size_t>(column);
}

/// What the surveys call the common columns (by plain name); the first that is there is taken. The
/// fibre's position is preferred to that of an imaging catalogue, which not every spectrum is in;
/// `redshift` to `z`, which stands for a magnitude beside it.
Names synonyms_of(Column column) {
    switch (column) {
        case Column::survey:
            return {"survey"};
        case Column::file:
            return {"file", "filename", "filepath", "path", "fitsfile"};
        case Column::row:
            return {"row"};
        case Column::object_id:
            return {"objectid", "objid"};
        case Column::group:
            return {"group", "groupid"};
        case Column::object_class:
            return {"class", "cls", "spectype", "objectclass"};
        case Column::subclass:
            return {"subclass", "subtype"};
        case Column::z:
            return {"redshift", "z"};
        case Column::z_err:
            return {"zerr", "redshifterr", "zerror"};
        case Column::zwarn:
            return {"zwarn", "zwarning"};
        case Column::teff:
            return {"teff", "elodieteff"};
        case Column::logg:
            return {"logg", "elodielogg"};
        case Column::feh:
            return {"feh", "elodiefeh"};
        case Column::snr:
            return {"snr", "snmedianall", "snmedian"};
        case Column::survey_snr:
            return {"surveysnr", "snmedianall", "snmedian"};
        case Column::ra:
            return {"plugra", "targetra", "ra", "raobs"};
        case Column::dec:
            return {"plugdec", "targetdec", "dec", "decobs"};
    }
    return {};
}

/// The plain names of a table's columns.
class PlainColumns {
  public:
    explicit PlainColumns(const Names& columns) {
        for (const std::string& column : columns) names_.push_back(plain_name(column));
    }
    bool has(std::string_view name) const {
        return std::find(names_.begin(), names_.end(), name) != names_.end();
    }
    bool has_all(std::initializer_list<std::string_view> names) const {
        return std::all_of(names.begin(), names.end(), [&](auto name) { return has(name); });
    }
    std::vector<std::size_t> all_named(std::string_view name) const {
        std::vector<std::size_t> found;
        for (std::size_t i = 0; i < names_.size(); ++i) {
            if (names_[i] == name) found.push_back(i);
        }
        return found;
    }

  private:
    Names names_;
};

enum class Format : std::uint8_t { desi, lamost, sdss, plain, unknown };

Format format_of(const PlainColumns& columns) {
    if (columns.has("targetid")) return Format::desi;
    if (columns.has("obsid") || columns.has_all({"lmjd", "planid", "spid", "fiberid"})) {
        return Format::lamost;
    }
    if (columns.has("specobjid") || columns.has_all({"plate", "mjd", "fiberid"})) {
        return Format::sdss;
    }
    for (const Column column : {Column::file, Column::object_id}) {
        for (const std::string& name : synonyms_of(column)) {
            if (columns.has(name)) return Format::plain;
        }
    }
    return Format::unknown;
}

bool accepts(const Names& columns) {
    return format_of(PlainColumns(columns)) != Format::unknown;
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return lower;
}

/// "SDSS-26" is the survey "sdss": what follows the first dash is its release.
std::string survey_of(std::string_view text) {
    return lower_case(text.substr(0, text.find('-')));
}

std::string class_of(std::string_view text) {
    std::string upper(text);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return upper == "UNKNOWN" ? std::string{} : upper;
}

/// The name of a file without folders, .gz and .fits.
std::string stem_of(std::string_view file) {
    file = file.substr(file.find_last_of('/') + 1);
    if (file.ends_with(".gz")) file.remove_suffix(3);
    if (file.ends_with(".fits")) file.remove_suffix(5);
    return std::string(file);
}

}  // namespace

const char* name_of(Column column) {
    return column_names[index_of(column)];
}

bool is_text(Column column) {
    return column == Column::survey || column == Column::file || column == Column::group ||
           column == Column::object_class || column == Column::subclass;
}

Value value_of(const CatalogueRow& row, Column column) {
    const auto text = [](const std::string& value) {
        return value.empty() ? Value{} : Value{std::string_view(value)};
    };
    const auto number = [](const auto& value) { return value ? Value{*value} : Value{}; };
    const Labels& labels = row.labels;
    switch (column) {
        case Column::survey:
            return text(row.survey);
        case Column::file:
            return text(row.file);
        case Column::row:
            return row.row < 0 ? Value{} : Value{row.row};
        case Column::object_id:
            if (row.object_id == 0) return {};
            if (!has_unsigned_ids(row.survey)) return row.object_id;
            return static_cast<std::uint64_t>(row.object_id);
        case Column::group:
            return text(row.group);
        case Column::object_class:
            return text(labels.object_class);
        case Column::subclass:
            return text(labels.subclass);
        case Column::z:
            return number(labels.z);
        case Column::z_err:
            return number(labels.z_err);
        case Column::zwarn:
            return number(labels.zwarn);
        case Column::teff:
            return number(labels.teff);
        case Column::logg:
            return number(labels.logg);
        case Column::feh:
            return number(labels.feh);
        case Column::snr:
            return number(row.snr);
        case Column::survey_snr:
            return number(row.survey_snr);
        case Column::ra:
            return number(row.ra);
        case Column::dec:
            return number(row.dec);
    }
    return {};
}

std::string plain_name(std::string_view name) {
    std::string plain = lower_case(name);
    std::erase_if(plain,
                  [](char c) { return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')); });
    constexpr std::string_view prefix = "combined";
    return plain.starts_with(prefix) ? plain.substr(prefix.size()) : plain;
}

/// Where a table keeps what, and how its cells are taken.
struct Catalogue::Layout {
    using Place = std::optional<std::size_t>;

    explicit Layout(CatalogueTable& source)
        : table(source), plain(source.columns()), format(format_of(plain)) {
        for (std::size_t i = 0; i < column_count; ++i) {
            places[i] = first_of(synonyms_of(static_cast<Column>(i)));
        }
        if (format != Format::plain) {
            // DESI's `survey` is a part of it; SDSS's objID is the image's.
            places[index_of(Column::survey)] = std::nullopt;
            const char* const id = format == Format::desi     ? "targetid"
                                   : format == Format::lamost ? "obsid"
                                                              : "specobjid";
            places[index_of(Column::object_id)] = place(id);
        }
        plate = place("plate");
        mjd = place("mjd");
        fiber = place("fiberid");
        run2d = place("run2d");
        lmjd = place("lmjd");
        plan = place("planid");
        spectrograph = place("spid");
        for (const char* const name : {"snru", "snrg", "snrr", "snri", "snrz"}) {
            bands.push_back(place(name));
        }
    }

    Place place(std::string_view name) const {
        const auto found = plain.all_named(name);
        if (found.size() > 1) {
            table.fail(fmt::format("columns '{}' and '{}' mean the same",
                                   printable(table.columns()[found[0]]),
                                   printable(table.columns()[found[1]])));
        }
        return found.empty() ? std::nullopt : Place(found[0]);
    }
    Place first_of(const Names& names) const {
        for (const std::string& name : names) {
            if (const Place found = place(name)) return found;
        }
        return std::nullopt;
    }

    std::string_view text(Place at) const { return at ? table.text(*at) : std::string_view{}; }
    std::optional<double> real(Place at) const {
        return at ? as_real(table.number(*at)) : std::nullopt;
    }
    std::optional<std::int64_t> integer(Place at) const {
        if (!at) return std::nullopt;
        const Value value = table.number(*at);
        if (is_missing(value)) return std::nullopt;
        if (const auto* exact = std::get_if<std::int64_t>(&value)) return *exact;
        if (const auto* bits = std::get_if<std::uint64_t>(&value)) {
            return static_cast<std::int64_t>(*bits);
        }
        constexpr double exact_limit = 9007199254740992.0;  // 2^53
        const double real = *as_real(value);
        if (std::trunc(real) == real && std::abs(real) < exact_limit) {
            return static_cast<std::int64_t>(real);
        }
        table.fail(
            fmt::format("column '{}': {} is no integer (of a large one the last digits are "
                        "lost)",
                        printable(table.columns()[*at]), real));
    }

    /// The names of a plain table may stand where ids or rows do: they are no numbers then.
    std::optional<std::int64_t> integer_or_name(Place at) const {
        if (!at || std::holds_alternative<std::string_view>(table.value(*at))) return std::nullopt;
        return integer(at);
    }

    Place at(Column column) const { return places[index_of(column)]; }

    CatalogueTable& table;
    PlainColumns plain;
    Format format;
    std::array<Place, column_count> places;
    Place plate, mjd, fiber, run2d, lmjd, plan, spectrograph;
    std::vector<Place> bands;

    void identify(CatalogueRow& row) const {
        row.file = text(at(Column::file));
        row.group = text(at(Column::group));
        const Place id = at(Column::object_id);
        row.object_id = (format == Format::plain ? integer_or_name(id) : integer(id)).value_or(0);
        row.row = std::max<std::int64_t>(integer_or_name(at(Column::row)).value_or(-1), -1);
        if (format == Format::plain) {
            row.survey = survey_of(text(at(Column::survey)));
            return;
        }
        row.survey = lower_case(name());
        if (format == Format::sdss && plate && mjd && fiber) {
            row.spectrum_name = fmt::format("spec-{:04}-{:05}-{:04}", integer(plate).value_or(0),
                                            integer(mjd).value_or(0), integer(fiber).value_or(0));
            row.run2d = run2d ? version() : std::string{};
        } else if (format == Format::lamost && lmjd && plan && spectrograph && fiber) {
            row.spectrum_name =
                fmt::format("spec-{}-{}_sp{:02}-{:03}", integer(lmjd).value_or(0), text(plan),
                            integer(spectrograph).value_or(0), integer(fiber).value_or(0));
        } else if (format != Format::desi) {
            row.spectrum_name = stem_of(row.file);
        }
    }

    /// run2d is "v5_13_0" or a number.
    std::string version() const {
        const Value value = table.value(*run2d);
        if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
        const auto number = integer(run2d);
        return number ? std::to_string(*number) : std::string{};
    }

    const char* name() const {
        static constexpr std::array names = {"DESI", "LAMOST", "SDSS", "plain", "unknown"};
        return names[static_cast<std::size_t>(format)];
    }

    /// Root of the sum of squares over the five bands; empty unless all are there.
    std::optional<double> band_snr() const {
        double sum = 0;
        for (const Place& band : bands) {
            const auto snr = real(band);
            if (!snr) return std::nullopt;
            sum += *snr * *snr;
        }
        return std::sqrt(sum);
    }

    void take_labels(CatalogueRow& row) const {
        Labels& labels = row.labels;
        labels.object_class = class_of(text(at(Column::object_class)));
        labels.subclass = text(at(Column::subclass));
        labels.z = real(at(Column::z));
        labels.z_err = real(at(Column::z_err));
        if (labels.z_err && *labels.z_err <= 0) labels.z_err.reset();
        labels.zwarn = integer(at(Column::zwarn));
        labels.teff = real(at(Column::teff));
        labels.logg = real(at(Column::logg));
        labels.feh = real(at(Column::feh));
        if (labels.teff && *labels.teff <= 0) {
            // Without a fitted star the three are 0 together; [Fe/H] = 0 alone is the Sun's.
            labels.teff.reset();
            labels.logg.reset();
            labels.feh.reset();
        }
        row.ra = real(at(Column::ra));
        row.dec = real(at(Column::dec));
        row.snr = real(at(Column::snr));
        row.survey_snr = format == Format::lamost ? band_snr() : real(at(Column::survey_snr));
    }
};

Catalogue::Catalogue(const std::string& path)
    : path_(path), table_(open_catalogue_table(path, accepts)) {
    layout_ = std::make_unique<Layout>(*table_);
}
Catalogue::Catalogue(const std::string& name, std::string bytes)
    : path_(name), table_(read_catalogue_table(name, std::move(bytes), accepts)) {
    layout_ = std::make_unique<Layout>(*table_);
}
Catalogue::~Catalogue() = default;
Catalogue::Catalogue(Catalogue&&) noexcept = default;

const char* Catalogue::format() const {
    return layout_->name();
}

bool Catalogue::has(Column column) const {
    const bool is_from_bands = column == Column::survey_snr && layout_->format == Format::lamost;
    return is_from_bands ? layout_->bands[0].has_value() : layout_->at(column).has_value();
}

bool Catalogue::next(CatalogueRow& row) {
    if (!table_->next()) return false;
    ++rows_;
    row = {};
    layout_->identify(row);
    layout_->take_labels(row);
    for (std::size_t i = index_of(Column::object_class); i < column_count; ++i) {
        const auto column = static_cast<Column>(i);
        if (layout_->places[i] && is_missing(value_of(row, column))) ++dropped_[name_of(column)];
    }
    return true;
}

std::optional<std::size_t> Catalogue::column(std::string_view name) const {
    return layout_->place(plain_name(name));
}

}  // namespace balmer::data
