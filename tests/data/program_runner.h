#pragma once
// The built programs as users run them, and what they leave behind.

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace balmer {

struct ProgramRun {
    int code = -1;  ///< 124 where it did not end by itself
    std::string out;
    std::string error;
};

inline std::string program_path(const std::string& program) {
    return std::string(BALMER_BINARY_DIR) + "/bin/" + program;
}

/// Runs a program inside `folder` and keeps its stdout.txt and stderr.txt there; `arguments` is a
/// piece of a shell command line.
inline ProgramRun run_program(const std::string& folder, const std::string& program,
                              const std::string& arguments) {
    const auto text = [&](const std::string& name) -> std::string {
        std::ifstream file(folder + "/" + name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    };
    const std::string command = "cd '" + folder + "' || exit 99; timeout 120 '" +
                                program_path(program) + "' " + arguments +
                                " >stdout.txt 2>stderr.txt";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text("stdout.txt"), text("stderr.txt")};
}

/// The records of a CSV file (RFC 4180), cell by cell, without the header.
inline std::vector<std::vector<std::string>> csv_records(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<std::vector<std::string>> records;
    std::vector<std::string> record(1);
    bool is_quoted = false;
    for (char c = 0; file.get(c);) {
        if (c == '"') {
            // A doubled quote is one of the cell's own.
            const bool is_doubled = is_quoted && file.peek() == '"';
            if (is_doubled) record.back() += static_cast<char>(file.get());
            if (!is_doubled) is_quoted = !is_quoted;
        } else if (c == ',' && !is_quoted) {
            record.emplace_back();
        } else if (c == '\n' && !is_quoted) {
            records.push_back(record);
            record.assign(1, "");
        } else {
            record.back() += c;
        }
    }
    if (!records.empty()) records.erase(records.begin());
    return records;
}

/// Every file below a folder with its bytes: to show that nothing was touched.
inline std::map<std::string, std::string> content_of(const std::string& folder) {
    std::map<std::string, std::string> content;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream file(entry.path(), std::ios::binary);
        content[entry.path().string()] = {std::istreambuf_iterator<char>(file), {}};
    }
    return content;
}

}  // namespace balmer
