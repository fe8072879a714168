"""X-ray photon correlation spectroscopy: from photons to correlation functions and their fits."""
