import type { Tensor } from '../tensor/tfjs.js';
import type { Trace } from './trace.js';

/**
 * What a layer hands on beside its output: an auxiliary loss or an observation, which reach the step, or a value, which reaches
 * whoever collects it on the way.
 */
export interface Handed {
  readonly kind: 'loss' | 'observation' | 'value';
  readonly name: string;
  /** float32 */
  readonly value: Tensor;
  /** A loss's factor in the total. */
  readonly weight?: number;
}

/** Runs `body` and takes the values that its layers hand on under each of the names, in the order of the layers. */
export function collectValues<Result>(
  t: Trace,
  names: readonly string[],
  body: () => Result,
): { readonly result: Result; readonly values: readonly (readonly Tensor[])[] } {
  const { result, handed } = t.capture(body);
  const isWanted = ({ kind, name }: Handed): boolean => kind === 'value' && names.includes(name);
  for (const each of handed) if (!isWanted(each)) t.hand(each);
  const wanted = handed.filter(isWanted);
  return { result, values: names.map((name) => wanted.filter((each) => each.name === name).map(({ value }) => value)) };
}
