#!/bin/sh
# Takes out of an environment what nothing that serves ever opens; its folder is the argument.
set -eu
cd "$1"/lib/python3.*/site-packages
# Headers are for compiling against TensorFlow, libclang for its build tools.
rm -rf tensorflow/include clang
# The Python module holds the whole of ONNX Runtime; the shared library beside it is for C programs.
rm -f onnxruntime/capi/libonnxruntime.so.*
rm -rf onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers
# The libraries' own tests.
rm -rf h5py/tests
find numpy -type d -name tests -prune -exec rm -rf {} +
# A release that is put together otherwise fails here and not at the first radiograph.
"$1/bin/python" -c 'import h5py, numpy, onnxruntime, PIL.Image'
