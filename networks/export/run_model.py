"""Classify pictures with an exported model. Needs numpy, onnxruntime and, for picture files, pillow.

`python run_model.py model.onnx picture.png`, or `pictures.npz` with an array `images` of N x H x W (x C) values
from 0 to 255, and `labels` where they are known. SPDX-License-Identifier: Apache-2.0
"""

import json
import sys
from typing import Any

import numpy as np
import onnxruntime


def read(path: str, channels: int, height: int, width: int) -> tuple[Any, Any]:
    """Pictures as N x C x H x W from 0 to 255, and their labels if the file has them."""
    if path.endswith(".npz"):
        with np.load(path) as file:
            images, labels = file["images"], file.get("labels")
        images = images[..., None] if images.ndim == 3 else images
        return images.transpose(0, 3, 1, 2).astype(np.float32), labels
    from PIL import Image

    picture = Image.open(path).convert("L" if channels == 1 else "RGB").resize((width, height))
    return np.asarray(picture, np.float32).reshape(1, height, width, channels).transpose(0, 3, 1, 2), None


def main(model_path: str, pictures_path: str) -> None:
    """Write the three likeliest classes of the first ten pictures, and the accuracy if there are labels."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # or sums are cut on x86 without VNNI
    model = onnxruntime.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])
    about, given = model.get_modelmeta().custom_metadata_map, model.get_inputs()[0]
    images, labels = read(pictures_path, *given.shape[1:])
    mean, deviation = (np.array(json.loads(about[key]), np.float32)[:, None, None] for key in ("mean", "deviation"))
    logits = model.run(None, {given.name: (images / 255 - mean) / deviation})[0]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    names = json.loads(about["classes"])
    for own in shares[:10]:
        sys.stdout.write(", ".join(f"{names[place]} {own[place]:.1%}" for place in own.argsort()[:-4:-1]) + "\n")
    if labels is not None:
        sys.stdout.write(f"accuracy {np.mean(logits.argmax(1) == labels):.4f} on {len(labels)} pictures\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
