#!/usr/bin/env python3
"""Balmer's engine loop and PyTorch's, in one run on one machine.

    bench/compare_pytorch.py --binaries build/cuda/bin --json bench/results/pytorch.json
    bench/compare_pytorch.py --device cpu --tiny --binaries build/cpu/bin

Inference and training steps of ViT-B/16 in bf16 on random images, same batch: PyTorch with timm's
model, torch.compile, scaled_dot_product_attention, autocast over f32 weights and fused AdamW with
gradient clipping, the fastest of its compile modes; Balmer by bench_vit. Then attention alone: the
back ends of PyTorch beside Balmer's kernel (bench_kernels). Balmer and PyTorch run by turns in
`--rounds` rounds; figures are medians over all repetitions."""

import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

ATTENTION_SHAPES = {"vit-b16": (256, 12, 197, 64), "transformer-1d": (16, 8, 4000, 64),
                    "tiny": (2, 2, 17, 64)}
BACK_ENDS = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION,
             "efficient": SDPBackend.EFFICIENT_ATTENTION, "math": SDPBackend.MATH}


class Clock:
    """Times a call on the device: events on CUDA, the steady clock on the CPU."""

    def __init__(self, device: str, repetitions: int, warm_up: int):
        self.is_cuda = device == "cuda"
        self.repetitions = repetitions
        self.warm_up = warm_up

    def seconds(self, call) -> list[float]:
        for _ in range(self.warm_up):
            call()
        found = []
        for _ in range(self.repetitions):
            if self.is_cuda:
                start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                call()
                stop.record()
                stop.synchronize()
                found.append(start.elapsed_time(stop) * 1e-3)
            else:
                began = time.perf_counter()
                call()
                found.append(time.perf_counter() - began)
        return found


def summary(seconds: list[float], items: float) -> dict:
    quartiles = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
    return {"median_s": quartiles[1], "low_quartile_s": quartiles[0], "high_quartile_s": quartiles[2],
            "repetitions": len(seconds), "items_per_s": items / quartiles[1]}


def make_model(sizes: dict, classes: int, device: str) -> torch.nn.Module:
    from timm.models.vision_transformer import VisionTransformer
    return VisionTransformer(img_size=sizes["image"], patch_size=16, embed_dim=sizes["width"],
                             depth=sizes["layers"], num_heads=sizes["heads"], num_classes=classes).to(device)


class TorchLoop:
    """A training step or an inference step of the model, compiled in one mode."""

    def __init__(self, arguments, sizes: dict, mode: str, compile_mode: str):
        torch.manual_seed(1)
        self.device = arguments.device
        self.model = make_model(sizes, arguments.classes, self.device)
        self.images = torch.randn(arguments.batch, 3, sizes["image"], sizes["image"], device=self.device,
                                  dtype=torch.bfloat16)
        self.labels = torch.randint(arguments.classes, (arguments.batch,), device=self.device)
        self.trains = mode == "train"
        if self.trains:
            self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
            self.model.train()
        else:
            self.model.eval().to(torch.bfloat16)
        self.forward = self.model if compile_mode == "eager" else torch.compile(self.model, mode=compile_mode)
        self.last = None

    def step(self):
        if not self.trains:
            with torch.inference_mode():
                self.last = self.forward(self.images)
            return
        with torch.autocast(self.device, dtype=torch.bfloat16):
            logits = self.forward(self.images)
        self.last = F.cross_entropy(logits.float(), self.labels)
        self.optimiser.zero_grad(set_to_none=True)
        self.last.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()

    def expect_finite(self):
        if not torch.isfinite(self.last.float()).all():
            raise RuntimeError("PyTorch's own result is not finite")


def run_balmer(arguments, mode: str, *more: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "result.json"
        command = [str(arguments.binaries / "bench_vit"), "--device", arguments.device, "--mode", mode,
                   "--model", "tiny" if arguments.tiny else "vit-b16", "--batch", str(arguments.batch),
                   "--classes", str(arguments.classes), "--repetitions", str(arguments.repetitions),
                   "--json", str(path), *more]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text(encoding="utf-8"))


def choose_compile_mode(arguments, sizes: dict, mode: str, clock: Clock):
    """The fastest of the modes asked for, and what each gave or why it failed."""
    tried, best = {}, None
    for compile_mode in arguments.compile_modes:
        try:
            loop = TorchLoop(arguments, sizes, mode, compile_mode)
            seconds = clock.seconds(loop.step)
            loop.expect_finite()
        except Exception as error:  # a mode that does not compile is a result, not the end
            tried[compile_mode] = {"failed": str(error).splitlines()[0][:200]}
            continue
        tried[compile_mode] = summary(seconds, arguments.batch)
        if best is None or tried[compile_mode]["median_s"] < tried[best[0]]["median_s"]:
            best = (compile_mode, loop)
        else:
            del loop
    if best is None:
        raise RuntimeError(f"PyTorch ran in none of its modes: {tried}")
    return *best, tried


