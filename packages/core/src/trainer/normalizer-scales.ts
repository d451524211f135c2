import { TunesmithError } from '../errors/tunesmith-error.js';
import type { HostTensor } from '../program/backend.js';
import type { Named } from '../tensor/tfjs.js';
import { inputNames } from './program-names.js';

/**
 * What a program multiplies the sums of terms with: one over each normaliser. A term of which there is nothing is 0, beside
 * others of which there is something.
 * @throws DATA_INVALID where there is nothing of any
 */
export function normalizerScales(
  normalizers: Named<number>,
  whole: { what: string; where: string },
): Named<HostTensor> {
  const totals = Object.entries(normalizers);
  if (totals.every(([, total]) => !(total > 0))) {
    throw new TunesmithError('DATA_INVALID', `no token of the ${whole.what} has a loss weight`, {
      where: whole.where,
      hint: 'Look at the rows with `tunesmith data check`; a larger batch or maxLength may help.',
    });
  }
  return Object.fromEntries(
    totals.map(([per, total]): [string, HostTensor] => [
      inputNames.scale(per),
      { dtype: 'float32', shape: [], data: Float32Array.of(total > 0 ? 1 / total : 0) },
    ]),
  );
}
