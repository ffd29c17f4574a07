#include "train/prediction.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "data/object_id.h"
#include "weights/atomic_file.h"

namespace balmer::train {

namespace {

/// A field as RFC 4180 wants it.
std::string field(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
}

std::string number(double value, int digits) {
    return std::isfinite(value) ? fmt::format("{:.{}g}", value, digits) : "";
}

}  // namespace

std::size_t most_probable(const std::vector<double>& probabilities) {
    return static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) -
                                    probabilities.begin());
}

std::int64_t zwarn_of(const PredictionRow& row) {
    if (row.is_predicted()) return 0;
    return row.status == data::name_of(data::Status::little_coverage) ? 1 << 1 : 1 << 9;
}

void write_predictions_csv(const std::string& path, const PredictionTable& table) {
    weights::AtomicFile file(path);
    std::string line = "id,survey,file,row,status,reason,snr";
    for (const auto& head : table.heads) {
        line += "," + head.target;
        const std::string prefix = head.target == "class" ? "p_" : "p_" + head.target + "_";
        for (const std::string& label : head.labels) line += "," + field(prefix + label);
        if (!head.is_classification()) line += "," + head.target + "_err";
        if (head.target == "z") line += ",zwarn";
    }
    file.write(line + "\n");

    for (const PredictionRow& row : table.rows) {
        line = fmt::format("{},{},{},{},{},{},{}", data::id_text(row.survey, row.id),
                           field(row.survey), field(row.file), row.row, field(row.status),
                           field(row.reason), number(row.snr, 5));
        for (std::size_t h = 0; h < table.heads.size(); ++h) {
            const auto& head = table.heads[h];
            if (!row.is_predicted()) {
                line += std::string(head.is_classification() ? 1 + head.labels.size() : 2, ',');
            } else if (head.is_classification()) {
                line += "," + field(head.labels[most_probable(row.outputs[h])]);
                for (const double p : row.outputs[h]) line += "," + number(p, 6);
            } else {
                line += "," + number(row.outputs[h][0], 9) + "," + number(row.outputs[h][1], 4);
            }
            if (head.target == "z") line += fmt::format(",{}", zwarn_of(row));
        }
        file.write(line + "\n");
    }
    file.commit();
}

}  // namespace balmer::train
