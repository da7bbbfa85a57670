"""The networks, each described once and built twice: to be fitted and to be served.

They are fitted in PyTorch and served as Keras. On the two cores that this project is trained on,
Keras on PyTorch fitted 7 images a second, Keras on TensorFlow 15, plain PyTorch 11 (35 to 45 on
processors with AVX2 of their own), and bfloat16 is one line there. Serving keeps Keras, because a
``.keras`` file is data: it can be read, verified and run without executing code of its author.
"""
