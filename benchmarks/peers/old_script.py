"""A first service as one writes it: Flask, two Keras networks, ``model.predict`` for each request.

It serves the bundle's networks at their own input size, and does with a radiograph what the script
that this project replaces did.
"""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
from flask import Flask, jsonify, request
from PIL import Image

FILES = ("modelo_afinado_tuning.keras", "modelo_2_ensamble.keras")

app = Flask(__name__)
bundle = Path(os.environ["BENCH_BUNDLE"])
models = [keras.models.load_model(bundle / file, compile=False) for file in FILES]
height, width, channels = models[0].input_shape[1:]


@app.post("/predict")
def predict() -> Any:
    """Class and probability of the uploaded file."""
    image = Image.open(request.files["file"].stream).convert("L").resize((width, height))
    array = np.expand_dims(keras.utils.img_to_array(image) / 255.0, axis=0)
    if channels > 1:  # networks that ask where the lungs are: it knows nothing of them
        array = np.concatenate([array, np.ones_like(array)], axis=-1)
    members = [float(model.predict(array, verbose=0)[0][0]) for model in models]
    probability = sum(members) / 2
    label = "PNEUMONIA" if probability > 0.5 else "NORMAL"
    return jsonify({"predicted_class": label, "probability": probability, "members": members})


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]))