def compare_loops(arguments, clock: Clock) -> list[dict]:
    sizes = {"image": 64, "width": 128, "layers": 2, "heads": 2} if arguments.tiny else \
        {"image": 224, "width": 768, "layers": 12, "heads": 12}
    rows = []
    for mode in ("infer", "train"):
        compile_mode, loop, tried = choose_compile_mode(arguments, sizes, mode, clock)
        theirs, ours = [], []
        for _ in range(arguments.rounds):
            theirs += clock.seconds(loop.step)
            ours.append(run_balmer(arguments, mode))
        loop.expect_finite()
        del loop
        balmer = min(ours, key=lambda result: abs(result["median_s"] -
                                                  statistics.median(r["median_s"] for r in ours)))
        pytorch = summary(theirs, arguments.batch)
        # What PyTorch computes too: the whole last block.
        full = run_balmer(arguments, mode, "--full-last-block")
        rows.append({"work": f"{'tiny' if arguments.tiny else 'vit-b16'} {mode}", "batch": arguments.batch,
                     "balmer": balmer, "pytorch": pytorch, "compile_mode": compile_mode,
                     "compile_modes_tried": tried, "ratio": pytorch["median_s"] / balmer["median_s"],
                     "balmer_full_last_block": full,
                     "ratio_full_last_block": pytorch["median_s"] / full["median_s"]})
        print(f"{rows[-1]['work']:<24} batch {arguments.batch:<4} Balmer {balmer['items_per_s']:10.1f}/s   "
              f"PyTorch {pytorch['items_per_s']:10.1f}/s ({compile_mode})   ratio {rows[-1]['ratio']:.2f} "
              f"({rows[-1]['ratio_full_last_block']:.2f} with a full last block)")
    return rows


def balmer_attention(arguments, model: str, batch: int) -> dict:
    """Median seconds of Balmer's attention kernels, by direction; {} where they are missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "attention.json"
        command = [str(arguments.binaries / "bench_kernels"), "--device", arguments.device, "--models", model,
                   "--batches", str(batch), "--no-peer", "--no-ceilings", "--json", str(path),
                   "--repetitions", str(arguments.repetitions), "--benchmark_filter=attention_.*"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            return {"missing": (done.stdout + done.stderr).strip().splitlines()[-1][:200]}
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {row["case"].removeprefix("attention_"): row["time"]["median_s"] for row in rows}


def torch_attention(arguments, clock: Clock, shape, backend) -> dict:
    """Median seconds forward and backward. Inputs are thirds of one packed projection, as a model's."""
    batch, heads, tokens, depth = shape
    packed = torch.randn(batch, tokens, 3, heads, depth, device=arguments.device, dtype=torch.bfloat16)
    query, key, value = (t.transpose(1, 2).detach().requires_grad_() for t in packed.unbind(2))
    found = {}
    with sdpa_kernel([backend]):
        with torch.no_grad():
            found["forward"] = statistics.median(
                clock.seconds(lambda: F.scaled_dot_product_attention(query, key, value)))
        out = F.scaled_dot_product_attention(query, key, value)
        gradient = torch.randn_like(out)
        inputs = (query, key, value)
        found["backward"] = statistics.median(
            clock.seconds(lambda: torch.autograd.grad(out, inputs, gradient, retain_graph=True)))
        gradients = torch.autograd.grad(out, inputs, gradient, retain_graph=True)
    if not all(torch.isfinite(g.float()).all() for g in (out, *gradients)):
        raise RuntimeError("its result is not finite")
    return found


def compare_attention(arguments, clock: Clock) -> list[dict]:
    rows = []
    for model in (["tiny"] if arguments.tiny else ["vit-b16", "transformer-1d"]):
        shape = ATTENTION_SHAPES[model]
        batch, heads, tokens, depth = shape
        flops = {"forward": 4.0 * batch * heads * tokens * tokens * depth}
        flops["backward"] = 2.5 * flops["forward"]
        found = {"balmer": balmer_attention(arguments, model, batch)}
        for name, backend in BACK_ENDS.items():
            try:
                found[name] = torch_attention(arguments, clock, shape, backend)
            except RuntimeError as error:
                found[name] = {"missing": str(error).splitlines()[0][:200]}
        for direction in ("forward", "backward"):
            row = {"work": f"attention {direction}", "model": model,
                   "shape": f"B={batch} H={heads} T={tokens} D={depth}"}
            row["seconds"] = {name: result.get(direction, result.get("missing"))
                              for name, result in found.items()}
            rows.append(row)
            texts = [f"{name} {seconds * 1e6:.1f} us ({flops[direction] / seconds * 1e-12:.1f} TF)"
                     for name, seconds in row["seconds"].items() if isinstance(seconds, float)]
            print(f"{row['work']:<20} {row['shape']:<28} " + "   ".join(texts))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=pathlib.Path, required=True, help="folder of bench_vit, bench_kernels")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--compile-modes", nargs="+", default=["default", "reduce-overhead"],
                        help="torch.compile modes to choose from, or eager")
    parser.add_argument("--tiny", action="store_true", help="a model that shows that all this runs")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("compare_pytorch: PyTorch sees no GPU", file=sys.stderr)
        return 1
    torch.backends.cuda.matmul.allow_tf32 = True
    clock = Clock(arguments.device, arguments.repetitions, arguments.warm_up)
    result = {"program": "compare_pytorch", "torch": torch.__version__,
              "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
              "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "cudnn": torch.backends.cudnn.version(), "cuda": torch.version.cuda}
    result["attention"] = compare_attention(arguments, clock)
    result["loops"] = compare_loops(arguments, clock)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
