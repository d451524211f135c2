import { elementCount, type Model, type ParameterStore, randomKey, randomNormal } from '@tunesmith/core';

/**
 * Gives a decoder's base weights their first values: matrices N(0, 0.02²), what a residual stream adds up (`o_proj`,
 * `down_proj`) narrower by √(2·layers) (Radford et al. 2019, §2.3), norms 1. Keyed by (seed, path).
 */
export async function initialiseWeights(model: Model, parameters: ParameterStore, seed: number): Promise<void> {
  for (const handle of model.handles) {
    if (handle.owner !== 'base') continue;
    const { path, shape } = handle;
    const values = new Float32Array(elementCount(shape));
    if (shape.length === 1) {
      values.fill(path.endsWith('.weight') ? 1 : 0);
    } else {
      const addsUp = /\.(o_proj|down_proj)\.weight$/.test(path);
      const deviation = addsUp ? 0.02 / Math.sqrt(2 * model.shape.layers) : 0.02;
      const key = randomKey(seed, 'weights', path);
      for (let index = 0; index < values.length; index++) values[index] = deviation * randomNormal(key, index);
    }
    await parameters.write(handle, values);
  }
}
