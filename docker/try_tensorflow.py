"""Runs inside a container: does its TensorFlow answer, and if not, what is its operator told?"""

from pathlib import Path

from service.inference import BundleError, load_ensemble

try:
    ensemble = load_ensemble(Path("models"), threads=1, engine="tensorflow")
except BundleError as error:
    print(error.message)
else:
    print(ensemble.engine_name, "answers")
