"""Model files that people already have, read as data: ONNX, safetensors, Keras."""

from cnncli.formats.reading import MODEL_SUFFIXES, is_model_file, read_model

__all__ = ["MODEL_SUFFIXES", "is_model_file", "read_model"]
