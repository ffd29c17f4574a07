#include "weights/name_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "kernels/core/error.h"
#include "weights/strict_json.h"

namespace balmer::weights {
namespace {

/// One module or parameter in a layout; # stands for the number of the block.
struct Rule {
    std::string_view source;
    std::string_view canonical;
    int part = 0;
    int parts = 1;
};

constexpr std::array transformers_rules = {
    Rule{"embeddings.cls_token", "cls_token"},
    Rule{"embeddings.position_embeddings", "position_embedding"},
    Rule{"embeddings.patch_embeddings.projection", "patch_embedding"},
    Rule{"encoder.layer.#.layernorm_before", "blocks.#.norm1"},
    Rule{"encoder.layer.#.attention.attention.query", "blocks.#.attention.qkv", 0, 3},
    Rule{"encoder.layer.#.attention.attention.key", "blocks.#.attention.qkv", 1, 3},
    Rule{"encoder.layer.#.attention.attention.value", "blocks.#.attention.qkv", 2, 3},
    Rule{"encoder.layer.#.attention.output.dense", "blocks.#.attention.projection"},
    Rule{"encoder.layer.#.layernorm_after", "blocks.#.norm2"},
    Rule{"encoder.layer.#.intermediate.dense", "blocks.#.mlp.fc1"},
    Rule{"encoder.layer.#.output.dense", "blocks.#.mlp.fc2"},
    Rule{"layernorm", "norm"},
};

constexpr std::array transformers_v5_rules = {
    Rule{"embeddings.cls_token", "cls_token"},
    Rule{"embeddings.position_embeddings", "position_embedding"},
    Rule{"embeddings.patch_embeddings.projection", "patch_embedding"},
    Rule{"layers.#.layernorm_before", "blocks.#.norm1"},
    Rule{"layers.#.attention.q_proj", "blocks.#.attention.qkv", 0, 3},
    Rule{"layers.#.attention.k_proj", "blocks.#.attention.qkv", 1, 3},
    Rule{"layers.#.attention.v_proj", "blocks.#.attention.qkv", 2, 3},
    Rule{"layers.#.attention.o_proj", "blocks.#.attention.projection"},
    Rule{"layers.#.layernorm_after", "blocks.#.norm2"},
    Rule{"layers.#.mlp.fc1", "blocks.#.mlp.fc1"},
    Rule{"layers.#.mlp.fc2", "blocks.#.mlp.fc2"},
    Rule{"layernorm", "norm"},
};

constexpr std::array timm_rules = {
    Rule{"cls_token", "cls_token"},
    Rule{"pos_embed", "position_embedding"},
    Rule{"patch_embed.proj", "patch_embedding"},
    Rule{"blocks.#.norm1", "blocks.#.norm1"},
    Rule{"blocks.#.attn.qkv", "blocks.#.attention.qkv"},
    Rule{"blocks.#.attn.proj", "blocks.#.attention.projection"},
    Rule{"blocks.#.norm2", "blocks.#.norm2"},
    Rule{"blocks.#.mlp.fc1", "blocks.#.mlp.fc1"},
    Rule{"blocks.#.mlp.fc2", "blocks.#.mlp.fc2"},
    Rule{"norm", "norm"},
};

struct Layout {
    std::string_view name;
    std::array<std::string_view, 2> landmarks;  ///< names that tell the layout and the prefix
    std::span<const Rule> rules;
};

/// Tried in this order: a state_dict of transformers 5 also has the landmarks of transformers'
/// files, and their cls_token ends like timm's.
constexpr std::array layouts = {
    Layout{"transformers-v5",
           {"layers.0.attention.q_proj.weight", "layers.0.attention.k_proj.weight"},
           transformers_v5_rules},
    Layout{"transformers",
           {"embeddings.patch_embeddings.projection.weight", "embeddings.cls_token"},
           transformers_rules},
    Layout{"timm", {"patch_embed.proj.weight", "cls_token"}, timm_rules},
};

const Layout& layout_of(std::string_view name) {
    for (const auto& layout : layouts) {
        if (layout.name == name) return layout;
    }
    throw UsageError("no weight layout is called " + in_quotes(name));
}

/// "blocks.12.norm1.weight" -> {"blocks.#.norm1", "12", ".weight"}.
struct NameParts {
    std::string stem;
    std::string block;
    std::string suffix;
};

NameParts split(std::string_view name) {
    NameParts parts;
    for (const std::string_view suffix : {".weight", ".bias"}) {
        if (name.ends_with(suffix)) {
            parts.suffix = suffix;
            name.remove_suffix(suffix.size());
            break;
        }
    }
    while (!name.empty()) {
        const auto component = name.substr(0, name.find('.'));
        name.remove_prefix(std::min(name.size(), component.size() + 1));
        const bool is_number = !component.empty() &&
                               component.find_first_not_of("0123456789") == std::string_view::npos;
        if (!parts.stem.empty()) parts.stem += '.';
        if (is_number && parts.block.empty()) {
            parts.block = component;
            parts.stem += '#';
        } else {
            parts.stem += component;
        }
    }
    return parts;
}

std::string assemble(std::string_view pattern, const NameParts& parts) {
    std::string name(pattern);
    const auto mark = name.find('#');
    if (mark != std::string::npos) name.replace(mark, 1, parts.block);
    return name + parts.suffix;
}

/// A part of a file that is no part of the encoder, by the first component of its name.
bool is_head(std::string_view name) {
    if (name == "embeddings.mask_token") return true;
    const auto first = name.substr(0, name.find('.'));
    for (const std::string_view word : {"head", "classifier", "pooler", "decoder", "projector"}) {
        if (first.find(word) != std::string_view::npos) return true;
    }
    return first == "fc" || first == "mask_token" || first == "pre_logits";
}

/// What stands before `landmark` in the names that end in it as whole components.
std::set<std::string> prefixes_of(std::string_view landmark,
                                  const std::vector<std::string>& names) {
    std::set<std::string> prefixes;
    for (const auto& name : names) {
        if (!name.ends_with(landmark)) continue;
        const std::string prefix = name.substr(0, name.size() - landmark.size());
        if (prefix.empty() || prefix.ends_with('.')) prefixes.insert(prefix);
    }
    return prefixes;
}

std::string listed(const std::vector<std::string>& names, std::size_t most) {
    std::vector<std::string> quoted;
    for (std::size_t i = 0; i < std::min(most, names.size()); ++i) {
        quoted.push_back(in_quotes(names[i]));
    }
    if (names.size() > most) quoted.push_back("...");
    return fmt::format("{}", fmt::join(quoted, ", "));
}

std::pair<const Layout*, std::string> find_layout(const std::string& path,
                                                  const std::vector<std::string>& names) {
    for (const auto& layout : layouts) {
        for (const auto landmark : layout.landmarks) {
            const auto prefixes = prefixes_of(landmark, names);
            if (prefixes.empty()) continue;
            if (prefixes.size() > 1) {
                throw FormatError(path, "holds several vision transformers, under the prefixes " +
                                            listed({prefixes.begin(), prefixes.end()}, 8));
            }
            return {&layout, *prefixes.begin()};
        }
    }
    throw FormatError(path, fmt::format("none of its {} tensors is named as in transformers' "
                                        "ViTModel, timm or DINO: {}",
                                        names.size(), listed(names, 5)));
}

}  // namespace

VitNames recognise_vit_names(const std::string& path, const std::vector<std::string>& names) {
    const auto [layout, prefix] = find_layout(path, names);
    VitNames result;
    result.layout = layout->name;
    result.prefix = prefix;

    // Keyed so that the map's order is the model's: before the blocks, the blocks by number, after.
    using Key = std::tuple<int, std::size_t, std::string, std::size_t, bool>;
    std::map<Key, std::pair<std::string, std::map<int, std::string>>> mapped;
    for (const auto& name : names) {
        if (!name.starts_with(prefix) || is_head(std::string_view(name).substr(prefix.size()))) {
            result.ignored.push_back(name);
            continue;
        }
        const NameParts parts = split(std::string_view(name).substr(prefix.size()));
        const auto& rules = layout->rules;
        const auto rule = std::find_if(rules.begin(), rules.end(),
                                       [&](const Rule& r) { return r.source == parts.stem; });
        if (rule == rules.end()) {
            result.unknown.push_back(name);
            continue;
        }
        const std::size_t index = rule - rules.begin() - rule->part;
        const int section = !parts.block.empty() ? 1 : index < 3 ? 0 : 2;
        const Key key(section, parts.block.size(), parts.block, index, parts.suffix == ".bias");
        mapped[key].first = assemble(rule->canonical, parts);
        mapped[key].second[rule->part] = name;
    }
    for (const auto& [key, tensor] : mapped) {
        MappedTensor& added = result.tensors.emplace_back(MappedTensor{tensor.first, {}});
        for (const auto& [part, name] : tensor.second) added.sources.push_back(name);
    }
    return result;
}

std::vector<SourceSlice> to_layout_names(std::string_view layout, const std::string& canonical) {
    const NameParts parts = split(canonical);
    std::vector<SourceSlice> slices;
    for (const auto& rule : layout_of(layout).rules) {
        if (rule.canonical == parts.stem) {
            slices.push_back({assemble(rule.source, parts), rule.part, rule.parts});
        }
    }
    if (slices.empty()) {
        throw UsageError(fmt::format("no {} name for tensor {}", layout, in_quotes(canonical)));
    }
    return slices;
}

std::vector<SourceSlice> to_transformers_names(const std::string& canonical) {
    return to_layout_names("transformers", canonical);
}

NamedShapes source_shapes(const VitNames& names, const NamedShapes& canonical) {
    NamedShapes shapes;
    for (const auto& [name, shape] : canonical) {
        for (const auto& slice : to_layout_names(names.layout, name)) {
            Shape& part = shapes[names.prefix + slice.name] = shape;
            if (slice.parts > 1) part[0] /= slice.parts;
        }
    }
    return shapes;
}

}  // namespace balmer::weights
