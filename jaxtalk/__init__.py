"""jaxtalk: speech-driven talking faces in JAX/Flax."""

__version__ = "0.1.0"
