#!/bin/sh
# Holds backend-onnx on this machine's GPU to the backend contract, to PyTorch's twenty LoRA steps, and WebGPU to the CPU's
# steps of every family. CI has no GPU; docs/benchmarks.md says what CUDA needs.
#
#   npm run --silent test:gpu -- [cuda] [webgpu] > parity/gpu.txt
set -u
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- cuda webgpu
log=$(mktemp)
status=0

suite() {
  node node_modules/vitest/vitest.mjs run "$@" --reporter=tap-flat --silent > "$log" || status=1
  sed -e '/^TAP version/d' -e '/^1\.\./d' -e 's/ # time=.*//' -e '/# SKIP$/d' -e 's|packages/backend-onnx/src/[a-z]*.contract.test.ts > ||' \
    -e 's/^\(ok\|not ok\) [0-9]* - /\1 - /' "$log"
}

echo "# onnxruntime-node $(node -p "require('onnxruntime-node/package.json').version"), Node $(node --version), $(uname -sm)"
echo "# $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader || echo 'no nvidia-smi')"
for device in "$@"; do
  echo "# $device"
  TUNESMITH_REQUIRE=$device suite "packages/backend-onnx/src/$device.contract.test.ts"
  TUNESMITH_PARITY=onnx-$device suite parity/lora-training.test.ts -t "onnx-$device"
  [ "$device" != webgpu ] || TUNESMITH_REQUIRE=webgpu suite matrix/webgpu.test.ts
done
rm -f "$log"
exit $status
