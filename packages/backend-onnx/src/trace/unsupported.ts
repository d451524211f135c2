import { currentSite, type TensorSpec, TunesmithError } from '@tunesmith/core';
import { callSite } from './call-site.js';
import { describeSpec } from './graph.js';

/** What the backend refuses while it traces: with the operands, the model's site and the line that called the op. */
export function unsupported(
  what: string,
  operands: readonly TensorSpec[],
  hint: string,
  cause?: unknown,
): TunesmithError {
  const where = [currentSite(), callSite()].filter((place) => place !== undefined).join(', called by ');
  return new TunesmithError('OP_UNSUPPORTED', `the ONNX backend ${what}`, {
    ...(where === '' ? {} : { where }),
    got: operands.length === 0 ? 'no inputs' : operands.map(describeSpec).join(', '),
    hint,
    cause,
  });
}
