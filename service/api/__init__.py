"""HTTP: the application, its routes, and what they read and answer."""
