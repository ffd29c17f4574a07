#include "vit/config_json.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "kernels/core/nearest_name.h"
#include "weights/strict_json.h"

namespace balmer::vit {
namespace {

// Keys in the order they are set, as transformers sorts them anyway.
using Json = nlohmann::ordered_json;

constexpr int newest_format = 1;
constexpr const char* spectrum_model_type = "balmer-transformer-1d";

/// One JSON object of a file, read by key with types checked.
class Object {
  public:
    Object(const std::string& path, std::string where, const Json& json)
        : path_(path), where_(std::move(where)), json_(json) {
        if (!json.is_object()) fail("", "expected an object");
    }

    bool contains(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
    const Json& json() const { return json_; }

    void read(const char* key, int& into) const {
        if (!contains(key)) return;
        const Json& value = json_[key];
        if (!value.is_number_integer()) fail(key, "expected a whole number");
        const bool fits = value.is_number_unsigned()
                              ? value.get<std::uint64_t>() <= std::numeric_limits<int>::max()
                              : value.get<std::int64_t>() >= std::numeric_limits<int>::min() &&
                                    value.get<std::int64_t>() <= std::numeric_limits<int>::max();
        if (!fits) fail(key, "is out of range");
        into = value.get<int>();
    }
    void read(const char* key, double& into) const {
        if (!contains(key)) return;
        if (!json_[key].is_number()) fail(key, "expected a number");
        into = json_[key].get<double>();
    }
    void read(const char* key, bool& into) const {
        if (!contains(key)) return;
        if (!json_[key].is_boolean()) fail(key, "expected true or false");
        into = json_[key].get<bool>();
    }
    void read(const char* key, std::string& into) const {
        if (!contains(key)) return;
        if (!json_[key].is_string()) fail(key, "expected a string");
        into = json_[key].get<std::string>();
    }
    void read(const char* key, std::vector<std::string>& into) const {
        if (!contains(key)) return;
        into.clear();
        for (const auto& item : array(key)) {
            if (!item.is_string()) fail(key, "expected a list of strings");
            into.push_back(item.get<std::string>());
        }
    }
    void read(const char* key, std::array<double, 3>& into) const {
        if (!contains(key)) return;
        if (array(key).size() != into.size()) fail(key, "expected three numbers");
        for (std::size_t i = 0; i < into.size(); ++i) {
            if (!json_[key][i].is_number()) fail(key, "expected three numbers");
            into[i] = json_[key][i].get<double>();
        }
    }
    /// The object or list of that key.
    Object object(const char* key) const { return {path_, where_ + key + ".", json_[key]}; }
    const Json& array(const char* key) const {
        if (!json_[key].is_array()) fail(key, "expected a list");
        return json_[key];
    }

    void expect_keys(const std::vector<std::string>& known) const {
        for (const auto& item : json_.items()) {
            if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
            const std::string nearest = nearest_name(item.key(), known);
            fail("", fmt::format("unknown key {}{}", weights::in_quotes(item.key()),
                                 nearest.empty() ? "" : ", did you mean '" + nearest + "'?"));
        }
    }

    [[noreturn]] void fail(const std::string& key, const std::string& reason) const {
        std::string place = where_ + key;
        if (key.empty() && !place.empty()) place.pop_back();
        throw FormatError(path_, place.empty() ? reason : place + ": " + reason);
    }

  private:
    const std::string& path_;
    std::string where_;  ///< "balmer.", ...
    const Json& json_;
};

Json parse(const std::string& path, const char* what, const std::string& text) {
    weights::expect_strict_json(path, what, text);
    Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) throw FormatError(path, std::string(what) + ": is not JSON");
    return json;
}

/// The one head that transformers knows as its classifier, or null.
const ModelConfig::Head* only_class_head(const ModelConfig& config) {
    const ModelConfig::Head* found = nullptr;
    for (const auto& head : config.heads) {
        if (!head.is_classification()) continue;
        if (found != nullptr) return nullptr;
        found = &head;
    }
    return found;
}

Json heads_to_json(const std::vector<ModelConfig::Head>& heads) {
    Json list = Json::array();
    for (const auto& head : heads) {
        Json item = {{"target", head.target}};
        if (head.is_classification()) {
            item["labels"] = head.labels;
        } else {
            item["mean"] = head.mean;
            item["deviation"] = head.deviation;
            item["transform"] = head.transform;
        }
        list.push_back(item);
    }
    return list;
}

std::vector<ModelConfig::Head> heads_from_json(const std::string& path, const Object& balmer) {
    std::vector<ModelConfig::Head> heads;
    if (!balmer.contains("heads")) return heads;
    for (const auto& item : balmer.array("heads")) {
        const Object object(path, fmt::format("balmer.heads[{}].", heads.size()), item);
        object.expect_keys({"target", "labels", "mean", "deviation", "transform"});
        ModelConfig::Head head;
        object.read("target", head.target);
        object.read("labels", head.labels);
        object.read("mean", head.mean);
        object.read("deviation", head.deviation);
        object.read("transform", head.transform);
        heads.push_back(head);
    }
    return heads;
}

/// id2label in the order of its numbers; they must run from 0 without a gap.
std::vector<std::string> labels_from_json(const Object& root) {
    if (!root.contains("id2label")) return {};
    const Json& map = root.object("id2label").json();
    std::vector<std::string> labels;
    for (std::size_t i = 0; i < map.size(); ++i) {
        const std::string key = std::to_string(i);
        if (!map.contains(key) || !map[key].is_string()) {
            root.fail("id2label", fmt::format("its {} entries do not name the classes 0 to {}",
                                              map.size(), map.size() - 1));
        }
        labels.push_back(map[key].get<std::string>());
    }
    if (root.contains("label2id")) {
        const Json& inverse = root.object("label2id").json();
        for (std::size_t i = 0; i < labels.size(); ++i) {
            const bool agrees = inverse.size() == labels.size() && inverse.contains(labels[i]) &&
                                inverse[labels[i]] == Json(i);
            if (!agrees) root.fail("label2id", "is not the inverse of id2label");
        }
    }
    return labels;
}

void read_own_keys(const std::string& path, const Object& root, ModelConfig& config) {
    const Object own = root.object("balmer");
    int format = 0;
    own.read("format", format);
    if (format < 1 || format > newest_format) {
        own.fail("format",
                 fmt::format("is {}, this version of Balmer reads 1 to {}", format, newest_format));
    }
    own.expect_keys({"format", "preset", "drop_path", "head_layers", "heads", "image",
                     "patch_pixels", "max_length"});
    own.read("preset", config.preset);
    own.read("drop_path", config.drop_path);
    own.read("head_layers", config.head_layers);
    own.read("patch_pixels", config.patch_pixels);
    own.read("max_length", config.max_length);
    config.heads = heads_from_json(path, own);
    if (!own.contains("image")) return;
    const Object image = own.object("image");
    for (const auto& item : image.json().items()) {
        image.read(item.key().c_str(), config.image[item.key()]);
    }
}

/// What transformers alone wrote: a classifier is a head. One label is transformers' way to say
/// regression, of what is not said: no head, and its classifier is ignored.
void read_classifier(const Object& root, ModelConfig& config) {
    std::vector<std::string> architectures;
    root.read("architectures", architectures);
    if (architectures != std::vector<std::string>{"ViTForImageClassification"}) return;
    ModelConfig::Head head;
    head.target = "class";
    head.labels = labels_from_json(root);
    if (head.labels.empty()) head.labels = {"LABEL_0", "LABEL_1"};  // transformers' default
    if (head.labels.size() > 1) config.heads.push_back(head);
}

void expect_labels_of_head(const Object& root, const ModelConfig& config) {
    const auto labels = labels_from_json(root);
    const ModelConfig::Head* head = only_class_head(config);
    if (labels.empty() || head == nullptr || labels == head->labels) return;
    root.fail("id2label", fmt::format("its {} classes are not the {} labels of the head '{}'",
                                      labels.size(), head->labels.size(), head->target));
}

}  // namespace

std::string config_to_json(const ModelConfig& config) {
    const bool is_vit = config.architecture == "vit";
    const ModelConfig::Head* classes = only_class_head(config);
    const bool is_classifier = is_vit && classes != nullptr && config.head_layers == 1;
    Json json;
    json["architectures"] = Json::array({!is_vit         ? "BalmerTransformer1d"
                                         : is_classifier ? "ViTForImageClassification"
                                                         : "ViTModel"});
    json["attention_probs_dropout_prob"] = 0.0;
    Json own = {{"format", newest_format}};
    own["preset"] = config.preset;
    own["drop_path"] = config.drop_path;
    own["head_layers"] = config.head_layers;
    own["heads"] = heads_to_json(config.heads);
    own["image"] = config.image;
    if (!is_vit) {
        own["patch_pixels"] = config.patch_pixels;
        own["max_length"] = config.max_length;
    }
    json["balmer"] = own;
    json["dtype"] = "float32";
    json["hidden_act"] = "gelu";
    json["hidden_dropout_prob"] = 0.0;
    json["hidden_size"] = config.width;
    if (classes != nullptr) {
        Json id2label = Json::object();
        Json label2id = Json::object();
        for (std::size_t i = 0; i < classes->labels.size(); ++i) {
            id2label[std::to_string(i)] = classes->labels[i];
            label2id[classes->labels[i]] = i;
        }
        json["id2label"] = id2label;
        json["label2id"] = label2id;
    }
    if (is_vit) {
        json["encoder_stride"] = config.patch_size;
        json["image_size"] = config.image_size;
        json["num_channels"] = config.channels;
        json["patch_size"] = config.patch_size;
    }
    json["initializer_range"] = 0.02;
    json["intermediate_size"] = config.mlp_width;
    json["layer_norm_eps"] = config.layer_norm_epsilon;
    json["model_type"] = is_vit ? "vit" : spectrum_model_type;
    json["num_attention_heads"] = config.attention_heads;
    json["num_hidden_layers"] = config.layers;
    json["qkv_bias"] = config.qkv_bias;
    return json.dump(2) + "\n";
}

ModelConfig config_from_json(const std::string& path, const std::string& text) {
    const Json json = parse(path, "configuration", text);
    const Object root(path, "", json);
    std::string model_type;
    root.read("model_type", model_type);
    ModelConfig config;
    if (model_type == spectrum_model_type) {
        config = preset("transformer-1d");
        config.preset.clear();
    } else if (model_type != "vit") {
        root.fail("model_type", fmt::format("is {}, expected 'vit' or '{}'",
                                            weights::in_quotes(model_type), spectrum_model_type));
    }
    std::string activation = "gelu";
    root.read("hidden_act", activation);
    if (activation != "gelu") {
        root.fail("hidden_act", "is " + weights::in_quotes(activation) + ", expected 'gelu'");
    }
    root.read("hidden_size", config.width);
    root.read("num_hidden_layers", config.layers);
    root.read("num_attention_heads", config.attention_heads);
    root.read("intermediate_size", config.mlp_width);
    root.read("image_size", config.image_size);
    root.read("patch_size", config.patch_size);
    root.read("num_channels", config.channels);
    root.read("layer_norm_eps", config.layer_norm_epsilon);
    root.read("qkv_bias", config.qkv_bias);
    if (root.contains("balmer")) {
        read_own_keys(path, root, config);
    } else {
        read_classifier(root, config);
    }
    expect_labels_of_head(root, config);
    try {
        validate(config);
    } catch (const UsageError& error) {
        throw FormatError(path, error.what());
    }
    return config;
}

std::string preprocessor_to_json(const ModelConfig& config) {
    Json json;
    json["do_normalize"] = true;
    json["do_rescale"] = true;
    json["do_resize"] = true;
    json["image_mean"] = config.image_mean;
    json["image_processor_type"] = "ViTImageProcessor";
    json["image_std"] = config.image_deviation;
    json["resample"] = 2;
    json["rescale_factor"] = 1.0 / 255.0;
    json["size"] = {{"height", config.image_size}, {"width", config.image_size}};
    return json.dump(2) + "\n";
}

void read_preprocessor_json(const std::string& path, const std::string& text, ModelConfig& config) {
    const Json json = parse(path, "configuration", text);
    const Object root(path, "", json);
    bool normalises = true;
    root.read("do_normalize", normalises);
    if (normalises) {
        root.read("image_mean", config.image_mean);
        root.read("image_std", config.image_deviation);
    } else {
        config.image_mean = {0.0, 0.0, 0.0};
        config.image_deviation = {1.0, 1.0, 1.0};
    }
    try {
        validate(config);
    } catch (const UsageError& error) {
        throw FormatError(path, error.what());
    }
}

}  // namespace balmer::vit
