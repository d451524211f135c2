/** Frames of the machinery: other people's packages, Node's own, core, and this package but for its tests. */
const machinery = new RegExp(
  [
    'node_modules/(?!@tunesmith/)|@tunesmith/(core|backend-onnx)/|tfjs-core|node:|<anonymous>|native',
    'packages/core/|packages/backend-onnx/(dist|src/(?!.*\\.test\\.))',
  ].join('|'),
);

/**
 * The code that asked for the op being traced, as `function (file:line:column)`: the innermost stack frame outside
 * TensorFlow.js, core and this package. Undefined where the stack does not tell, as in a minified bundle.
 */
export function callSite(): string | undefined {
  const limits = Error as { stackTraceLimit?: number };
  const limit = limits.stackTraceLimit;
  limits.stackTraceLimit = 200;
  const { stack } = new Error();
  if (limit === undefined) delete limits.stackTraceLimit;
  else limits.stackTraceLimit = limit;
  const frame = stack
    ?.split('\n')
    .slice(1)
    .find((line) => !machinery.test(line));
  return frame
    ?.trim()
    .replace(/^at (async )?/, '')
    .replace('file://', '');
}
