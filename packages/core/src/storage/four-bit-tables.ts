/** The 16 values of bitsandbytes' 4-bit types by their code (bitsandbytes/functional.py, `get_4bit_type`). */

export type FourBitType = 'nf4' | 'fp4';

/**
 * NormalFloat: quantiles of the standard normal distribution, 8 below zero, zero, and 7 above, scaled to −1..1
 * (Dettmers et al. 2023, §3). Codes are in the order of the values.
 */
const nf4 = Float32Array.of(
  ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334],
  ...[-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
  ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
);

/** A sign, two bits of exponent and one of fraction, divided by the largest; the fourth bit is the sign. */
const fp4 = Float32Array.from([0, 0.0625, 8, 12, 4, 6, 2, 3, -0, -0.0625, -8, -12, -4, -6, -2, -3], (v) => v / 12);

export const fourBitValues: Readonly<Record<FourBitType, Float32Array>> = { nf4, fp4 };

/** Codes in the order of their values; of FP4's two zeros, +0 is taken for what is not above it. */
const codesByValue: Readonly<Record<FourBitType, Uint8Array>> = {
  nf4: Uint8Array.from({ length: 16 }, (_, code) => code),
  fp4: Uint8Array.of(11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3),
};

/** A type's values in ascending order, and the code of each. */
export function sortedFourBit(type: FourBitType): { values: Float32Array; codes: Uint8Array } {
  const codes = codesByValue[type];
  return { codes, values: Float32Array.from(codes, (code) => fourBitValues[type][code] as number) };
}
