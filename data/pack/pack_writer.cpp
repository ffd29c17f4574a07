#include "data/pack/pack_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "kernels/core/error.h"
#include "weights/atomic_file.h"
#include "weights/checksum.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* skipped_header = "file,row,reason,detail\n";

std::string shard_name(std::size_t index) {
    return fmt::format("shard-{:05}.safetensors", index);
}

bool is_shard_name(const std::string& name) {
    return name.starts_with("shard-") && name.ends_with(".safetensors");
}

/// Appends to a file and waits until it is on the disk.
void append_durably(const std::string& path, const std::string& text) {
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (descriptor < 0) throw IoError(path, std::strerror(errno));
    std::string_view rest = text;
    ssize_t put = 0;
    while (!rest.empty() && put >= 0) {
        put = ::write(descriptor, rest.data(), rest.size());
        if (put > 0) rest.remove_prefix(static_cast<std::size_t>(put));
        if (put < 0 && errno == EINTR) put = 0;
    }
    const bool is_written = rest.empty() && ::fsync(descriptor) == 0;
    const std::string reason = is_written ? "" : std::strerror(errno);
    ::close(descriptor);
    if (!is_written) throw IoError(path, reason);
}

std::optional<double> number(double value) {
    if (std::isnan(value)) return std::nullopt;
    return value;
}

}  // namespace

PackWriter::PackWriter(const std::string& folder, const PackWriterOptions& options)
    : folder_(folder), packing_(folder + "/.packing"), options_(options), current_(options.store) {
    if (options.spectra_per_shard < 1) {
        throw UsageError(fmt::format("{} spectra a shard", options.spectra_per_shard));
    }
    std::error_code error;
    made_folder_ = fs::create_directories(folder, error);
    if (error) throw IoError(folder, error.message());
    lock_ = FolderLock(folder, LockMode::exclusive);
    if (!options.overwrite && !options.resume && fs::exists(folder + "/" + manifest_name)) {
        throw IoError(folder, "holds a packed set already; --overwrite replaces it");
    }
    weights::expect_writable_folder(folder);
    weights::remove_stale_temporaries(folder);
    if (!options.resume) fs::remove_all(packing_, error);
    if (!error) fs::create_directory(packing_, error);
    if (error) throw IoError(packing_, error.message());
}

PackWriter::~PackWriter() {
    std::error_code error;
    const bool may_go_on = has_begun_ ? kept() > 0 : fs::exists(packing_ + "/journal.json", error);
    if (is_published_ || may_go_on) return;
    fs::remove_all(packing_, error);
    if (made_folder_) {
        fs::remove(folder_ + "/.lock", error);
        fs::remove(folder_, error);
    }
}

void PackWriter::begin(const PackRun& run) {
    journal_.run = run;
    std::optional<PackJournal> journal;
    if (options_.resume) journal = read_journal(packing_);
    if (journal) expect_same_run(folder_, journal->run, run);
    if (options_.resume && fs::exists(folder_ + "/" + manifest_name)) {
        const bool is_there =
            journal ? journal->is_publishing : !options_.overwrite && is_finished_run();
        if (is_there) {
            finished_ = read_manifest(folder_);
            fs::remove_all(packing_);
            is_published_ = true;
            return;
        }
        if (!options_.overwrite) {
            throw IoError(folder_, "holds another packed set already; --overwrite replaces it");
        }
    }
    if (journal) {
        journal_ = std::move(*journal);
        recover();
    } else {
        start();
    }
    has_begun_ = true;
}

bool PackWriter::is_finished_run() const {
    const Manifest manifest = read_manifest(folder_);
    return run_options(manifest.options, manifest.versions) == journal_.run.options &&
           manifest.files == journal_.run.files &&
           manifest.files_checksum == journal_.run.files_checksum;
}

