/** Fails if a part that must run in a browser reaches a Node module: bundles each as a browser would load it. */
import { browserProblems } from './browser-bundle.js';
import { report, root } from './workspace.js';

/** Entries that run in a browser; backend-onnx without its session layer is its `graph` entry. */
const portable = [
  'packages/core/src/index.ts',
  'packages/models/src/index.ts',
  'packages/adapter/src/index.ts',
  'packages/ia3/src/index.ts',
  'packages/prefix/src/index.ts',
  'packages/lora/src/index.ts',
  'packages/qlora/src/index.ts',
  'packages/selective/src/index.ts',
  'packages/rlhf-dpo/src/index.ts',
  'packages/transfer/src/index.ts',
  'packages/backend-onnx/src/graph.ts',
];

report(`${portable.length} browser bundles`, await browserProblems(root, portable));
