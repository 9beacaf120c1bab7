"""ONNX graphs of other programs as networks of the notation.

A graph becomes pieces (`translation.py`): layers of ours on tensors in our layout, whatever the graph's layout is
(`views.py`). Pieces become sequences and blocks (`branches.py`), in which operations that make up a layer are found
(`patterns.py`) and those that a layer can take over are folded into it (`folding.py`); what is left are words
(`assembly.py`).
"""