/// Removes what does not belong to the journal's state from `.packing`.
void PackWriter::remove_leftovers() const {
    weights::remove_stale_temporaries(packing_);
    for (const auto& entry : fs::directory_iterator(packing_)) {
        const std::string name = entry.path().filename();
        if (is_shard_name(name) && name >= shard_name(journal_.shards.size())) {
            fs::remove(entry.path());
        }
    }
}

void PackWriter::start() {
    remove_leftovers();
    fs::remove(packing_ + "/" + skipped_name);
    skipped_table_ = skipped_header;
    write_skipped_table();
    write_journal(packing_, journal_);
}

/// Moves a file back that had been moved to its place when the packing was killed.
void PackWriter::recover_file(const std::string& name) const {
    const std::string path = packing_ + "/" + name;
    if (journal_.is_publishing && !fs::exists(path) && fs::exists(folder_ + "/" + name)) {
        fs::rename(folder_ + "/" + name, path);
    }
}

void PackWriter::recover() {
    for (std::size_t i = 0; i < journal_.shards.size(); ++i) {
        recover_file(shard_name(i));
        if (checksum_before_objects(shard_path(i)) != journal_.shards[i].checksum) {
            throw FormatError(shard_path(i),
                              "is not as it was packed; leave out --resume to start anew");
        }
        count_ += journal_.shards[i].spectra;
    }
    recover_file(skipped_name);
    const std::string table = packing_ + "/" + skipped_name;
    std::error_code error;
    const auto bytes = static_cast<std::uintmax_t>(journal_.skipped_bytes);
    if (fs::file_size(table, error) < bytes || error) {
        throw FormatError(table, "is shorter than it was; leave out --resume to start anew");
    }
    fs::resize_file(table, bytes);
    remove_leftovers();
    position_ = journal_.position;
    names_ = {NameIndex(journal_.surveys), NameIndex(journal_.classes),
              NameIndex(journal_.subclasses)};
}

std::string PackWriter::shard_path(std::size_t index) const {
    return packing_ + "/" + shard_name(index);
}

std::int64_t PackWriter::kept() const {
    std::int64_t spectra = 0;
    for (const auto& shard : journal_.shards) spectra += shard.spectra;
    return spectra;
}

std::uint64_t PackWriter::kept_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& shard : journal_.shards) bytes += shard.bytes;
    return bytes;
}

void PackWriter::append(const Spectrum& spectrum) {
    if (!has_begun_) begin({});
    current_.append(spectrum, names_);
    ++count_;
    ++position_.items;
    if (current_.size() == options_.spectra_per_shard) write_current_shard();
}

void PackWriter::skip(std::string_view file, std::int64_t row, std::string_view reason,
                      std::string_view detail) {
    if (!has_begun_) begin({});
    ++position_.items;
    ++journal_.skipped[std::string(reason)];
    skipped_table_ +=
        fmt::format("{},{},{},{}\n", csv_field(file), row, csv_field(reason), csv_field(detail));
    constexpr std::size_t most = std::size_t{1} << 20;
    if (skipped_table_.size() > most) write_skipped_table();
}

void PackWriter::next_file() {
    ++position_.files;
    position_.items = 0;
}

void PackWriter::write_skipped_table() {
    if (skipped_table_.empty()) return;
    append_durably(packing_ + "/" + skipped_name, skipped_table_);
    journal_.skipped_bytes += static_cast<std::int64_t>(skipped_table_.size());
    skipped_table_.clear();
}

void PackWriter::write_current_shard() {
    const std::size_t index = journal_.shards.size();
    ShardEntry entry;
    entry.file = shard_name(index);
    entry.spectra = current_.size();
    current_.write(shard_path(index));
    entry.bytes = fs::file_size(shard_path(index));
    entry.checksum = weights::checksum_of_file(shard_path(index));
    write_skipped_table();
    PackJournal journal = journal_;
    journal.shards.push_back(std::move(entry));
    journal.position = position_;
    journal.surveys = names_.surveys.names();
    journal.classes = names_.classes.names();
    journal.subclasses = names_.subclasses.names();
    write_journal(packing_, journal);
    journal_ = std::move(journal);
}

