#!/bin/sh
# Removes files that the service never opens from a virtual environment, whose folder is $1.
set -eu
cd "$1"/lib/python3.*/site-packages
# Headers are for compiling, libclang for the build tools of TensorFlow.
rm -rf tensorflow/include clang numpy/_core/include numpy/f2py
# The Python module contains ONNX Runtime; the shared library is for C programs.
rm -f onnxruntime/capi/libonnxruntime.so.*
rm -rf onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers
# Rich highlights only Python, in tracebacks.
find pygments/lexers -type f ! -name '__init__.*' ! -name '_mapping.*' ! -name 'python.*' -delete
# The libraries' own tests and sample files, and pynetdicom's commands.
rm -f uharfbuzz/_harfbuzz_test.*
rm -rf h5py/tests jpeg_ls/tests pydicom/data/test_files pynetdicom/apps pynetdicom/tests
find numpy -type d -name tests -prune -exec rm -rf {} +
# If a release needs a removed file, the build fails and not the first request.
"$1/bin/python" -c '
import highdicom.seg, highdicom.sr, jpeg_ls, pynetdicom
import numpy, onnxruntime, PIL.Image, PIL._avif, rich.traceback, uharfbuzz
PIL.Image.init()'
