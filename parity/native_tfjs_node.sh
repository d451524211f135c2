#!/bin/sh
# Builds @tensorflow/tfjs-node from its sources against the TensorFlow C API inside PyPI's tensorflow-cpu wheel, in a
# folder outside the repository, and holds backend-tfjs on it to the backend contract. npm's own way of installing
# tfjs-node downloads a library from a host of its own; this one needs npm, PyPI, a C++ compiler and make.
#
#   parity/native_tfjs_node.sh [folder] > parity/native-tfjs-node.txt
#
# A folder that already holds the build is used as it is.
set -eu

tfjs=4.22.0
tensorflow=2.21.0
repository=$(cd "$(dirname "$0")/.." && pwd)
folder=$(realpath -m "${1:-$(mktemp -d)}")
module=$folder/node_modules/@tensorflow/tfjs-node
addon=$module/lib/napi-v8/tfjs_binding.node
log=$folder/build.log

mkdir -p "$folder"

build() {
  cd "$folder"
  echo '{"private":true}' > package.json
  npm install --ignore-scripts "@tensorflow/tfjs-node@$tfjs" "@tensorflow/tfjs-core@$tfjs"
  python3 -m pip download --no-deps --only-binary=:all: "tensorflow-cpu==$tensorflow"
  python3 - <<PYTHON
import glob, re, zipfile
wanted = re.compile(r'tensorflow/(libtensorflow[^/]*|include/(tensorflow/c|tensorflow/core/platform|tsl/platform|xla/tsl/c)/.*)')
with zipfile.ZipFile(glob.glob('tensorflow_cpu-$tensorflow-*.whl')[0]) as wheel:
    wheel.extractall('wheel', [name for name in wheel.namelist() if wanted.fullmatch(name)])
PYTHON
  mkdir -p "$module/deps/lib"
  ln -sfn "$folder/wheel/tensorflow/include" "$module/deps/include"
  for library in libtensorflow_cc libtensorflow_framework; do
    cp "wheel/tensorflow/$library.so.2" "$module/deps/lib/"
  done
  ln -sfn libtensorflow_cc.so.2 "$module/deps/lib/libtensorflow.so"
  ln -sfn libtensorflow_framework.so.2 "$module/deps/lib/libtensorflow_framework.so"
  cd "$module"
  node "$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js" rebuild \
    --nodedir="$(node -p "require('node:path').resolve(process.execPath, '../..')")" \
    --module_name=tfjs_binding --module_path="$module/lib/napi-v8" --napi_build_version=8
}

[ -f "$addon" ] || build > "$log" 2>&1 || { tail -n 40 "$log" >&2; exit 1; }

cd "$repository"
echo "# tfjs-node $tfjs, built against tensorflow-cpu $tensorflow; Node $(node --version), $(uname -sm)"
status=0
TF_CPP_MIN_LOG_LEVEL=3 NODE_PATH="$folder/node_modules" TUNESMITH_REQUIRE=tfjs-node TUNESMITH_PARITY=tfjs-node \
  npx vitest run packages/backend-tfjs/src/tfjs-node.contract.test.ts parity/lora-training.test.ts \
  -t 'tfjs-node' --reporter=tap-flat --silent \
  > "$folder/suite.tap" 2>> "$log" || status=$?
sed -e 's/ # time=.*//' -e '/# SKIP$/d' -e 's|packages/backend-tfjs/src/tfjs-node.contract.test.ts > ||' "$folder/suite.tap"
# Where tfjs-node does not load, the test file only checks that this is said.
grep -q 'backend tfjs-node' "$folder/suite.tap" || status=1
exit $status
