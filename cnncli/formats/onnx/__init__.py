"""ONNX models: read as data, their shapes followed node by node; and networks written as ONNX graphs."""