/// The objects of all spectra, from what the shards say about them.
ObjectGroups PackWriter::group_all() const {
    std::vector<ObjectKey> keys;
    keys.reserve(static_cast<std::size_t>(count_));
    for (std::size_t i = 0; i < journal_.shards.size(); ++i) {
        const Shard shard(shard_path(i));
        const auto& columns = shard.columns();
        for (std::int64_t k = 0; k < shard.size(); ++k) {
            keys.push_back(object_key(number(columns.ra[k]), number(columns.dec[k]),
                                      shard.object_name(k), shard.file(k)));
        }
    }
    return group_objects(keys);
}

/// Writes groups and splits into the shards; what the manifest says about both and the shards.
void PackWriter::set_objects(Manifest& manifest) const {
    const ObjectGroups groups = group_all();
    const auto splits = split_by_object(groups, options_.split);
    check_one_object_one_split(folder_, groups.group, splits);
    manifest.objects = static_cast<std::int64_t>(groups.identity.size());
    SummaryCollector summary;
    std::size_t first = 0;
    for (std::size_t i = 0; i < journal_.shards.size(); ++i) {
        const std::string path = shard_path(i);
        const auto size = static_cast<std::size_t>(journal_.shards[i].spectra);
        rewrite_groups_and_splits(path, std::span(groups.group).subspan(first, size),
                                  std::span(splits).subspan(first, size));
        const Shard shard(path);
        summary.add(shard, manifest.surveys, manifest.classes);
        manifest.shards.push_back({shard_name(i), shard.size(), shard.pixels(),
                                   shard.bytes().size(), weights::checksum_of_file(path)});
        first += size;
    }
    manifest.summary = summary.result();
}

/// Moves the new set to its place. From the removal of the old manifest to the writing of the new
/// one the folder is no packed set, rather than one that disagrees with its manifest.
void PackWriter::publish(const Manifest& manifest) {
    fs::remove(folder_ + "/" + manifest_name);
    journal_.is_publishing = true;
    write_journal(packing_, journal_);
    std::vector<fs::path> old;
    for (const auto& entry : fs::directory_iterator(folder_)) {
        if (is_shard_name(entry.path().filename())) old.push_back(entry.path());
    }
    for (const auto& path : old) fs::remove(path);
    for (const auto& shard : manifest.shards) {
        fs::rename(packing_ + "/" + shard.file, folder_ + "/" + shard.file);
    }
    fs::rename(packing_ + "/" + skipped_name, folder_ + "/" + skipped_name);
    write_manifest(folder_, manifest);
    is_published_ = true;
    fs::remove_all(packing_);
}

Manifest PackWriter::finish(const std::vector<std::string>& paths,
                            const std::map<std::string, std::string>& options,
                            const std::map<std::string, std::string>& versions,
                            const Invocation& invocation) {
    if (count_ == 0) throw Error(folder_ + ": no spectrum to pack");
    if (current_.size() > 0) write_current_shard();
    write_skipped_table();
    journal_.position = position_;
    current_.release();
    Manifest manifest;
    manifest.balmer_version = BALMER_VERSION;
    manifest.count = count_;
    manifest.store = options_.store;
    manifest.surveys = names_.surveys.names();
    manifest.classes = names_.classes.names();
    manifest.subclasses = names_.subclasses.names();
    manifest.split = options_.split;
    manifest.skipped = journal_.skipped;
    manifest.paths = paths;
    manifest.options = options;
    manifest.files = journal_.run.files;
    manifest.files_checksum = journal_.run.files_checksum;
    manifest.versions = versions;
    manifest.invocation = invocation;
    try {
        set_objects(manifest);
        publish(manifest);
    } catch (const fs::filesystem_error& error) {
        throw IoError(folder_, error.code().message());
    }
    return manifest;
}

std::string csv_field(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

}  // namespace balmer::data
