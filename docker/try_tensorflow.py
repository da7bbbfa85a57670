"""Runs inside a container: loads the TensorFlow engine, or prints why it cannot."""

from pathlib import Path

from service.inference import BundleError, load_ensemble

try:
    ensemble = load_ensemble(Path("models"), threads=1, engine="tensorflow")
except BundleError as error:
    print(error.message)
else:
    print(ensemble.engine_name, "answers")
