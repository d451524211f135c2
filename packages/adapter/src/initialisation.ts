import { elementCount, type Initializer, kaimingUniform, normal, randomNormal, uniform, zeros } from '@tunesmith/core';

/** N(0, deviation²) without what lies more than two deviations away: such a value is drawn again. */
export function truncatedNormal(deviation: number): Initializer {
  return ({ shape, key }) => {
    const size = elementCount(shape);
    return Float32Array.from({ length: size }, (_, index) => {
      let value = randomNormal(key, index);
      for (let draw = 1; Math.abs(value) > 2; draw++) value = randomNormal(key, index + draw * size);
      return deviation * value;
    });
  };
}

/** How the two projections of a bottleneck start; biases start at 0. */
export const initialisations = {
  /** BERT's own: N(0, 0.02²) for both. */
  bert: { down: normal(0.02), up: normal(0.02) },
  /** LoRA's (He et al. 2021, §4.1): the second projection at 0, so that training starts at the base model. */
  mam_adapter: { down: kaimingUniform(), up: zeros },
  /** Near the identity (Houlsby et al. 2019, §3.6): N(0, 0.01²), cut at two deviations. */
  houlsby: { down: truncatedNormal(0.01), up: truncatedNormal(0.01) },
} satisfies Record<string, { down: Initializer; up: Initializer }>;

export type Initialisation = keyof typeof initialisations;
export const initialisationNames = Object.keys(initialisations) as [Initialisation, ...Initialisation[]];

/** Glorot's normal distribution for factors [n, rows, columns]: N(0, 2 / (rows + columns)). */
export const glorotNormal: Initializer = (context) => {
  const [, rows = 1, columns = 1] = context.shape;
  return normal(Math.sqrt(2 / (rows + columns)))(context);
};

/** Glorot's uniform distribution for factors [n, rows, columns], with gain √2 as Compacter's own code has it. */
export const glorotUniform: Initializer = (context) => {
  const [, rows = 1, columns = 1] = context.shape;
  return uniform(Math.SQRT2 * Math.sqrt(6 / (rows + columns)))(context);
};
