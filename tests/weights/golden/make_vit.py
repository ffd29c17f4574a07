#!/usr/bin/env python3
"""Writes tiny vision transformers as transformers and timm write them; see vit.versions.txt.

The weights are random and mean nothing: the tests look at names, shapes and bytes.
"""

import json
import pathlib
import shutil
import tempfile

import safetensors
import timm
import torch
import transformers
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification, ViTModel

FOLDER = pathlib.Path(__file__).parent
SIZES = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
             image_size=8, patch_size=4, num_channels=3)


def save_with_transformers(model, name, **options):
    """save_pretrained into FOLDER/name, without the files that no test reads."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder, **options)
        target = FOLDER / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for file in sorted(pathlib.Path(folder).glob("model*")):
            shutil.copyfile(file, target / file.name)


def main():
    torch.manual_seed(1)
    model = ViTModel(ViTConfig(**SIZES))
    save_with_transformers(model, "vit_transformers")
    save_with_transformers(model, "vit_sharded", max_shard_size="6KB")
    save_file(model.state_dict(), FOLDER / "vit_state_dict.safetensors")

    classifier = ViTForImageClassification(ViTConfig(**SIZES, qkv_bias=False, num_labels=3))
    save_with_transformers(classifier, "vit_classifier")

    timm_model = timm.create_model("vit_tiny_patch16_224", img_size=8, patch_size=4, embed_dim=8,
                                   depth=2, num_heads=2, mlp_ratio=1.5, num_classes=3)
    save_file(timm_model.state_dict(), FOLDER / "vit_timm.safetensors")

    versions = {m.__name__: m.__version__ for m in (torch, transformers, timm, safetensors)}
    (FOLDER / "vit.versions.txt").write_text(json.dumps(versions) + "\n")


if __name__ == "__main__":
    main()
