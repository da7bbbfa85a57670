"""From fitted networks to a bundle: Keras files, manifest, compiled graphs."""
