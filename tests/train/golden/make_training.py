#!/usr/bin/env python3
"""Writes training/: a small ViT as transformers saves it, a batch, and what PyTorch makes of them:
the losses of ten AdamW steps and every gradient of the first. Computed in f64."""

import json
import pathlib

import numpy
import safetensors.torch
import torch
import transformers

torch.manual_seed(11)
folder = pathlib.Path(__file__).with_name("training")

config = transformers.ViTConfig(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    image_size=32,
    patch_size=8,
    layer_norm_eps=1e-12,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
backbone = transformers.ViTModel(config, add_pooling_layer=False)
for parameter in backbone.parameters():  # far from the neutral start, so that all gradients count
    torch.nn.init.normal_(parameter, parameter.mean().item(), 0.1)
backbone.save_pretrained(folder)

rows, classes = 6, 3
heads = torch.nn.ModuleDict({"class": torch.nn.Linear(32, classes), "z": torch.nn.Linear(32, 1)})
pixels = torch.randn(rows, 3, 32, 32)
target_class = torch.tensor([0, 1, 2, -1, 1, 0])  # -1 and NaN: no label
target_z = torch.tensor([0.3, float("nan"), -2.5, 0.8, 1.9, -0.4])

weights = {f"heads.{k}.0.{n}": p.detach().clone() for k, h in heads.items() for n, p in h.named_parameters()}
golden = {"pixels": pixels, "class": target_class, "z": target_z, **weights}

backbone.double()
heads.double()
named = dict(backbone.named_parameters()) | {
    f"heads.{k}.0.{n}": p for k, h in heads.items() for n, p in h.named_parameters()
}
no_decay = [p for n, p in named.items() if p.ndim < 2 or "cls_token" in n or "position" in n]
ids = {id(p) for p in no_decay}
decay = [p for p in named.values() if id(p) not in ids]
settings = {"lr": 2e-3, "weight_decay": 0.05, "clip": 1.0, "huber_delta": 1.0}
optimiser = torch.optim.AdamW(
    [{"params": decay, "weight_decay": settings["weight_decay"]}, {"params": no_decay, "weight_decay": 0.0}],
    lr=settings["lr"],
)

losses, norms = [], []
has_z = ~torch.isnan(target_z)
for step in range(10):
    features = backbone(pixels.double()).last_hidden_state[:, 0]
    cross_entropy = torch.nn.functional.cross_entropy(
        heads["class"](features), target_class, ignore_index=-1
    )
    # Balmer's Huber loss is e^2 inside delta: twice torch's
    huber = 2 * torch.nn.functional.huber_loss(
        heads["z"](features)[has_z, 0], target_z[has_z].double(), delta=settings["huber_delta"]
    )
    loss = cross_entropy + huber
    optimiser.zero_grad()
    loss.backward()
    if step == 0:
        golden |= {f"gradient.{n}": p.grad.float().clone() for n, p in named.items()}
    norms.append(torch.nn.utils.clip_grad_norm_(named.values(), settings["clip"]).item())
    losses.append(loss.item())
    optimiser.step()

safetensors.torch.save_file({k: v.contiguous() for k, v in golden.items()}, folder / "golden.safetensors")
versions = {"torch": torch.__version__, "transformers": transformers.__version__, "numpy": numpy.__version__}
(folder / "golden.json").write_text(
    json.dumps({"versions": versions, "settings": settings, "losses": losses, "norms": norms}, indent=1) + "\n"
)
