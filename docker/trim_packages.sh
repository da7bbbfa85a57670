#!/bin/sh
# Takes out of an environment what nothing that serves ever opens; its folder is the argument.
set -eu
cd "$1"/lib/python3.*/site-packages
# Headers are for compiling against a library, libclang for TensorFlow's build tools.
rm -rf tensorflow/include clang numpy/_core/include numpy/f2py
# The Python module holds the whole of ONNX Runtime; the shared library beside it is for C programs.
rm -f onnxruntime/capi/libonnxruntime.so.*
rm -rf onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers
# A format that is not accepted: one decoder less that could be attacked. Pillow does without.
rm -f PIL/_avif.*.so pillow.libs/libavif-*
# Rich colours Python at most, for the traceback of a crash.
find pygments/lexers -type f ! -name '__init__.*' ! -name '_mapping.*' ! -name 'python.*' -delete
# The libraries' own tests.
rm -rf h5py/tests
find numpy -type d -name tests -prune -exec rm -rf {} +
# A release that is put together otherwise fails here and not at the first radiograph.
"$1/bin/python" -c 'import numpy, onnxruntime, PIL.Image, rich.traceback; PIL.Image.init()'
