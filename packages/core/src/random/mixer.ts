/**
 * Counter-based random bits: a pure function of (key, counter), so that a resumed run, another micro-batch split or
 * another order of evaluation draws the same numbers without any stored state.
 *
 * The mixer is Wellons' `lowbias32` (2018, "Prospecting for Hash Functions"); two keyed rounds of it serve as the
 * block function, in the manner of Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3").
 */
export interface RandomKey {
  readonly low: number;
  readonly high: number;
}

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

/** A key from any sequence of numbers and names, such as (seed, step, row, site). */
export function randomKey(...parts: readonly (number | string)[]): RandomKey {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  const absorb = (word: number): void => {
    low = mix(low ^ word);
    high = mix((high + Math.imul(word, 0xc2b2ae35)) ^ low);
  };
  for (const part of parts) {
    if (typeof part === 'string') {
      for (let index = 0; index < part.length; index++) absorb(part.charCodeAt(index));
      absorb(0x10000 + part.length);
    } else {
      absorb(part | 0);
      absorb(Math.floor(part / 0x1_0000_0000) | 0);
    }
  }
  return { low, high };
}

/** 32 random bits as a signed integer. */
export function randomBits(key: RandomKey, counter: number): number {
  return mix(mix((counter + key.low) | 0) ^ key.high);
}

/** Uniform in [0, 1), with 32 bits. */
export function randomUniform(key: RandomKey, counter: number): number {
  return (randomBits(key, counter) >>> 0) / 0x1_0000_0000;
}

/** Standard normal, by Box and Muller (1958); each counter uses two words. */
export function randomNormal(key: RandomKey, counter: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - randomUniform(key, 2 * counter)));
  return radius * Math.cos(2 * Math.PI * randomUniform(key, 2 * counter + 1));
}
