#!/usr/bin/env python3
"""Writes tiny 1D transformers with random weights under Balmer's names, and what PyTorch's own
layers make of them: transformer_1d.p1.safetensors and transformer_1d.p4.safetensors."""

import json
import math
import pathlib

import safetensors
import torch
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent
WIDTH, HEADS, MLP, LAYERS, EPSILON = 16, 2, 24, 2, 1e-5


def in_tokens(pixels, p):
    missing = -pixels.shape[1] % p
    return torch.nn.functional.pad(pixels, (0, missing)).reshape(len(pixels), -1, p)


def make(p, length):
    flux_embedding = torch.nn.Linear(p, WIDTH)
    wavelength_embedding = torch.nn.Linear(p, WIDTH)
    blocks = [torch.nn.TransformerEncoderLayer(WIDTH, HEADS, MLP, 0.0, "gelu", EPSILON, True, True)
              for _ in range(LAYERS)]
    norm = torch.nn.LayerNorm(WIDTH, EPSILON)
    modules = {"flux_embedding": flux_embedding, "wavelength_embedding": wavelength_embedding,
               "norm": norm}
    for i, block in enumerate(blocks):
        modules[f"blocks.{i}.norm1"] = block.norm1
        modules[f"blocks.{i}.attention.projection"] = block.self_attn.out_proj
        modules[f"blocks.{i}.norm2"] = block.norm2
        modules[f"blocks.{i}.mlp.fc1"] = block.linear1
        modules[f"blocks.{i}.mlp.fc2"] = block.linear2
    parameters = {f"{name}.{part}": getattr(module, part)
                  for name, module in modules.items() for part in ("weight", "bias")}
    for i, block in enumerate(blocks):
        parameters[f"blocks.{i}.attention.qkv.weight"] = block.self_attn.in_proj_weight
        parameters[f"blocks.{i}.attention.qkv.bias"] = block.self_attn.in_proj_bias
    with torch.no_grad():
        for name, parameter in parameters.items():
            scale = name.startswith(("norm", "blocks")) and "norm" in name and "weight" in name
            parameter.normal_(1.0 if scale else 0.0, 0.3)

    flux = torch.randn(3, length)
    wavelength = 10 ** (3.55 + 0.45 * torch.rand(3, length, dtype=torch.float64).sort(1).values)
    mask = torch.rand(3, length) > 0.3
    mask[0] = True
    mask[2, length // 2:] = False
    position = torch.where(mask, (wavelength.log10() - 3.75) / 0.25, 0.0).float()
    token_mask = in_tokens(mask.float(), p).sum(2) > p / 2
    T = token_mask.shape[1]
    angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, WIDTH, 2) / WIDTH)
    sinusoids = torch.stack([angle.sin(), angle.cos()], 2).reshape(T, WIDTH)
    x = (flux_embedding(in_tokens(flux * mask, p)) + wavelength_embedding(in_tokens(position, p))
         + sinusoids)
    for block in blocks:
        block.train()  # the composed layers, not the fused inference kernel
        x = block(x, src_key_padding_mask=~token_mask)
    tokens = norm(x)
    weight = token_mask[:, :, None].float()
    features = (tokens * weight).sum(1) / weight.sum(1)
    outputs = {"flux": flux, "wavelength": wavelength,
               "mask": mask.to(torch.uint8), "token_mask": token_mask,
               "last_hidden_state": tokens, "features": features}
    save_file({k: v.detach().contiguous() for k, v in parameters.items()},
              FOLDER / f"transformer_1d.p{p}.safetensors")
    save_file({k: v.detach().contiguous() for k, v in outputs.items()},
              FOLDER / f"transformer_1d.p{p}.outputs.safetensors")


def main():
    torch.manual_seed(21)
    make(1, 13)
    make(4, 30)
    versions = {m.__name__: m.__version__ for m in (torch, safetensors)}
    (FOLDER / "transformer_1d.versions.txt").write_text(json.dumps(versions) + "\n")


if __name__ == "__main__":
    main()
