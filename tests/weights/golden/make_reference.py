#!/usr/bin/env python3
"""Writes reference.safetensors with the public safetensors package, versions beside it."""

import pathlib

import numpy as np
import safetensors
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).parent

tensors = {
    "f64": np.array([1e300, -0.0, np.pi]),
    "f32": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "f16": np.array([1.0, 0.1, -65504.0, 6e-8, np.inf], np.float16),
    "i64": np.array([-(2**63), 2**63 - 1]),
    "i32": np.array([[-7], [8]], np.int32),
    "i16": np.array([-300], np.int16),
    "i8": np.array([-3, 4], np.int8),
    "u8": np.array([0, 255, 3], np.uint8),
    "u16": np.array([65535], np.uint16),
    "u32": np.array([2**32 - 1], np.uint32),
    "u64": np.array([2**64 - 1], np.uint64),
    "bool": np.array([True, False, True]),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((2, 0), np.float32),
    "name with \"quotes\" and \u00e9": np.array([1], np.float32),
}

if __name__ == "__main__":
    save_file(tensors, FOLDER / "reference.safetensors", metadata={"format": "np"})
    versions = f"reference.safetensors: safetensors {safetensors.__version__}, numpy {np.__version__}\n"
    (FOLDER / "reference.versions.txt").write_text(versions)
