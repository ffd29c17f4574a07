#!/usr/bin/env python3
"""Writes tiny vision transformers with random weights, and what transformers and timm make of them.

vit/           a classifier as transformers saves it: config.json, model.safetensors, ...
vit.outputs    its inputs, hidden states, logits, and the gradients of a cross entropy
no_qkv_bias/   ViTModel with qkv_bias=False (and a pooler)
timm           weights under timm's names
positions      torch.nn.functional.interpolate up and down
"""

import json
import pathlib
import shutil

import safetensors
import timm
import torch
import transformers
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor, ViTModel

FOLDER = pathlib.Path(__file__).parent
LABELS = {0: "STAR", 1: "GALAXY", 2: "QSO"}


def config(**options):
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                 image_size=16, patch_size=4)
    return ViTConfig(**{**sizes, **options}, attn_implementation="eager")


def randomise(model):
    """Weights of a size at which every part matters."""
    with torch.no_grad():
        for parameter in model.parameters():
            deviation = 0.3 if parameter.dim() < 2 else parameter[0].numel() ** -0.5
            shift = 1.0 if parameter.dim() == 1 and parameter.mean() > 0.5 else 0.0
            parameter.normal_(shift, deviation)
    return model.eval()


def save(name, tensors):
    save_file({k: v.detach().float().contiguous() for k, v in tensors.items()},
              FOLDER / f"{name}.safetensors")


def save_directory(model, name):
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    model.save_pretrained(FOLDER / name)


def classifier():
    model = randomise(ViTForImageClassification(
        config(id2label=LABELS, label2id={v: k for k, v in LABELS.items()})))
    save_directory(model, "vit")
    ViTImageProcessor(size={"height": 16, "width": 16},
                      image_mean=[0.485, 0.456, 0.406],
                      image_std=[0.229, 0.224, 0.225]).save_pretrained(FOLDER / "vit")
    pixels = torch.randn(3, 3, 16, 16)
    wide = torch.randn(2, 3, 12, 24)
    target = torch.tensor([2, 0, 1])
    output = model(pixels)
    tensors = {
        "pixel_values": pixels,
        "last_hidden_state": model.vit(pixels).last_hidden_state,
        "logits": output.logits,
        "wide.pixel_values": wide,
        "wide.last_hidden_state":
            model.vit(wide, interpolate_pos_encoding=True).last_hidden_state,
    }
    loss = torch.nn.functional.cross_entropy(output.logits, target)
    loss.backward()
    tensors["loss"] = loss.reshape(1)
    save("vit.outputs", tensors)
    # Under the names of the file, which save_pretrained derives from those of the module.
    for parameter in model.parameters():
        parameter.data = parameter.grad
    save_directory(model, "gradients")
    (FOLDER / "gradients" / "model.safetensors").rename(FOLDER / "vit.gradients.safetensors")
    shutil.rmtree(FOLDER / "gradients")


def without_qkv_bias():
    model = randomise(ViTModel(config(qkv_bias=False, num_hidden_layers=1)))
    save_directory(model, "no_qkv_bias")
    pixels = torch.randn(2, 3, 16, 16)
    save("no_qkv_bias.outputs", {"pixel_values": pixels,
                                 "last_hidden_state": model(pixels).last_hidden_state})


def with_timm():
    model = randomise(timm.create_model("vit_tiny_patch16_224", img_size=16, patch_size=4,
                                        embed_dim=32, depth=1, num_heads=2, mlp_ratio=2,
                                        num_classes=3))
    pixels = torch.randn(2, 3, 16, 16)
    save("timm", model.state_dict())
    save("timm.outputs", {"pixel_values": pixels,
                          "last_hidden_state": model.forward_features(pixels)})


def positions():
    position = torch.randn(1, 1 + 16, 3)
    tensors = {"from": position}
    for rows, columns in [(7, 7), (3, 3), (2, 9), (1, 1)]:
        grid = position[:, 1:].reshape(1, 4, 4, 3).permute(0, 3, 1, 2)
        grid = torch.nn.functional.interpolate(grid, size=(rows, columns), mode="bicubic",
                                               align_corners=False)
        patches = grid.permute(0, 2, 3, 1).reshape(1, rows * columns, 3)
        tensors[f"{rows}x{columns}"] = torch.cat([position[:, :1], patches], 1)
    save("positions", tensors)


def main():
    torch.manual_seed(20)
    classifier()
    without_qkv_bias()
    with_timm()
    positions()
    versions = {m.__name__: m.__version__ for m in (torch, transformers, timm, safetensors)}
    (FOLDER / "vit.versions.txt").write_text(json.dumps(versions) + "\n")


if __name__ == "__main__":
    main()
