/** Frames of the machinery: dependencies, this package, core's op definitions, and Node's own. */
const machinery =
  /node_modules|node:|<anonymous>|native|packages\/core\/|packages\/backend-onnx\/(dist|src\/(?!.*\.test\.))|tfjs-core/;

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
  return callSiteIn(stack);
}

/** The same of the place where an error was made. */
export function callSiteIn(stack: string | undefined): string | undefined {
  const frame = stack
    ?.split('\n')
    .slice(1)
    .find((line) => !machinery.test(line));
  return frame
    ?.trim()
    .replace(/^at (async )?/, '')
    .replace('file://', '');
}
